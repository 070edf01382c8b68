package posthog

import (
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hogcast/hogcast/pkg/destination"
	"github.com/hogcast/hogcast/pkg/outcome"
	"github.com/hogcast/hogcast/pkg/sandbox"
)

func TestThroughAProxyNamesAreLookedUpAndJudgedHere(t *testing.T) {
	t.Parallel()
	cloud := sandbox.New(sandbox.Config{})
	proxy := newProxyServer(t, map[string]http.Handler{"us.i.posthog.com": cloud})
	resolver := resolverOf(t, zone{"us.i.posthog.com.": {{"10.0.0.1", "8.8.8.8", "2606:4700:4700::1111"}}})
	s := newSender(t, func(c *Config) { c.Resolver = resolver }, through(t, proxy))
	d := destinationAt(destination.EndpointUS, destination.Auto)
	d.CA = proxy.CA()
	if got := s.Send(t.Context(), d, eventsOf(3))[2]; got.Action != outcome.Accept || cloud.Count() != 3 {
		t.Errorf("got %+v and %d events", got, cloud.Count())
	}
	if asked := proxy.Asked(); len(asked) != 1 || asked[0] != "8.8.8.8:443" && asked[0] != "[2606:4700:4700::1111]:443" {
		t.Errorf("asked for %v", asked)
	}
}

func TestAProxyMayLookNamesUp(t *testing.T) {
	t.Parallel()
	cloud := sandbox.New(sandbox.Config{})
	proxy := newProxyServer(t, map[string]http.Handler{"": cloud})
	resolver := resolverOf(t, zone{}) // knows nothing
	s := newSender(t, func(c *Config) { c.Resolver, c.EgressProxyResolves = resolver, true }, through(t, proxy))
	for _, endpoint := range []string{destination.EndpointUS, "https://8.8.8.8"} {
		d := destinationAt(endpoint, destination.V1)
		d.CA = proxy.CA()
		if got := s.Send(t.Context(), d, eventsOf(1))[0]; got.Action != outcome.Accept {
			t.Errorf("%s: got %+v", endpoint, got)
		}
	}
	if want := []string{"us.i.posthog.com:443", "8.8.8.8:443"}; !slices.Equal(proxy.Asked(), want) {
		t.Errorf("asked for %v, want %v", proxy.Asked(), want)
	}
	got := s.Send(t.Context(), destinationAt("http://posthog.example.com", destination.V1), eventsOf(1))[0]
	if got.Cause != outcome.EgressRefused || !strings.Contains(got.Detail, "plain http") {
		t.Errorf("plain http by name: got %+v", got)
	}
}

func TestTheOperatorsNetworksAreReachedWithoutTheProxy(t *testing.T) {
	t.Parallel()
	srv := newServer(t, allOK)
	proxy := newProxyServer(t, nil)
	mustAccept(t, newSender(t, through(t, proxy)), named(srv.URL, "inside"))
	if asked := proxy.Asked(); len(asked) != 0 {
		t.Errorf("asked for %v", asked)
	}
}

// proxyAt makes a proxy that answers every CONNECT alike.
func proxyAt(t *testing.T, answer http.HandlerFunc, secure bool) (*httptest.Server, *url.URL) {
	t.Helper()
	srv := httptest.NewUnstartedServer(answer)
	if secure {
		srv.StartTLS()
	} else {
		srv.Start()
	}
	t.Cleanup(srv.Close)
	at, err := url.Parse(srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	at.User = url.UserPassword("worker", "pass word")
	return srv, at
}

// The proxy's faults are nobody's but ours: the destination is tried again.
func TestAProxysRefusalIsNoFaultOfTheDestination(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		secure bool
		want   string
	}{
		"other credentials": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusProxyAuthRequired) }, false, "407"},
		"no such site":      {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) }, false, "403"},
		"an endless header": {func(w http.ResponseWriter, _ *http.Request) {
			conn := hijack(w)
			defer conn.Close()
			_ = endless("HTTP/1.1 200 OK\r\n", "X: y\r\n")(conn)
		}, false, "egress proxy"},
		"more than an answer": {func(w http.ResponseWriter, _ *http.Request) {
			conn := hijack(w)
			defer conn.Close()
			_, _ = conn.Write([]byte("HTTP/1.1 200 OK\r\n\r\nmore"))
		}, false, "more than its answer"},
		"silence":                       {func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, false, ""},
		"a certificate nobody believes": {func(http.ResponseWriter, *http.Request) {}, true, "certificate"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, at := proxyAt(t, c.answer, c.secure)
			s := newSender(t, func(c *Config) { c.EgressProxy, c.RequestTimeout = at, time.Second })
			d := destinationAt("https://8.8.8.8", destination.V1)
			got := s.Send(t.Context(), d, eventsOf(1))[0]
			if got.Action != outcome.Retry || got.Cause != outcome.Connection && got.Cause != outcome.Timeout || !strings.Contains(got.Detail, c.want) {
				t.Errorf("got %+v, want a retry that says %q", got, c.want)
			}
			if strings.Contains(got.Detail, "pass") {
				t.Errorf("the detail holds the credentials: %s", got.Detail)
			}
		})
	}
}

func hijack(w http.ResponseWriter) net.Conn {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(err)
	}
	return conn
}

// One that speaks TLS and wants credentials, as they are in the wild.
func TestAProxyIsAskedBySecureConnectionAndWithCredentials(t *testing.T) {
	t.Parallel()
	inner := newProxyServer(t, map[string]http.Handler{"": sandbox.New(sandbox.Config{})})
	behind, err := url.Parse(inner.URL())
	if err != nil {
		t.Fatal(err)
	}
	var auth string
	front, at := proxyAt(t, func(w http.ResponseWriter, r *http.Request) {
		auth = r.Header.Get("Proxy-Authorization")
		conn := hijack(w)
		defer conn.Close()
		to, err := net.Dial("tcp", behind.Host)
		if err != nil {
			return
		}
		defer to.Close()
		dump, err := httputil.DumpRequest(r, false)
		if err != nil {
			return
		}
		_, _ = to.Write(dump)
		pipe(conn, to)
	}, true)
	s := newSender(t, trusting(front), func(c *Config) { c.EgressProxy = at })
	d := destinationAt("https://8.8.8.8", destination.V1)
	d.CA = inner.CA()
	mustAccept(t, s, d)
	s.Close()
	if want := "Basic d29ya2VyOnBhc3Mgd29yZA=="; auth != want {
		t.Errorf("got %q, want %q", auth, want)
	}
}

// pipe copies both ways until one side ends.
func pipe(a, b net.Conn) {
	ended := make(chan struct{}, 2)
	for _, way := range [][2]net.Conn{{a, b}, {b, a}} {
		go func() {
			buf := make([]byte, 4096)
			for {
				n, err := way[0].Read(buf)
				if _, werr := way[1].Write(buf[:n]); err != nil || werr != nil {
					break
				}
			}
			_ = a.Close()
			_ = b.Close()
			ended <- struct{}{}
		}()
	}
	<-ended
	<-ended
}

func TestAProxysURLIsJudgedWithoutRepeatingIt(t *testing.T) {
	t.Parallel()
	for text, good := range map[string]bool{
		"http://proxy:3128": true, "https://user:SECRET@proxy": true, "http://[::1]:3128/": true,
		"socks5://user:SECRET@proxy": false, "http://user:SECRET@": false, "http://user:SECRET@proxy/path": false,
		"http://user:SECRET@proxy?x=y": false, "proxy:3128": false,
	} {
		at, err := url.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		err = Config{EgressProxy: at}.Validate()
		if (err == nil) != good || err != nil && strings.Contains(err.Error(), "SECRET") {
			t.Errorf("%s: got %v", text, err)
		}
	}
	if err := (Config{EgressProxyResolves: true}).Validate(); err == nil {
		t.Error("names may be left to a proxy that there is not")
	}
}
