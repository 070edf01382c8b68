package posthog

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/hogcast/hogcast/pkg/destination"
	"github.com/hogcast/hogcast/pkg/event"
	"github.com/hogcast/hogcast/pkg/outcome"
)

const testKey = "phc_0123456789abcdefABCDEF"

// request is what a test server took.
type request struct {
	Method, Path, Query string
	Header              http.Header
	Raw                 []byte // after decompression
	Body                struct {
		APIKey    string      `json:"api_key"`
		CreatedAt string      `json:"created_at"`
		Batch     []wireEvent `json:"batch"`
	}
}

type wireEvent struct {
	UUID       string          `json:"uuid"`
	Event      string          `json:"event"`
	DistinctID string          `json:"distinct_id"`
	Timestamp  string          `json:"timestamp"`
	Options    json.RawMessage `json:"options,omitempty"`
	Properties json.RawMessage `json:"properties"`
}

// server is a PostHog of a few lines: it notes requests and connections and
// answers as the test says.
type server struct {
	*httptest.Server
	conns atomic.Int32
	mu    sync.Mutex
	took  []request
}

func (s *server) requests() []request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]request(nil), s.took...)
}

func (s *server) paths() []string {
	var out []string
	for _, r := range s.requests() {
		out = append(out, r.Path+" "+r.Header.Get("Content-Encoding"))
	}
	return out
}

func newServer(tb testing.TB, answer func(http.ResponseWriter, request)) *server {
	tb.Helper()
	s := unstarted(tb, answer)
	s.Start()
	return s
}

func unstarted(tb testing.TB, answer func(http.ResponseWriter, request)) *server {
	tb.Helper()
	s := &server{}
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		req, err := readRequest(r)
		if err != nil {
			tb.Errorf("reading a request: %v", err)
			return
		}
		s.mu.Lock()
		s.took = append(s.took, req)
		s.mu.Unlock()
		answer(w, req)
	}))
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			s.conns.Add(1)
		}
	}
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	tb.Cleanup(s.Close)
	return s
}

func readRequest(r *http.Request) (request, error) {
	req := request{Method: r.Method, Path: r.URL.Path, Query: r.URL.RawQuery, Header: r.Header}
	raw, err := io.ReadAll(r.Body)
	if err != nil {
		return req, err
	}
	if req.Raw, err = decompress(r.Header.Get("Content-Encoding"), raw); err != nil {
		return req, err
	}
	return req, json.Unmarshal(req.Raw, &req.Body)
}

func decompress(e string, raw []byte) ([]byte, error) {
	switch e {
	case "zstd":
		d, err := zstd.NewReader(bytes.NewReader(raw))
		if err != nil {
			return nil, err
		}
		defer d.Close()
		return io.ReadAll(d)
	case "gzip":
		d, err := gzip.NewReader(bytes.NewReader(raw))
		if err != nil {
			return nil, err
		}
		return io.ReadAll(d)
	}
	return raw, nil
}

// allOK answers as a healthy PostHog does on either path.
func allOK(w http.ResponseWriter, r request) {
	if r.Path == "/batch/" {
		_, _ = io.WriteString(w, `{"status":"Ok"}`)
		return
	}
	_, _ = io.WriteString(w, results(r, func(int) string { return `{"result":"ok"}` }))
}

// results writes a v1 answer with one result for each event; an empty one is
// left out.
func results(r request, result func(i int) string) string {
	var parts []string
	for i, e := range r.Body.Batch {
		if s := result(i); s != "" {
			parts = append(parts, fmt.Sprintf("%q:%s", e.UUID, s))
		}
	}
	return `{"results":{` + strings.Join(parts, ",") + `}}`
}

// status answers every request alike.
func status(code int, body string) func(http.ResponseWriter, request) {
	return func(w http.ResponseWriter, _ request) {
		w.WriteHeader(code)
		_, _ = io.WriteString(w, body)
	}
}

func loopback() []netip.Prefix {
	return []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}
}

func newSender(tb testing.TB, change ...func(*Config)) *Sender {
	tb.Helper()
	cfg := Config{EgressAllow: loopback(), UserAgent: "hogcast/1.2.3"}
	for _, c := range change {
		c(&cfg)
	}
	s, err := NewSender(cfg)
	if err != nil {
		tb.Fatalf("NewSender: %v", err)
	}
	tb.Cleanup(s.Close)
	return s
}

func destinationAt(endpoint string, p destination.Protocol) *destination.Destination {
	return &destination.Destination{
		ID:      destination.ID{Tenant: "acme", Name: "main"},
		Enabled: true, APIKey: destination.NewSecret(testKey), Endpoint: endpoint, Protocol: p, SamplingRate: 1,
	}
}

func uuidOf(i int) string { return fmt.Sprintf("9f1c2f0e-5d0b-5c44-9c1b-%012x", i) }

func eventsOf(n int) []*event.Event {
	out := make([]*event.Event, n)
	for i := range out {
		out[i] = &event.Event{
			UUID: uuidOf(i), Name: event.Generation, DistinctID: fmt.Sprintf("user-%d", i),
			Timestamp:  time.Date(2026, 3, 1, 12, 0, i%60, 123_000_000, time.UTC),
			Properties: fmt.Appendf(nil, `{"$ai_model":"openai/gpt-4o","n":%d}`, i),
		}
	}
	return out
}

func uniform(n int, v outcome.Verdict) []outcome.Verdict { return fill(make([]outcome.Verdict, n), v) }

func accepted(n int) []outcome.Verdict {
	return uniform(n, outcome.Verdict{Action: outcome.Accept, Cause: outcome.OK, Status: 200})
}

// blockAll tells of each request and answers 500 once it may.
func blockAll(arrived *sync.WaitGroup, release <-chan struct{}) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		arrived.Done()
		<-release
		w.WriteHeader(http.StatusInternalServerError)
	})
}

// aimed is an exchange that is ready for the SDK's request.
func aimed(t *testing.T, s *Sender, srv *server, p path, batch []*event.Event) *exchange {
	t.Helper()
	x := newExchange(s)
	x.begin(t.Context(), destinationAt(srv.URL, destination.V1))
	x.screen(batch, make([]outcome.Verdict, len(batch)))
	x.aim(p)
	return x
}
