package posthog

import "net/netip"

// Addresses of IPv6 that stand for one of IPv4: somewhere on the way a machine
// turns the first into the second, so the second has to be admitted, too.
var (
	nat64WellKnown = netip.MustParsePrefix("64:ff9b::/96")   // RFC 6052
	nat64Local     = netip.MustParsePrefix("64:ff9b:1::/48") // RFC 8215
	sixToFour      = netip.MustParsePrefix("2002::/16")      // RFC 3056
	teredo         = netip.MustParsePrefix("2001::/32")      // RFC 4380
	translated     = netip.MustParsePrefix("::ffff:0:0:0/96")
	compatible     = netip.MustParsePrefix("::/96") // RFC 4291, deprecated
)

// embedded lists the IPv4 addresses that ip stands for; tunnel tells whether it
// is of that kind at all. One that can't be told is the zero Addr, which nobody
// admits.
func (g *guard) embedded(ip netip.Addr) (inner []netip.Addr, tunnel bool) {
	if !ip.Is6() {
		return nil, false
	}
	b := ip.As16()
	switch {
	case ip == netip.IPv6Unspecified(), ip == netip.IPv6Loopback():
		return nil, false
	case nat64WellKnown.Contains(ip), translated.Contains(ip), compatible.Contains(ip), isISATAP(b):
		return []netip.Addr{v4(b, 12, 13, 14, 15)}, true
	case nat64Local.Contains(ip):
		return []netip.Addr{g.nat64(ip)}, true
	case sixToFour.Contains(ip):
		return []netip.Addr{v4(b, 2, 3, 4, 5)}, true
	case teredo.Contains(ip): // its server, and its client, which is written inverted
		client := v4(b, 12, 13, 14, 15).As4()
		for i := range client {
			client[i] ^= 0xff
		}
		return []netip.Addr{v4(b, 4, 5, 6, 7), netip.AddrFrom4(client)}, true
	}
	return nil, false
}

// nat64 reads an address under a local prefix. Where the IPv4 address stands
// depends on the prefix's length, which the operator's network tells.
func (g *guard) nat64(ip netip.Addr) netip.Addr {
	p, ok := g.narrowest(ip)
	b := ip.As16()
	switch {
	case !ok:
	case p.Bits() >= 96:
		return v4(b, 12, 13, 14, 15)
	case p.Bits() == 64:
		return v4(b, 9, 10, 11, 12)
	case p.Bits() == 56:
		return v4(b, 7, 9, 10, 11)
	case p.Bits() == 48:
		return v4(b, 6, 7, 9, 10)
	}
	return netip.Addr{}
}

// isISATAP knows the interface identifier of RFC 5214, which may follow any
// prefix.
func isISATAP(b [16]byte) bool {
	return b[8]&^0x02 == 0 && b[9] == 0 && b[10] == 0x5e && b[11] == 0xfe
}

func v4(b [16]byte, at ...int) netip.Addr {
	var out [4]byte
	for i, at := range at {
		out[i] = b[at]
	}
	return netip.AddrFrom4(out)
}
