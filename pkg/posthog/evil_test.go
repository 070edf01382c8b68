package posthog

import (
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/hogcast/hogcast/pkg/destination"
	"github.com/hogcast/hogcast/pkg/outcome"
	"github.com/hogcast/hogcast/pkg/sandbox"
)

// witness counts whoever connects to it.
type witness struct {
	net.Listener
	conns atomic.Int32
}

// watch listens on address and lets nobody in.
func watch(t *testing.T, address string) *witness {
	t.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Skipf("this machine has no %s: %v", address, err)
	}
	w := &witness{Listener: l}
	var done sync.WaitGroup
	done.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			w.conns.Add(1)
			_ = conn.Close()
		}
	})
	t.Cleanup(func() { _ = l.Close(); done.Wait() })
	return w
}

func (w *witness) port() string {
	_, port, _ := net.SplitHostPort(w.Addr().String())
	return port
}

func networks(texts ...string) []netip.Prefix {
	var out []netip.Prefix
	for _, s := range texts {
		out = append(out, netip.MustParsePrefix(s))
	}
	return out
}

// evil is an endpoint that must not be connected to. PORT stands for a port on
// which every address of this machine has a listener.
type evil struct {
	name     string
	endpoint string
	want     outcome.Cause
	allow    []netip.Prefix
	region   destination.Region
}

const refused = outcome.EgressRefused

// evilNames are what the names of evilEndpoints point to.
func evilNames() zone {
	one := func(addresses ...string) [][]string { return [][]string{addresses} }
	return zone{
		"loopback.evil.test.": one("127.0.0.1"), "loopback6.evil.test.": one("::1"), "both.evil.test.": one("127.0.0.1", "::1"),
		"zero.evil.test.": one("0.0.0.0"), "private.evil.test.": one("10.0.0.5"), "ula.evil.test.": one("fd00::5"),
		"metadata.evil.test.": one("169.254.169.254"), "metadata6.evil.test.": one("fd00:ec2::254"),
		"mapped.evil.test.": one("::ffff:127.0.0.1"), "nat64.evil.test.": one("64:ff9b::7f00:1"),
		"isatap.evil.test.": one("2001:470:1f0b::5efe:7f00:1"), "6to4.evil.test.": one("2002:7f00:1::1"),
		"many.evil.test.":  one("127.0.0.1", "10.0.0.1", "192.168.0.1", "169.254.169.254", "::1", "fe80::1"),
		"alias.evil.test.": one("CNAME loopback.evil.test."), "wireserver.evil.test.": one("168.63.129.16"),
		"metadata.google.internal.": one("169.254.169.254"), "kubernetes.default.svc.": one("10.96.0.1"),
		"127.0.0.1.nip.test.": one("127.0.0.1"), "us.i.posthog.com.": one("127.0.0.1"), "eu.i.posthog.com.": one("127.0.0.1"),
		"us.i.posthog.com.evil.test.": one("127.0.0.1"), "localhost.": one("127.0.0.1"),
	}
}

func evilEndpoints() []evil {
	us, eu := destination.RegionUS, destination.RegionEU
	all := []evil{
		// What this machine answers to.
		{name: "loopback", endpoint: "https://127.0.0.1:PORT"},
		{name: "another of loopback's addresses", endpoint: "https://127.8.9.10:PORT"},
		{name: "loopback of IPv6", endpoint: "https://[::1]:PORT"},
		{name: "localhost", endpoint: "https://localhost:PORT"},
		{name: "localhost with a dot", endpoint: "https://localhost.:PORT"},
		{name: "localhost, loud", endpoint: "https://LOCALHOST:PORT"},
		{name: "unspecified, which means this machine", endpoint: "https://0.0.0.0:PORT"},
		{name: "unspecified of IPv6", endpoint: "https://[::]:PORT"},
		{name: "this network", endpoint: "https://0.1.2.3:PORT"},
		{name: "plain http to loopback", endpoint: "http://127.0.0.1:PORT"},
		{name: "plain http to localhost", endpoint: "http://localhost:PORT"},
		// The same, disguised.
		{name: "decimal", endpoint: "https://2130706433:PORT"},
		{name: "hexadecimal", endpoint: "https://0x7f000001:PORT"},
		{name: "hexadecimal, loud", endpoint: "https://0X7F.0.0.0X1:PORT"},
		{name: "octal", endpoint: "https://0177.0.0.1:PORT"},
		{name: "octal in one", endpoint: "https://017700000001:PORT"},
		{name: "leading zeros", endpoint: "https://127.000.000.001:PORT"},
		{name: "two parts", endpoint: "https://127.1:PORT"},
		{name: "a dot behind", endpoint: "https://127.0.0.1.:PORT"},
		{name: "hexadecimal with a dot behind", endpoint: "https://0x7f.1.:PORT"},
		{name: "more than a byte", endpoint: "https://127.0.0.257:PORT"},
		{name: "wide digits", endpoint: "https://１２７.0.0.1:PORT"},
		{name: "wide dots", endpoint: "https://127。0。0。1:PORT"},
		{name: "circled digits", endpoint: "https://①②⑦.⓪.⓪.①:PORT"},
		{name: "percent-encoded", endpoint: "https://%EF%BC%91%EF%BC%92%EF%BC%97.0.0.1:PORT"},
		{name: "mapped into IPv6", endpoint: "https://[::ffff:127.0.0.1]:PORT"},
		{name: "mapped, in hexadecimal", endpoint: "https://[::ffff:7f00:1]:PORT"},
		{name: "plain http, mapped", endpoint: "http://[::ffff:127.0.0.1]:PORT"},
		{name: "compatible", endpoint: "https://[::127.0.0.1]:PORT"},
		{name: "translated", endpoint: "https://[::ffff:0:127.0.0.1]:PORT"},
		{name: "with a zone", endpoint: "https://[fe80::1%25lo]:PORT"},
		{name: "loopback with a zone", endpoint: "https://[::1%25lo]:PORT"},
		// Tunnels.
		{name: "NAT64", endpoint: "https://[64:ff9b::127.0.0.1]:PORT"},
		{name: "NAT64 of metadata", endpoint: "https://[64:ff9b::a9fe:a9fe]"},
		{name: "NAT64 of a public address", endpoint: "https://[64:ff9b::8.8.8.8]"},
		{name: "local NAT64", endpoint: "https://[64:ff9b:1::7f00:1]:PORT"},
		{name: "6to4", endpoint: "https://[2002:7f00:1::1]:PORT"},
		{name: "Teredo", endpoint: "https://[2001:0:7f00:1::1]:PORT"},
		{name: "Teredo, its client", endpoint: "https://[2001:0:808:808::80ff:fffe]:PORT"},
		{name: "ISATAP", endpoint: "https://[2001:470:1f0b::5efe:7f00:1]:PORT"},
		{name: "ISATAP, of a unique address", endpoint: "https://[2001:470:1f0b::200:5efe:10.0.0.1]:PORT"},
		// Networks that nobody else should reach.
		{name: "10/8", endpoint: "https://10.0.0.5"},
		{name: "172.16/12", endpoint: "https://172.31.255.254"},
		{name: "192.168/16", endpoint: "https://192.168.1.1:8443"},
		{name: "carrier-grade NAT", endpoint: "https://100.64.0.1"},
		{name: "link-local", endpoint: "https://169.254.1.1"},
		{name: "unique local", endpoint: "https://[fd12:3456::1]"},
		{name: "link-local of IPv6", endpoint: "https://[fe80::1]"},
		{name: "site-local", endpoint: "https://[fec0::1]"},
		{name: "multicast", endpoint: "https://224.0.0.1"},
		{name: "multicast of IPv6", endpoint: "https://[ff02::1]"},
		{name: "broadcast", endpoint: "https://255.255.255.255"},
		{name: "reserved", endpoint: "https://240.0.0.1"},
		{name: "documentation", endpoint: "https://192.0.2.1"},
		{name: "documentation of IPv6", endpoint: "https://[2001:db8::1]"},
		{name: "benchmarks", endpoint: "https://198.18.0.1"},
		{name: "the discard prefix", endpoint: "https://[100::1]"},
		{name: "AWS's metadata", endpoint: "http://169.254.169.254"},
		{name: "AWS's metadata by https", endpoint: "https://169.254.169.254"},
		{name: "AWS's metadata in decimal", endpoint: "http://2852039166"},
		{name: "AWS's metadata by IPv6", endpoint: "http://[fd00:ec2::254]"},
		{name: "AWS's containers", endpoint: "http://169.254.170.2"},
		{name: "Azure's WireServer", endpoint: "https://168.63.129.16:32526"},
		{name: "Alibaba's metadata", endpoint: "https://100.100.100.200"},
		{name: "Oracle's metadata", endpoint: "https://192.0.0.192"},
		{name: "Google's metadata by IPv6", endpoint: "https://[fd20:ce::254]"},
		{name: "Google's metadata by name", endpoint: "http://metadata.google.internal"},
		// Names that point there.
		{name: "a name of loopback", endpoint: "https://loopback.evil.test:PORT"},
		{name: "a name of loopback, loud and with a dot", endpoint: "https://LOOPBACK.evil.TEST.:PORT"},
		{name: "a name of loopback by IPv6", endpoint: "https://loopback6.evil.test:PORT"},
		{name: "a name of both", endpoint: "https://both.evil.test:PORT"},
		{name: "a name of nowhere", endpoint: "https://zero.evil.test:PORT"},
		{name: "a name of a private address", endpoint: "https://private.evil.test"},
		{name: "a name of a unique local address", endpoint: "https://ula.evil.test"},
		{name: "a name of metadata", endpoint: "https://metadata.evil.test"},
		{name: "a name of metadata, by IPv6", endpoint: "https://metadata6.evil.test"},
		{name: "a name of a mapped address", endpoint: "https://mapped.evil.test:PORT"},
		{name: "a name of NAT64", endpoint: "https://nat64.evil.test:PORT"},
		{name: "a name of ISATAP", endpoint: "https://isatap.evil.test:PORT"},
		{name: "a name of 6to4", endpoint: "https://6to4.evil.test:PORT"},
		{name: "a name of many bad addresses", endpoint: "https://many.evil.test:PORT"},
		{name: "an alias", endpoint: "https://alias.evil.test:PORT"},
		{name: "a name of Azure's", endpoint: "https://wireserver.evil.test"},
		{name: "a service of the cluster", endpoint: "https://kubernetes.default.svc"},
		{name: "an address in a name", endpoint: "https://127.0.0.1.nip.test:PORT"},
		{name: "PostHog's own name, poisoned", endpoint: "https://us.i.posthog.com:PORT"},
		// What the operator's networks do not open.
		{name: "a neighbour of what is allowed", endpoint: "http://127.0.0.1:PORT", allow: networks("127.0.0.2/32")},
		{name: "IPv4 by IPv6's networks", endpoint: "http://127.0.0.1:PORT", allow: networks("::/0")},
		{name: "IPv6 by IPv4's networks", endpoint: "http://[::1]:PORT", allow: networks("0.0.0.0/0")},
		{name: "metadata in a wide network", endpoint: "http://169.254.169.254", allow: networks("0.0.0.0/0", "169.254.0.0/16")},
		{name: "metadata by IPv6 in a wide network", endpoint: "http://[fd00:ec2::254]", allow: networks("fd00::/8")},
		{name: "NAT64 of another than the allowed", endpoint: "https://[64:ff9b::127.0.0.1]:PORT", allow: networks("64:ff9b::/96", "127.0.0.2/32")},
		{name: "NAT64 of metadata, its prefix allowed", endpoint: "https://[64:ff9b::a9fe:a9fe]", allow: networks("64:ff9b::/96")},
		{name: "local NAT64 in its own length", endpoint: "https://[64:ff9b:1:7f00:0:100::]:PORT", allow: networks("64:ff9b:1::/48")},
		{name: "local NAT64 in an unclear length", endpoint: "https://[64:ff9b:1::808:808]", allow: networks("64:ff9b:1::/50")},
		{name: "plain http to a public address by NAT64", endpoint: "http://[64:ff9b::8.8.8.8]", allow: networks("64:ff9b::/96")},
		{name: "Teredo's private client", endpoint: "https://[2001:0:808:808::80ff:fffe]:PORT", allow: networks("2001::/32")},
		{name: "Teredo's private server", endpoint: "https://[2001:0:7f00:1::f7f7:f7f7]:PORT", allow: networks("2001::/32")},
		{name: "6to4 of a private address", endpoint: "https://[2002:a00:1::1]", allow: networks("2002::/16")},
		// Pins.
		{name: "the other region", endpoint: "https://eu.i.posthog.com:PORT", region: us, allow: loopback()},
		{name: "the other region, loud and with a dot", endpoint: "https://EU.I.PostHog.com.:PORT", region: us, allow: loopback()},
		{name: "the other region the other way", endpoint: "https://us.i.posthog.com:PORT", region: eu, allow: loopback()},
		{name: "an address while pinned", endpoint: "https://127.0.0.1:PORT", region: us, allow: loopback()},
		{name: "a name that begins like the region's", endpoint: "https://us.i.posthog.com.evil.test:PORT", region: us, allow: loopback()},
		{name: "a pin that is none", endpoint: "https://us.i.posthog.com:PORT", region: "mars", allow: loopback()},
		// In the clear, or not to the network at all.
		{name: "plain http to the world", endpoint: "http://8.8.8.8"},
		{name: "plain http on another port", endpoint: "http://8.8.8.8:443"},
		{name: "user info", endpoint: "https://us.i.posthog.com@127.0.0.1:PORT", want: outcome.NotServed},
		{name: "user info, of loopback", endpoint: "https://user:pass@localhost:PORT", want: outcome.NotServed},
		{name: "a backslash", endpoint: `https://us.i.posthog.com\@127.0.0.1:PORT`, want: outcome.NotServed},
		{name: "a socket", endpoint: "unix:///var/run/docker.sock", want: outcome.NotServed},
		{name: "a socket as a host", endpoint: "http+unix://%2Fvar%2Frun%2Fdocker.sock", want: outcome.NotServed},
		{name: "a file", endpoint: "file:///etc/passwd", want: outcome.NotServed},
		{name: "gopher", endpoint: "gopher://127.0.0.1:PORT", want: outcome.NotServed},
		{name: "a path", endpoint: "https://127.0.0.1:PORT/latest/meta-data", want: outcome.NotServed},
		{name: "a fragment", endpoint: "https://127.0.0.1:PORT#@us.i.posthog.com", want: outcome.NotServed},
		{name: "no scheme", endpoint: "127.0.0.1:PORT", want: outcome.NotServed},
		{name: "no host", endpoint: "https://:PORT", want: refused},
		{name: "a name that nobody has", endpoint: "https://nobody.evil.test:PORT", want: outcome.Connection},
	}
	for i := range all {
		if all[i].want == "" {
			all[i].want = refused
		}
	}
	return all
}

// Every one is tried for real. Through a proxy the proxy is the witness: it
// would be asked for the address.
func TestNoEvilEndpointIsConnectedTo(t *testing.T) {
	t.Parallel()
	here := watch(t, ":0") // on every address of this machine
	resolver := resolverOf(t, evilNames())
	proxy := newProxyServer(t, nil)
	ways := map[string]func(*Config){"straight": func(*Config) {}, "by proxy": through(t, proxy)}
	all := evilEndpoints()
	if len(all) < 100 {
		t.Errorf("only %d endpoints", len(all))
	}
	for way, change := range ways {
		for _, e := range all {
			s := newSender(t, func(c *Config) { c.EgressAllow, c.Resolver = e.allow, resolver }, change)
			d := destinationAt(strings.ReplaceAll(e.endpoint, "PORT", here.port()), destination.Auto)
			d.Region = e.region
			got := s.Send(t.Context(), d, eventsOf(1))[0]
			if got.Cause != e.want || e.want == refused && got.Action != outcome.Hold {
				t.Errorf("%s: %s (%s): got %+v, want %s", way, e.name, d.Endpoint, got, e.want)
			}
		}
	}
	if n := here.conns.Load(); n != 0 {
		t.Errorf("%d connections to this machine", n)
	}
	if asked := proxy.Asked(); len(asked) != 0 {
		t.Errorf("the proxy was asked for %v", asked)
	}
	// The witness can see.
	s := newSender(t)
	s.Send(t.Context(), destinationAt("http://127.0.0.1:"+here.port(), destination.V1), eventsOf(1))
	if here.conns.Load() == 0 {
		t.Error("nobody saw the connection that is allowed")
	}
}

// A proxy that looks names up is told none of its own machine, and no address
// that is refused.
func TestAProxyThatResolvesIsToldNoEvilAddress(t *testing.T) {
	t.Parallel()
	proxy := newProxyServer(t, nil)
	for _, e := range evilEndpoints() {
		s := newSender(t, func(c *Config) { c.EgressAllow, c.EgressProxyResolves = nil, true }, through(t, proxy))
		d := destinationAt(strings.ReplaceAll(e.endpoint, "PORT", "8443"), destination.V1)
		d.Region = e.region
		got := s.Send(t.Context(), d, eventsOf(1))[0]
		if got.Cause != refused && got.Cause != outcome.NotServed && got.Cause != outcome.TLS {
			t.Errorf("%s: got %+v", e.name, got)
		}
	}
	for _, asked := range proxy.Asked() {
		host, _, _ := net.SplitHostPort(asked)
		if _, err := netip.ParseAddr(host); err == nil || endsInNumber(host) || !strings.Contains(host, ".") || strings.HasSuffix(host, ".internal") {
			t.Errorf("asked for %s", asked)
		}
	}
}

// twoAddresses gives a server on 127.0.0.2 and a witness on the same port of
// 127.0.0.1: one stands for the outside, the other for what is forbidden.
func twoAddresses(t *testing.T) (port string, outside *server, inside *witness) {
	t.Helper()
	inside = watch(t, "127.0.0.1:0")
	l, err := net.Listen("tcp", "127.0.0.2:"+inside.port())
	if err != nil {
		t.Skipf("this machine has no second address of loopback: %v", err)
	}
	outside = unstarted(t, allOK)
	_ = outside.Listener.Close()
	outside.Listener = l
	outside.Config.SetKeepAlivesEnabled(false) // each request looks the name up again
	outside.Start()
	return inside.port(), outside, inside
}

func TestANameThatIsReboundGainsNothing(t *testing.T) {
	t.Parallel()
	port, outside, inside := twoAddresses(t)
	resolver := resolverOf(t, zone{"rebound.evil.test.": {{"127.0.0.2"}, {"127.0.0.1"}}})
	s := newSender(t, func(c *Config) { c.EgressAllow, c.Resolver = networks("127.0.0.2/32"), resolver })
	d := destinationAt("http://rebound.evil.test:"+port, destination.V1)
	first := s.Send(t.Context(), d, eventsOf(1))[0]
	for range 3 {
		again := s.Send(t.Context(), d, eventsOf(1))[0]
		if again.Action != outcome.Hold || again.Cause != refused {
			t.Errorf("after the rebinding: got %+v", again)
		}
	}
	if first.Action != outcome.Accept || len(outside.requests()) != 1 || inside.conns.Load() != 0 {
		t.Errorf("got %+v, %d requests outside, %d connections inside", first, len(outside.requests()), inside.conns.Load())
	}
}

// Each request looks the name up once, and goes where that answer was judged.
func TestWhatAProxyIsAskedForIsWhatWasJudged(t *testing.T) {
	t.Parallel()
	cloud := sandbox.New(sandbox.Config{})
	proxy := newProxyServer(t, map[string]http.Handler{"rebound.evil.test": cloud})
	resolver := resolverOf(t, zone{"rebound.evil.test.": {{"8.8.8.8"}, {"127.0.0.1"}}})
	s := newSender(t, func(c *Config) { c.EgressAllow, c.Resolver = nil, resolver }, through(t, proxy))
	d := destinationAt("https://rebound.evil.test", destination.V1)
	d.CA = proxy.CA()
	if got := s.Send(t.Context(), d, eventsOf(1))[0]; got.Action != outcome.Accept {
		t.Errorf("got %+v", got)
	}
	s.transport.authorities.mu.Lock()
	for _, one := range s.transport.authorities.inUse {
		one.transport.CloseIdleConnections()
	}
	s.transport.authorities.mu.Unlock()
	if got := s.Send(t.Context(), d, eventsOf(1))[0]; got.Cause != refused {
		t.Errorf("rebound: got %+v", got)
	}
	if asked := proxy.Asked(); len(asked) != 1 || asked[0] != "8.8.8.8:443" {
		t.Errorf("asked for %v", asked)
	}
}

func TestOfGoodAndBadAddressesOnlyTheGoodAreDialled(t *testing.T) {
	t.Parallel()
	port, outside, inside := twoAddresses(t)
	resolver := resolverOf(t, zone{
		"bad-first.evil.test.": {{"127.0.0.1", "127.0.0.2"}}, "good-first.evil.test.": {{"127.0.0.2", "127.0.0.1"}},
		"six.evil.test.": {{"::1", "fd00::1", "127.0.0.2"}},
	})
	s := newSender(t, func(c *Config) { c.EgressAllow, c.Resolver = networks("127.0.0.2/32"), resolver })
	for _, name := range []string{"bad-first", "good-first", "six"} {
		got := s.Send(t.Context(), destinationAt("http://"+name+".evil.test:"+port, destination.V1), eventsOf(1))[0]
		if got.Action != outcome.Accept {
			t.Errorf("%s: got %+v", name, got)
		}
	}
	if len(outside.requests()) != 3 || inside.conns.Load() != 0 {
		t.Errorf("%d requests outside, %d connections inside", len(outside.requests()), inside.conns.Load())
	}
}

func TestNoRedirectIsFollowed(t *testing.T) {
	t.Parallel()
	inside := watch(t, ":0")
	for _, code := range []int{300, 301, 302, 303, 305, 307, 308} {
		for _, to := range []string{
			"http://169.254.169.254/latest/meta-data/", "http://127.0.0.1:" + inside.port() + "/i/v1/analytics/events",
			"//127.0.0.1:" + inside.port() + "/", "https://eu.i.posthog.com/batch/", "file:///etc/passwd", "%zz", "",
		} {
			srv := newServer(t, func(w http.ResponseWriter, _ request) {
				w.Header()["Location"] = []string{to}
				w.WriteHeader(code)
			})
			s := newSender(t)
			for _, p := range protocols() {
				got := s.Send(t.Context(), destinationAt(srv.URL, p), eventsOf(1))[0]
				if got.Action != outcome.Hold || got.Cause != outcome.Redirected {
					t.Errorf("%d to %q: got %+v", code, to, got)
				}
			}
			if n := len(srv.requests()); n != 2 {
				t.Errorf("%d to %q: %d requests, want one a protocol", code, to, n)
			}
		}
	}
	if n := inside.conns.Load(); n != 0 {
		t.Errorf("%d redirects were followed", n)
	}
}

// newProxyServer runs a proxy that leads to these hosts.
func newProxyServer(t *testing.T, hosts map[string]http.Handler) *sandbox.Proxy {
	t.Helper()
	p, err := sandbox.NewProxy(hosts, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Start(""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	return p
}

func through(t *testing.T, p *sandbox.Proxy) func(*Config) {
	t.Helper()
	at, err := url.Parse(p.URL())
	if err != nil {
		t.Fatal(err)
	}
	return func(c *Config) { c.EgressProxy = at }
}
