package sandbox_test

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hogcast/hogcast/pkg/sandbox"
)

// internet runs a proxy until the test ends, and makes a client that goes
// through it.
func internet(t *testing.T, hosts map[string]http.Handler) (*sandbox.Proxy, *http.Client) {
	t.Helper()
	p, err := sandbox.NewProxy(hosts, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Start(""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM([]byte(p.CA()))
	at, err := url.Parse(p.URL())
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{
		Proxy: http.ProxyURL(at), ForceAttemptHTTP2: true,
		TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
	}
	t.Cleanup(transport.CloseIdleConnections)
	return p, &http.Client{Transport: transport}
}

func askFlags(t *testing.T, c *http.Client, endpoint, key string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, endpoint+"/flags?v=2",
		strings.NewReader(`{"token":"`+key+`","distinct_id":"d"}`))
	if err != nil {
		t.Fatal(err)
	}
	res, err := c.Do(req)
	if err != nil {
		t.Fatalf("%s: %v", endpoint, err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(body)
}

func TestBehindTheProxyEachRegionKnowsItsOwnKeys(t *testing.T) {
	t.Parallel()
	us, eu := sandbox.New(sandbox.Config{KnownKeys: []string{"phc_us"}}), sandbox.New(sandbox.Config{KnownKeys: []string{"phc_eu"}})
	p, c := internet(t, map[string]http.Handler{"us.i.posthog.com": us, "eu.i.posthog.com": eu})
	for _, ask := range []struct {
		endpoint, key string
		status        int
	}{
		{"https://us.i.posthog.com", "phc_us", 200},
		{"https://us.i.posthog.com", "phc_eu", 401},
		{"https://eu.i.posthog.com", "phc_eu", 200},
		{"https://EU.i.posthog.com:8443", "phc_us", 401},
		{"https://192.0.2.7", "phc_us", 502}, // a name that nobody has
	} {
		if got, body := askFlags(t, c, ask.endpoint, ask.key); got != ask.status {
			t.Errorf("%s with %s: got %d %s, want %d", ask.endpoint, ask.key, got, body, ask.status)
		}
	}
	want := []string{"us.i.posthog.com:443", "eu.i.posthog.com:443", "EU.i.posthog.com:8443", "192.0.2.7:443"}
	if diff := cmp.Diff(want, p.Asked()); diff != "" {
		t.Errorf("asked (-want +got):\n%s", diff)
	}
}

func TestTheProxyTakesPlainHTTPAndConnectAlone(t *testing.T) {
	t.Parallel()
	p, _ := internet(t, map[string]http.Handler{"": sandbox.New(sandbox.Config{})})
	plain := client(t)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, p.URL(), nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := plain.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if res.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("a GET: got %d", res.StatusCode)
	}
	conn := tunnelTo(t, p, "anything.example:80")
	if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: anything.example\r\nConnection: close\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if text, err := io.ReadAll(conn); err != nil || !strings.Contains(string(text), "hogcast sandbox") {
		t.Errorf("got %q, %v", text, err)
	}
}

// Close ends tunnels that nothing has come through, too.
func TestClosingTheProxyEndsItsTunnels(t *testing.T) {
	t.Parallel()
	p, _ := internet(t, nil)
	conn := tunnelTo(t, p, "anything.example:80")
	if err := p.Close(); err != nil {
		t.Error(err)
	}
	if _, err := conn.Read(make([]byte, 1)); err == nil {
		t.Error("the tunnel is still open")
	}
}

// tunnelTo makes a CONNECT by hand.
func tunnelTo(t *testing.T, p *sandbox.Proxy, target string) net.Conn {
	t.Helper()
	var d net.Dialer
	conn, err := d.DialContext(t.Context(), "tcp", strings.TrimPrefix(p.URL(), "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if _, err := io.WriteString(conn, "CONNECT "+target+" HTTP/1.1\r\nHost: "+target+"\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	const established = "HTTP/1.1 200 Connection established\r\n\r\n"
	got := make([]byte, len(established))
	if _, err := io.ReadFull(conn, got); err != nil || string(got) != established {
		t.Fatalf("got %q, %v", got, err)
	}
	return conn
}

func TestFlagsAnswersInItsOldFormAndTellsOfItsQuota(t *testing.T) {
	t.Parallel()
	ask := `{"token":"` + key + `","distinct_id":"d"}`
	old := start(t, sandbox.Config{OldFlags: true})
	if got := mustSend(t, old, request{path: "/flags?v=2", body: ask}); !strings.Contains(got.body, `"featureFlags"`) {
		t.Errorf("got %s, want the older form", got.body)
	}
	s := start(t, sandbox.Config{KnownKeys: []string{key}, OverQuota: map[string]sandbox.Quota{key: sandbox.QuotaFlags, "phc_no": sandbox.QuotaFlags}})
	if got := mustSend(t, s, request{path: "/flags?v=2", body: ask}); got.status != http.StatusPaymentRequired {
		t.Errorf("got %d, want 402", got.status)
	}
	if got := mustSend(t, s, request{path: "/flags?v=2", body: strings.Replace(ask, key, "phc_no", 1)}); got.status != http.StatusUnauthorized {
		t.Errorf("an unknown key: got %d, want 401", got.status)
	}
	mustSend(t, s, request{path: "/batch/", body: `{"api_key":"` + key + `","batch":[{"event":"e","distinct_id":"d"}]}`})
	if got := s.Count(); got != 1 {
		t.Errorf("%d events taken, want 1", got)
	}
}
