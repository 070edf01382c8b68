package sandbox_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hogcast/hogcast/pkg/sandbox"
)

var (
	encodings = []string{"", "gzip", "deflate", "deflate-raw", "br", "zstd"}
	paths     = []string{
		sandbox.PathV1, sandbox.PathV1AI, sandbox.PathBatch, sandbox.PathAIBatch, sandbox.PathFlags + "?v=2",
		sandbox.PathDecide + "?v=3",
	}
)

// serve asks the handler without a connection.
func serve(s *sandbox.Server, path, encoding string, body []byte) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, path, bytes.NewReader(body))
	r.Header.Set("Authorization", "Bearer "+key)
	if encoding != "" {
		r.Header.Set("Content-Encoding", strings.TrimSuffix(encoding, "-raw"))
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w
}

func TestOtherPathsAndMethodsAreRefused(t *testing.T) {
	t.Parallel()
	s := start(t, sandbox.Config{})
	tests := []struct {
		method, path string
		status       int
		allow        string
	}{
		{"POST", "//batch/", 404, ""},
		{"POST", "/batch//", 404, ""},
		{"POST", "/capture/", 404, ""},
		{"POST", "/i/v1/analytics/events/x", 404, ""},
		{"GET", "/favicon.ico", 404, ""},
		{"GET", sandbox.PathV1, 405, "POST"},
		{"PUT", sandbox.PathV1AI, 405, "POST"},
		{"GET", sandbox.PathBatch, 405, "POST"},
		{"DELETE", "/batch", 405, "POST"},
		{"GET", sandbox.PathAIBatch, 405, "POST"},
		{"PUT", sandbox.PathFlags, 405, "GET, POST"},
		{"GET", sandbox.PathDecide, 405, "POST"},
		{"POST", "/", 405, "GET"},
	}
	for _, test := range tests {
		got := mustSend(t, s, request{method: test.method, path: test.path, key: key})
		if got.status != test.status || got.header.Get("Allow") != test.allow {
			t.Errorf("%s %s: got %d, Allow %q; want %d, %q",
				test.method, test.path, got.status, got.header.Get("Allow"), test.status, test.allow)
		}
	}
	if got := len(s.Requests()); got != len(tests) {
		t.Errorf("got %d requests listed, want %d", got, len(tests))
	}
}

func TestADeploymentServesWhatItsConfigLeavesOn(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		cfg  sandbox.Config
		gone []string
	}{
		"v1":     {sandbox.Config{DisableV1: true}, []string{sandbox.PathV1, sandbox.PathV1AI}},
		"ai":     {sandbox.Config{DisableAI: true}, []string{sandbox.PathV1AI, sandbox.PathAIBatch}},
		"batch":  {sandbox.Config{DisableBatch: true}, []string{sandbox.PathBatch}},
		"flags":  {sandbox.Config{DisableFlags: true}, []string{sandbox.PathFlags + "?v=2"}},
		"decide": {sandbox.Config{DisableDecide: true}, []string{sandbox.PathDecide + "?v=3"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := sandbox.New(test.cfg)
			var gone []string
			for _, path := range paths {
				if serve(s, path, "", []byte("x")).Code == http.StatusNotFound {
					gone = append(gone, path)
				}
			}
			if diff := cmp.Diff(test.gone, gone); diff != "" {
				t.Error("not served (-want +got):", diff)
			}
		})
	}
}

func TestFlagsAloneKnowKeys(t *testing.T) {
	t.Parallel()
	some := sandbox.Config{KnownKeys: []string{key}}
	tests := map[string]struct {
		cfg    sandbox.Config
		body   string
		status int
	}{
		"a known key":                  {some, `{"token":"` + key + `","distinct_id":"d"}`, 200},
		"a known key by its old name":  {some, `{"api_key":"` + key + `","distinct_id":"d"}`, 200},
		"an unknown key":               {some, `{"token":"phc_invented","distinct_id":"d"}`, 401},
		"an unknown key where all are": {sandbox.Config{}, `{"token":"phc_invented","distinct_id":"d"}`, 200},
		"no project key":               {sandbox.Config{}, `{"token":"other","distinct_id":"d"}`, 401},
		"a personal key":               {sandbox.Config{}, `{"token":"phx_x","distinct_id":"d"}`, 401},
		"no key":                       {sandbox.Config{}, `{"distinct_id":"d"}`, 401},
		"no distinct id":               {sandbox.Config{}, `{"token":"` + key + `"}`, 400},
		"no JSON":                      {sandbox.Config{}, `token=` + key, 400},
		"no keys known":                {sandbox.Config{KnownKeys: []string{}}, `{"token":"` + key + `","distinct_id":"d"}`, 401},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := start(t, test.cfg)
			for path, member := range map[string]string{
				"/flags?v=2": "flags", "/flags/?v=2": "flags", "/flags": "featureFlags", "/decide?v=3": "featureFlags",
			} {
				got := mustSend(t, s, request{path: path, body: test.body})
				var body map[string]json.RawMessage
				_ = json.Unmarshal([]byte(got.body), &body)
				if got.status != test.status || (string(body[member]) == "{}") != (test.status == 200) {
					t.Errorf("%s: got %d %q, want %d", path, got.status, got.body, test.status)
				}
			}
		})
	}
	s := start(t, some)
	if got := mustSend(t, s, request{method: "GET", path: "/flags?v=2&token=phc_invented"}); got.status != 200 {
		t.Errorf("GET: got %d, want 200: it ignores the token", got.status)
	}
}

func TestThePageListsWhatWasTakenWithoutContentOrKey(t *testing.T) {
	t.Parallel()
	s := start(t, sandbox.Config{})
	e := with(func(e *event) { e.properties = `{"$ai_input":"secret prompt"}` })
	sendV1(t, s, e.json())
	got := mustSend(t, s, request{method: "GET", path: "/"})
	if got.status != 200 || !strings.Contains(got.body, e.id) || !strings.Contains(got.body, "1 events taken") {
		t.Errorf("got %d %q, want the event's uuid", got.status, got.body)
	}
	if strings.Contains(got.body, "secret") || strings.Contains(got.body, key) {
		t.Errorf("got %q, which tells too much", got.body)
	}
}

func TestAClosedServerSaysSo(t *testing.T) {
	t.Parallel()
	s := sandbox.New(sandbox.Config{})
	if s.URL() != "" {
		t.Errorf("got URL %q before Start, want none", s.URL())
	}
	if err := s.Start("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	if err := s.Start(""); err == nil {
		t.Error("got no error from a second Start")
	}
	other := sandbox.New(sandbox.Config{})
	if err := other.Start(strings.TrimPrefix(s.URL(), "http://")); err == nil {
		t.Error("got no error from Start on a taken port")
	}
	for range 2 {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
	if got := serve(s, sandbox.PathBatch, "", nil).Code; got != http.StatusServiceUnavailable {
		t.Errorf("got %d after Close, want 503", got)
	}
	if err := s.Start(""); err == nil {
		t.Error("got no error from Start after Close")
	}
}
