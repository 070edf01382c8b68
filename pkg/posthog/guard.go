package posthog

import (
	"fmt"
	"net/netip"
	"syscall"

	"code.dny.dev/ssrf"
)

// guard judges each address that is about to be dialled, after DNS, so that a
// name which points somewhere else the second time gains nothing.
type guard struct {
	public *ssrf.Guardian
	allow  []netip.Prefix
}

// platformAddresses are public by IANA's registries and yet answer to the
// machine that asks: Azure's WireServer gives out credentials.
func platformAddresses() []netip.Prefix {
	return []netip.Prefix{netip.MustParsePrefix("168.63.129.16/32")}
}

func newGuard(allow []netip.Prefix) *guard {
	return &guard{
		public: ssrf.New(ssrf.WithAnyPort(), ssrf.WithDeniedV4Prefixes(platformAddresses()...)),
		allow:  unmapped(allow),
	}
}

// unmapped turns prefixes of ::ffff:0:0/96 into those of IPv4, the form in
// which addresses are compared.
func unmapped(prefixes []netip.Prefix) []netip.Prefix {
	out := make([]netip.Prefix, 0, len(prefixes))
	for _, p := range prefixes {
		if p.Addr().Is4In6() && p.Bits() >= 96 {
			p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
		}
		out = append(out, p)
	}
	return out
}

// controlHTTPS is a net.Dialer.Control that admits public addresses and the
// operator's own.
func (g *guard) controlHTTPS(network, address string, _ syscall.RawConn) error {
	return g.check(network, address, g.checkHTTPS)
}

// controlHTTP is a net.Dialer.Control that admits the operator's own addresses
// alone: elsewhere an API key must not travel in the clear.
func (g *guard) controlHTTP(network, address string, _ syscall.RawConn) error {
	return g.check(network, address, g.checkHTTP)
}

func (g *guard) check(network, address string, judge func(netip.Addr) error) error {
	if network != "tcp4" && network != "tcp6" {
		return fmt.Errorf("%w: network %q", ErrEgressRefused, network)
	}
	ap, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("%w: unreadable address", ErrEgressRefused)
	}
	// ::ffff:127.0.0.1 is 127.0.0.1, and a zone hides an address from prefixes.
	return judge(ap.Addr().Unmap().WithZone(""))
}

func (g *guard) checkHTTPS(ip netip.Addr) error {
	if g.allowed(ip) || g.public.SafeAddr(ip) == nil {
		return nil
	}
	return fmt.Errorf("%w: %s is not a public address; %s would allow it", ErrEgressRefused, ip, flagFor(ip))
}

func (g *guard) checkHTTP(ip netip.Addr) error {
	if g.allowed(ip) {
		return nil
	}
	return fmt.Errorf("%w: plain http to %s; use https, or allow it by %s", ErrEgressRefused, ip, flagFor(ip))
}

func (g *guard) allowed(ip netip.Addr) bool {
	for _, p := range g.allow {
		if p.Contains(ip) {
			return true
		}
	}
	return false
}

func flagFor(ip netip.Addr) string {
	return "--egress-allow " + netip.PrefixFrom(ip, ip.BitLen()).String()
}
