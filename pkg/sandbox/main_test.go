package sandbox_test

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/andybalholm/brotli"
	"github.com/google/uuid"
	"github.com/klauspost/compress/zstd"
	"go.uber.org/goleak"

	"github.com/hogcast/hogcast/pkg/sandbox"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const key = "phc_0123456789abcdef"

// start runs a sandbox until the test ends.
func start(t *testing.T, cfg sandbox.Config) *sandbox.Server {
	t.Helper()
	s := sandbox.New(cfg)
	if err := s.Start(""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// request is what a test sends; the zero value is a POST.
type request struct {
	method, path, body string
	encoding           string // compressed with it and said so
	key                string // as bearer
	header             http.Header
}

type reply struct {
	status int
	header http.Header
	body   string
}

// client follows no redirect and keeps no connection, so that none is left.
func client(t *testing.T) *http.Client {
	t.Helper()
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

func send(t *testing.T, s *sandbox.Server, r request) (reply, error) {
	t.Helper()
	return sendContext(t.Context(), t, s, r)
}

func sendContext(ctx context.Context, t *testing.T, s *sandbox.Server, r request) (reply, error) {
	t.Helper()
	if r.method == "" {
		r.method = http.MethodPost
	}
	req, err := http.NewRequestWithContext(ctx, r.method, s.URL()+r.path, bytes.NewReader(compress(t, r.encoding, r.body)))
	if err != nil {
		t.Fatal(err)
	}
	maps.Copy(req.Header, r.header)
	if r.encoding != "" {
		req.Header.Set("Content-Encoding", strings.TrimSuffix(r.encoding, "-raw"))
	}
	if r.key != "" {
		req.Header.Set("Authorization", "Bearer "+r.key)
	}
	resp, err := client(t).Do(req)
	if err != nil {
		return reply{}, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return reply{resp.StatusCode, resp.Header, string(body)}, err
}

// mustSend fails the test where no answer comes.
func mustSend(t *testing.T, s *sandbox.Server, r request) reply {
	t.Helper()
	got, err := send(t, s, r)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func compress(tb testing.TB, encoding, body string) []byte {
	tb.Helper()
	var buf bytes.Buffer
	var w io.WriteCloser
	var err error
	switch encoding {
	case "gzip":
		w, err = gzip.NewWriterLevel(&buf, gzip.BestSpeed)
	case "deflate":
		w, err = zlib.NewWriterLevel(&buf, zlib.BestSpeed)
	case "deflate-raw":
		w, err = flate.NewWriter(&buf, flate.BestSpeed)
	case "br":
		w = brotli.NewWriterLevel(&buf, brotli.BestSpeed)
	case "zstd":
		w, err = zstd.NewWriter(&buf, zstd.WithEncoderConcurrency(1))
	default:
		return []byte(body)
	}
	if err != nil {
		tb.Fatal(err)
	}
	if _, err := io.WriteString(w, body); err != nil {
		tb.Fatal(err)
	}
	if err := w.Close(); err != nil {
		tb.Fatal(err)
	}
	return buf.Bytes()
}

// event is one event on the wire, for both protocols.
type event struct {
	name, id, distinctID, timestamp, properties, options string
}

func newEvent() event {
	return event{
		name: "$ai_generation", id: uuid.NewString(), distinctID: "user-1",
		timestamp: "2026-01-02T03:04:05.678Z", properties: `{"$ai_model":"m"}`,
	}
}

func (e event) json() string {
	options := ""
	if e.options != "" {
		options = `,"options":` + e.options
	}
	return fmt.Sprintf(`{"event":%s,"uuid":%s,"distinct_id":%s,"timestamp":%s%s,"properties":%s}`,
		quote(e.name), quote(e.id), quote(e.distinctID), quote(e.timestamp), options, e.properties)
}

func quote(s string) string {
	b, err := json.Marshal(s)
	if err != nil {
		panic(err)
	}
	return string(b)
}

func v1(events ...string) string {
	return `{"created_at":"2026-01-02T03:04:06Z","batch":[` + strings.Join(events, ",") + `]}`
}

func legacy(events ...string) string {
	return `{"api_key":"` + key + `","batch":[` + strings.Join(events, ",") + `]}`
}

// sendV1 sends a batch of v1 as the key.
func sendV1(t *testing.T, s *sandbox.Server, events ...string) reply {
	t.Helper()
	return mustSend(t, s, request{path: sandbox.PathV1, key: key, body: v1(events...)})
}

func sendLegacy(t *testing.T, s *sandbox.Server, events ...string) reply {
	t.Helper()
	return mustSend(t, s, request{path: sandbox.PathBatch, body: legacy(events...)})
}

// verdicts reads v1's answer: "result" or "result details" by uuid.
func verdicts(t *testing.T, r reply) map[string]string {
	t.Helper()
	var body struct {
		Results map[string]struct{ Result, Details string }
	}
	if err := json.Unmarshal([]byte(r.body), &body); err != nil || r.status != http.StatusOK {
		t.Fatalf("got status %d and %q, want verdicts (%v)", r.status, r.body, err)
	}
	got := map[string]string{}
	for id, v := range body.Results {
		got[id] = strings.TrimSpace(v.Result + " " + v.Details)
	}
	return got
}

func deadline(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	t.Cleanup(cancel)
	return ctx
}
