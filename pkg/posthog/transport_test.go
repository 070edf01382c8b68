package posthog

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hogcast/hogcast/pkg/destination"
	"github.com/hogcast/hogcast/pkg/outcome"
)

func trusting(srv *httptest.Server) func(*Config) {
	return func(c *Config) {
		c.RootCAs = x509.NewCertPool()
		c.RootCAs.AddCert(srv.Certificate())
	}
}

// One connection serves one Send after the other, whatever the answers are.
func TestConnectionsAreUsedAgain(t *testing.T) {
	t.Parallel()
	answers := map[string]func(http.ResponseWriter, request){
		"good":          allOK,
		"an error page": status(500, strings.Repeat("oops ", 5000)),
		"a strange 2xx": status(200, strings.Repeat("<p>", 10_000)),
		"a redirect": func(w http.ResponseWriter, _ request) {
			w.Header().Set("Location", "/x")
			w.WriteHeader(http.StatusFound)
		},
		"nothing":        status(204, ""),
		"a refused path": status(404, "not here"),
		"results with a tail": func(w http.ResponseWriter, r request) {
			allOK(w, r)
			_, _ = io.WriteString(w, strings.Repeat(" ", 9000))
		},
		"chunked, in two bits": func(w http.ResponseWriter, r request) { allOK(w, r); _ = http.NewResponseController(w).Flush() },
	}
	for name, answer := range answers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv := newServer(t, answer)
			s := newSender(t)
			for range 5 {
				for _, p := range protocols() {
					s.Send(t.Context(), destinationAt(srv.URL, p), eventsOf(3))
				}
			}
			if got, requests := srv.conns.Load(), len(srv.requests()); got != 1 || requests != 10 {
				t.Errorf("got %d connections for %d requests, want 1 for 10", got, requests)
			}
		})
	}
}

func TestHTTPSSpeaksHTTP2OverOneConnection(t *testing.T) {
	t.Parallel()
	srv := unstarted(t, allOK)
	srv.EnableHTTP2 = true
	var protos sync.Map
	inner := srv.Config.Handler
	srv.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		protos.Store(r.Proto, true)
		inner.ServeHTTP(w, r)
	})
	srv.StartTLS()
	s := newSender(t, trusting(srv.Server))
	for range 3 {
		for _, p := range protocols() {
			if diff := cmp.Diff(accepted(2), s.Send(t.Context(), destinationAt(srv.URL, p), eventsOf(2))); diff != "" {
				t.Errorf("%s: verdicts (-want +got):\n%s", p, diff)
			}
		}
	}
	if _, ok := protos.Load("HTTP/2.0"); !ok || srv.conns.Load() != 1 {
		t.Errorf("HTTP/2 %t over %d connections, want it over 1", ok, srv.conns.Load())
	}
}

func TestFaultsOfTLSHoldTheDestination(t *testing.T) {
	t.Parallel()
	quiet := func(t *testing.T, change func(*httptest.Server)) *server {
		t.Helper()
		srv := unstarted(t, allOK)
		change(srv.Server)
		srv.StartTLS()
		return srv
	}
	cases := map[string]func(t *testing.T) (endpoint string, trust func(*Config)){
		"an unknown authority": func(t *testing.T) (string, func(*Config)) {
			t.Helper()
			return quiet(t, func(*httptest.Server) {}).URL, func(*Config) {}
		},
		"another name": func(t *testing.T) (string, func(*Config)) {
			t.Helper()
			srv := quiet(t, func(*httptest.Server) {})
			return strings.Replace(srv.URL, "127.0.0.1", "localhost", 1), trusting(srv.Server)
		},
		"no TLS at all": func(t *testing.T) (string, func(*Config)) {
			t.Helper()
			return strings.Replace(newServer(t, allOK).URL, "http:", "https:", 1), func(*Config) {}
		},
		"an alert of theirs": func(t *testing.T) (string, func(*Config)) {
			t.Helper()
			srv := quiet(t, func(s *httptest.Server) {
				s.TLS = &tls.Config{ClientAuth: tls.RequireAnyClientCert, MinVersion: tls.VersionTLS12}
			})
			return srv.URL, trusting(srv.Server)
		},
		"an old version": func(t *testing.T) (string, func(*Config)) {
			t.Helper()
			srv := quiet(t, func(s *httptest.Server) {
				s.TLS = &tls.Config{MaxVersion: tls.VersionTLS11, MinVersion: tls.VersionTLS10}
			})
			return srv.URL, trusting(srv.Server)
		},
	}
	for name, make := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			endpoint, trust := make(t)
			got := newSender(t, trust).Send(t.Context(), destinationAt(endpoint, destination.V1), eventsOf(1))[0]
			if got.Action != outcome.Hold || got.Cause != outcome.TLS || got.Detail == "" {
				t.Errorf("got %+v, want hold for tls", got)
			}
		})
	}
}

func TestTheEnvironmentsProxyIsNotAsked(t *testing.T) {
	proxy := newServer(t, allOK)
	for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"} {
		t.Setenv(name, proxy.URL)
	}
	s := newSender(t)
	if s.transport.http.Proxy != nil || s.transport.https.Proxy != nil {
		t.Error("a transport has a proxy")
	}
	s.Send(t.Context(), destinationAt("http://no-such-host.invalid", destination.V1), eventsOf(1))
	if n := proxy.conns.Load(); n != 0 {
		t.Errorf("got %d connections to the proxy", n)
	}
}

// A body is sent with its header, and may be read twice.
func TestABodyIsReadAsOftenAsTheTransportAsks(t *testing.T) {
	t.Parallel()
	req := httptest.NewRequest(http.MethodPost, "/", nil)
	req.Header.Set("Content-Length", "5")
	req = carry(req, []byte("in compressed form"))
	if req.ContentLength != 18 || req.Header.Get("Content-Length") != "" {
		t.Errorf("content length: got %d and %q", req.ContentLength, req.Header.Get("Content-Length"))
	}
	half := make([]byte, 6)
	_, _ = io.ReadFull(req.Body, half)
	_ = req.Body.Close()
	again, err := req.GetBody()
	if err != nil {
		t.Fatal(err)
	}
	whole, err := io.ReadAll(again)
	if err != nil || string(whole) != "in compressed form" {
		t.Errorf("the second reader: got %q, %v", whole, err)
	}
}

func TestEveryEncodingRoundTrips(t *testing.T) {
	t.Parallel()
	p, err := newPacker()
	if err != nil {
		t.Fatal(err)
	}
	defer p.close()
	big := rawBody(llmEvents(30, 40<<10))
	for _, e := range []encoding{encZstd, encGzip, encNone} {
		for _, raw := range [][]byte{{}, []byte("x"), big} {
			packed, err := p.pack([]byte("before"), e, raw)
			if err != nil {
				t.Fatalf("%s: %v", e, err)
			}
			got, err := decompress(string(e), packed[len("before"):])
			if len(raw) == 0 && e == encZstd && len(packed) == len("before") {
				continue // klauspost's empty frame is empty
			}
			if err != nil || !bytes.Equal(got, raw) {
				t.Errorf("%s of %d bytes: got %d bytes, %v", e, len(raw), len(got), err)
			}
		}
	}
}
