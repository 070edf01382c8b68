package posthog

import (
	"net/netip"
	"net/url"
	"testing"

	"github.com/hogcast/hogcast/pkg/destination"
)

// Whatever a URL says, a pinned destination reaches its own region's hosts and
// no other.
func FuzzReach(f *testing.F) {
	for _, e := range evilEndpoints() {
		f.Add(e.endpoint)
	}
	f.Add(destination.EndpointUS)
	f.Fuzz(func(t *testing.T, endpoint string) {
		u, err := url.Parse(endpoint)
		if err != nil {
			return
		}
		d := destinationAt(endpoint, destination.Auto)
		d.Region = destination.RegionUS
		if reach(d, u) == nil && destination.RegionOf(u.Scheme+"://"+u.Host) != destination.RegionUS {
			t.Errorf("%q is reached", endpoint)
		}
	})
}

// An address that is admitted with nothing allowed is public, and stands for
// no other.
func FuzzGuard(f *testing.F) {
	for _, s := range []string{"8.8.8.8", "127.0.0.1", "::1", "64:ff9b::808:808", "2606:4700::1", "::ffff:8.8.8.8", "2001:470::5efe:808:808"} {
		f.Add(netip.MustParseAddr(s).AsSlice())
	}
	g := newGuard(nil)
	all := newGuard(networks("0.0.0.0/0", "::/0"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		ip, ok := netip.AddrFromSlice(raw)
		if !ok {
			return
		}
		ip = plain(ip)
		inner, tunnel := g.embedded(ip)
		if g.checkHTTPS(ip) == nil && (tunnel || ip.IsPrivate() || ip.IsLoopback() || ip.IsLinkLocalUnicast() || ip.IsMulticast() || ip.IsUnspecified()) {
			t.Errorf("%s is admitted", ip)
		}
		if g.checkHTTP(ip) == nil {
			t.Errorf("plain http to %s is admitted", ip)
		}
		for _, m := range metadataAddresses() {
			if (ip == m || len(inner) > 0 && inner[0] == m) && all.checkHTTPS(ip) == nil {
				t.Errorf("%s, metadata, is admitted by wide networks", ip)
			}
		}
	})
}

func FuzzFlags(f *testing.F) {
	f.Add([]byte(`{"flags":{}}`))
	f.Add([]byte(`{"featureFlags":["a"]}`))
	f.Fuzz(func(_ *testing.T, body []byte) { hasFlags(body) })
}
