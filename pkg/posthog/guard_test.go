package posthog

import (
	"errors"
	"net/netip"
	"net/url"
	"strings"
	"testing"

	"github.com/hogcast/hogcast/pkg/destination"
	"github.com/hogcast/hogcast/pkg/outcome"
)

func TestTheGuardAdmitsPublicAddressesAlone(t *testing.T) {
	t.Parallel()
	cases := map[string]bool{ // by https, with nothing allowed
		"8.8.8.8": true, "1.1.1.1": true, "52.1.2.3": true, "192.1.1.1": true, "100.63.255.255": true,
		"100.128.0.1": true, "172.15.0.1": true, "172.32.0.1": true, "198.17.255.255": true, "198.20.0.1": true,
		"2606:4700:4700::1111": true, "2a00:1450:4001::1": true, "2001:4860:4860::8888": true,
		"::ffff:8.8.8.8": true,

		"127.0.0.1": false, "127.255.255.254": false, "0.0.0.0": false, "0.1.2.3": false,
		"10.0.0.1": false, "10.255.255.255": false, "172.16.0.1": false, "172.31.255.255": false,
		"192.168.0.1": false, "192.168.255.255": false, "100.64.0.1": false, "100.127.255.255": false,
		"100.100.100.200": false, // Alibaba's metadata
		"169.254.169.254": false, "169.254.170.2": false, "169.254.0.1": false,
		"168.63.129.16": false, // Azure's WireServer, of public space
		"192.0.0.1":     false, "192.0.0.192": false, "192.0.2.1": false, "198.51.100.1": false, "203.0.113.1": false,
		"192.88.99.1": false, "198.18.0.1": false, "198.19.255.255": false, "224.0.0.1": false, "239.255.255.255": false,
		"240.0.0.1": false, "255.255.255.255": false,
		"::": false, "::1": false, "::ffff:127.0.0.1": false, "::ffff:10.0.0.1": false, "::ffff:169.254.169.254": false,
		"::ffff:0:127.0.0.1": false, "::127.0.0.1": false, "::7f00:1": false,
		"64:ff9b::7f00:1": false, "64:ff9b::a9fe:a9fe": false, "64:ff9b::808:808": false, "64:ff9b:1::7f00:1": false,
		"2002:7f00:1::": false, "2002:a00:1::1": false, "2001::1": false, "2001:0:7f00:1::": false,
		"2001:db8::1": false, "2001:10::1": false, "3fff::1": false, "100::1": false, "5f00::1": false,
		"fc00::1": false, "fd00::1": false, "fd00:ec2::254": false, "fe80::1": false, "fe80::1%eth0": false,
		"fec0::1": false, "ff02::1": false, "ff0e::1": false, "4000::1": false,
	}
	g := newGuard(nil)
	for address, want := range cases {
		network := "tcp4"
		if strings.Contains(address, ":") {
			network, address = "tcp6", "["+address+"]"
		}
		for _, port := range []string{":443", ":8443"} {
			err := g.controlHTTPS(network, address+port, nil)
			if got := err == nil; got != want {
				t.Errorf("https to %s%s: admitted %t, want %t", address, port, got, want)
			}
			if err != nil && !errors.Is(err, ErrEgressRefused) {
				t.Errorf("https to %s: %v is not ErrEgressRefused", address, err)
			}
			if err := g.controlHTTP(network, address+port, nil); !errors.Is(err, ErrEgressRefused) {
				t.Errorf("http to %s: got %v, want ErrEgressRefused", address, err)
			}
		}
	}
	if len(cases) < 40 {
		t.Errorf("only %d addresses", len(cases))
	}
}

func TestAllowedNetworksMayBeDialled(t *testing.T) {
	t.Parallel()
	var allow []netip.Prefix
	for _, p := range []string{"10.1.0.0/16", "127.0.0.1/32", "fd00::/8", "fe80::/10", "::ffff:192.168.7.0/120", "8.8.8.8/32"} {
		allow = append(allow, netip.MustParsePrefix(p))
	}
	g := newGuard(allow)
	for address, want := range map[string][2]bool{ // https, http
		"10.1.2.3:80": {true, true}, "10.2.0.1:80": {false, false}, "127.0.0.1:8000": {true, true},
		"127.0.0.2:8000": {false, false}, "[::ffff:10.1.2.3]:80": {true, true}, "[fd12::1]:80": {true, true},
		"[fe80::1%eth0]:80": {true, true}, "192.168.7.9:80": {true, true}, "192.168.8.9:80": {false, false},
		"8.8.8.8:80": {true, true}, "8.8.4.4:80": {true, false}, "[::1]:80": {false, false},
	} {
		got := [2]bool{g.controlHTTPS("tcp4", address, nil) == nil, g.controlHTTP("tcp4", address, nil) == nil}
		if got != want {
			t.Errorf("%s: admitted %v, want %v", address, got, want)
		}
	}
}

// An address that stands for one of IPv4 is admitted where both are.
func TestTunnelsAreAdmittedByBothTheirAddresses(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		address, allow string
		https, http    bool
	}{
		{"64:ff9b::8.8.8.8", "64:ff9b::/96", true, false},
		{"64:ff9b::8.8.8.8", "64:ff9b::/96,8.8.8.8/32", true, true},
		{"64:ff9b::10.0.0.1", "64:ff9b::/96", false, false},
		{"64:ff9b::10.0.0.1", "10.0.0.1/32", false, false},
		{"64:ff9b::10.0.0.1", "64:ff9b::/96,10.0.0.1/32", true, true},
		{"64:ff9b::10.0.0.2", "64:ff9b::/96,10.0.0.1/32", false, false},
		{"64:ff9b::10.0.0.1", "64:ff9b::a00:1/128,10.0.0.0/8", true, true},
		{"64:ff9b:1:808:8:800::", "64:ff9b:1::/48", true, false},
		{"64:ff9b:1:a00:0:100::", "64:ff9b:1::/48", false, false},
		{"64:ff9b:1:a00:0:100::", "64:ff9b:1::/48,10.0.0.0/8", true, true},
		{"64:ff9b:1:ab08:8:808::", "64:ff9b:1:ab00::/56", true, false},
		{"64:ff9b:1:1:8:808:800::", "64:ff9b:1:1::/64", true, false},
		{"64:ff9b:1:1::8.8.8.8", "64:ff9b:1:1::/96", true, false},
		{"64:ff9b:1:1::8.8.8.8", "64:ff9b:1:1::/80", false, false},
		{"64:ff9b:1:1::8.8.8.8", "::/0", false, false},
		{"2002:808:808::1", "2002::/16", true, false},
		{"2001:0:808:808::f7f7:f7f7", "2001::/32", true, false},
		{"2001:470:1f0b::5efe:808:808", "2001:470:1f0b::/48", true, false},
		{"::8.8.8.8", "::/96", true, false},
		{"fd00::a00:1", "fd00::/8", true, true}, // stands for itself
		{"169.254.1.1", "169.254.0.0/16", true, true},
		{"169.254.169.253", "169.254.0.0/16", true, true},
		{"169.254.169.254", "169.254.0.0/16", false, false},
		{"169.254.169.254", "169.254.169.254/31", false, false},
		{"169.254.169.254", "169.254.169.254/32", true, true},
		{"fd00:ec2::254", "fd00::/8,fd00:ec2::254/128", true, true},
		{"168.63.129.16", "0.0.0.0/0", false, false},
		{"168.63.129.17", "0.0.0.0/0", true, true},
	} {
		g := newGuard(networks(strings.Split(c.allow, ",")...))
		ip := netip.MustParseAddr(c.address)
		if got := g.checkHTTPS(ip) == nil; got != c.https {
			t.Errorf("https to %s with %s: admitted %t", c.address, c.allow, got)
		}
		if got := g.checkHTTP(ip) == nil; got != c.http {
			t.Errorf("http to %s with %s: admitted %t", c.address, c.allow, got)
		}
	}
}

// Who does what a refusal says gets through.
func TestARefusalNamesAllThatWouldAllowIt(t *testing.T) {
	t.Parallel()
	for _, address := range []string{
		"127.0.0.1", "::1", "64:ff9b::7f00:1", "64:ff9b:1::7f00:1", "2002:a00:1::1", "2001:0:7f00:1::1", "::127.0.0.1",
		"169.254.169.254", "fd00:ec2::254", "2001:470::5efe:a00:1", "64:ff9b::a9fe:a9fe", "8.8.8.8", "2606:4700::1",
	} {
		ip := netip.MustParseAddr(address)
		for name, judge := range map[string]func(*guard) error{
			"https": func(g *guard) error { return g.checkHTTPS(ip) }, "http": func(g *guard) error { return g.checkHTTP(ip) },
		} {
			var allow []netip.Prefix
			for range 2 { // a local NAT64 address is only read once it is allowed
				err := judge(newGuard(allow))
				if err == nil {
					break
				}
				_, said, _ := strings.Cut(err.Error(), "--egress-allow ")
				said, _, _ = strings.Cut(said, " ")
				allow = append(allow, networks(strings.Split(said, ",")...)...)
			}
			if err := judge(newGuard(allow)); err != nil {
				t.Errorf("%s to %s with %v: %v", name, address, allow, err)
			}
		}
	}
}

func TestTheGuardRefusesWhatItCanNotRead(t *testing.T) {
	t.Parallel()
	g := newGuard([]netip.Prefix{netip.MustParsePrefix("0.0.0.0/0")})
	for _, c := range [][2]string{{"unix", "/run/x.sock"}, {"udp4", "8.8.8.8:53"}, {"tcp4", "example.com:80"}, {"tcp4", "8.8.8.8"}} {
		if err := g.controlHTTPS(c[0], c[1], nil); !errors.Is(err, ErrEgressRefused) {
			t.Errorf("%v: got %v, want ErrEgressRefused", c, err)
		}
	}
}

// The refusal survives the wrapping of net and net/http, is a hold, and says
// what would help.
func TestARefusedAddressHoldsTheDestination(t *testing.T) {
	t.Parallel()
	srv := newServer(t, allOK)
	_, port, _ := strings.Cut(strings.TrimPrefix(srv.URL, "http://"), ":")
	s := newSender(t, func(c *Config) { c.EgressAllow = nil })
	for endpoint, want := range map[string]string{
		"http://127.0.0.1:" + port:          "--egress-allow 127.0.0.1/32",
		"http://localhost:" + port:          "--egress-allow ", // whichever it resolves to
		"https://127.0.0.1:" + port:         "--egress-allow 127.0.0.1/32",
		"http://[::ffff:127.0.0.1]:" + port: "--egress-allow 127.0.0.1/32",
		"https://[fd00::1]":                 "--egress-allow fd00::1/128",
		"https://169.254.169.254":           "a metadata address of clouds, which hands out credentials; --egress-allow 169.254.169.254/32",
		"https://[64:ff9b::a9fe:a9fe]":      "a metadata address of clouds",
		"http://8.8.8.8":                    "plain http",
	} {
		got := s.Send(t.Context(), destinationAt(endpoint, destination.Auto), eventsOf(1))[0]
		if got.Action != outcome.Hold || got.Cause != outcome.EgressRefused || !strings.Contains(got.Detail, want) {
			t.Errorf("%s: got %+v, want a hold that says %q", endpoint, got, want)
		}
	}
	if n := srv.conns.Load(); n != 0 {
		t.Errorf("got %d connections", n)
	}
	x := &exchange{ctx: t.Context(), dest: destinationAt("", destination.V1)}
	if got := x.failure(&url.Error{Op: "Post", URL: "x", Err: ErrEgressRefused}); got.Cause != outcome.EgressRefused {
		t.Errorf("in a url.Error: got %+v", got)
	}
}
