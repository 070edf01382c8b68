package posthog

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"syscall"

	"code.dny.dev/ssrf"
)

// guard judges each address that is about to be dialled, after DNS, so that a
// name which points somewhere else the second time gains nothing.
type guard struct {
	public *ssrf.Guardian
	allow  []netip.Prefix
}

// metadataAddresses answer to the machine that asks, with its credentials.
// Nobody's PostHog lives there: a network that covers one does not open it,
// only its own address does. Some are public by IANA's registries (Azure's).
func metadataAddresses() []netip.Addr {
	var out []netip.Addr
	for _, s := range []string{
		"169.254.169.254", "fd00:ec2::254", // AWS, and all that copied it
		"169.254.170.2", "169.254.170.23", "fd00:ec2::23", // AWS: containers, pods
		"fd20:ce::254",                 // Google
		"168.63.129.16",                // Azure's WireServer
		"100.100.100.200",              // Alibaba
		"192.0.0.192",                  // Oracle, the classic one
		"169.254.0.23",                 // Tencent
		"169.254.42.42", "fd00:42::42", // Scaleway
	} {
		out = append(out, netip.MustParseAddr(s))
	}
	return out
}

func newGuard(allow []netip.Prefix) *guard {
	var denied []netip.Prefix
	for _, ip := range metadataAddresses() {
		if ip.Is4() {
			denied = append(denied, netip.PrefixFrom(ip, ip.BitLen()))
		}
	}
	return &guard{
		public: ssrf.New(ssrf.WithAnyPort(), ssrf.WithDeniedV4Prefixes(denied...)),
		allow:  withoutMetadata(unmapped(allow)),
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

// withoutMetadata cuts the metadata addresses out of networks that cover them.
func withoutMetadata(prefixes []netip.Prefix) []netip.Prefix {
	for _, ip := range metadataAddresses() {
		var out []netip.Prefix
		for _, p := range prefixes {
			if p.IsSingleIP() || !p.Contains(ip) {
				out = append(out, p)
				continue
			}
			out = append(out, around(p, ip)...)
		}
		prefixes = out
	}
	return prefixes
}

// around is p without ip: at each length the half that ip is not in.
func around(p netip.Prefix, ip netip.Addr) []netip.Prefix {
	var out []netip.Prefix
	for bits := p.Bits() + 1; bits <= ip.BitLen(); bits++ {
		b := ip.AsSlice()
		b[(bits-1)/8] ^= 1 << (7 - (bits-1)%8)
		other, _ := netip.AddrFromSlice(b)
		out = append(out, netip.PrefixFrom(other, bits).Masked())
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
	return judge(plain(ap.Addr()))
}

// plain is the form in which addresses are judged: ::ffff:127.0.0.1 is
// 127.0.0.1, and a zone hides an address from prefixes.
func plain(ip netip.Addr) netip.Addr { return ip.Unmap().WithZone("") }

func (g *guard) checkHTTPS(ip netip.Addr) error {
	inner, tunnel := g.embedded(ip)
	if !tunnel && g.isPublic(ip) {
		return nil
	}
	var missing []string
	if !g.allowed(ip) {
		missing = append(missing, single(ip))
	}
	for _, v4 := range inner {
		if !g.isPublic(v4) && !g.allowed(v4) {
			missing = append(missing, single(v4))
		}
	}
	missing = slices.Compact(missing)
	if len(missing) == 0 {
		return nil
	}
	return fmt.Errorf("%w: %s is %s; --egress-allow %s would allow it",
		ErrEgressRefused, ip, whatIsRefused(append(inner, ip)), strings.Join(missing, ","))
}

// whatIsRefused warns before somebody allows what must not be reached.
func whatIsRefused(ips []netip.Addr) string {
	for _, ip := range metadataAddresses() {
		if slices.Contains(ips, ip) {
			return "a metadata address of clouds, which hands out credentials"
		}
	}
	return "not a public address"
}

func (g *guard) checkHTTP(ip netip.Addr) error {
	inner, _ := g.embedded(ip)
	var missing []string
	for _, ip := range append([]netip.Addr{ip}, inner...) {
		if !g.allowed(ip) {
			missing = append(missing, single(ip))
		}
	}
	if len(missing) == 0 {
		return nil
	}
	return fmt.Errorf("%w: plain http to %s; use https, or allow it by --egress-allow %s",
		ErrEgressRefused, ip, strings.Join(missing, ","))
}

func (g *guard) isPublic(ip netip.Addr) bool { return ip.IsValid() && g.public.SafeAddr(ip) == nil }

// allowed reports that the operator's networks hold the address.
func (g *guard) allowed(ip netip.Addr) bool {
	_, ok := g.narrowest(ip)
	return ok
}

// narrowest is the smallest of the operator's networks that hold the address.
func (g *guard) narrowest(ip netip.Addr) (found netip.Prefix, ok bool) {
	for _, p := range g.allow {
		if p.Contains(ip) && (!ok || p.Bits() > found.Bits()) {
			found, ok = p, true
		}
	}
	return found, ok
}

// single is the network of one address.
func single(ip netip.Addr) string {
	if !ip.IsValid() {
		return nat64Local.String() + " in its own length, 48, 56, 64 or 96"
	}
	return netip.PrefixFrom(ip, ip.BitLen()).String()
}
