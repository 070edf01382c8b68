package sandbox_test

import (
	"net/http"
	"runtime"
	"strings"
	"testing"

	"github.com/hogcast/hogcast/pkg/sandbox"
)

func TestV1ReadsEveryEncoding(t *testing.T) {
	t.Parallel()
	for _, encoding := range []string{"", "gzip", "deflate", "deflate-raw", "br", "zstd"} {
		for _, path := range []string{sandbox.PathV1, sandbox.PathV1AI} {
			s := start(t, sandbox.Config{})
			e := newEvent()
			got := mustSend(t, s, request{path: path, key: key, encoding: encoding, body: v1(e.json())})
			if v := verdicts(t, got)[e.id]; v != "ok" {
				t.Errorf("%s as %q: got %q, want ok", path, encoding, v)
			}
		}
	}
}

func TestLegacyReadsGzipAlone(t *testing.T) {
	t.Parallel()
	body := legacy(newEvent().json())
	tests := map[string]struct {
		request request
		status  int
	}{
		"plain":                               {request{body: body}, 200},
		"gzip by its header":                  {request{body: body, encoding: "gzip"}, 200},
		"gzip by the query":                   {request{path: "?compression=gzip", body: string(compress(t, "gzip", body))}, 200},
		"gzip that nobody spoke of":           {request{body: string(compress(t, "gzip", body))}, 200},
		"the query speaks of gzip, it's none": {request{path: "?compression=gzip", body: body}, 400},
		"the header speaks of gzip":           {request{body: body, header: http.Header{"Content-Encoding": {"gzip"}}}, 400},
		"gzip cut short":                      {request{body: string(compress(t, "gzip", body)[:50])}, 400},
		"zstd":                                {request{body: body, encoding: "zstd"}, 400},
		"br":                                  {request{body: body, encoding: "br"}, 400},
		"deflate":                             {request{body: body, encoding: "deflate"}, 400},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, path := range []string{sandbox.PathBatch, sandbox.PathAIBatch} {
				r := test.request
				r.path = path + r.path
				if got := mustSend(t, start(t, sandbox.Config{}), r); got.status != test.status {
					t.Errorf("%s: got %d %q, want %d", path, got.status, got.body, test.status)
				}
			}
		})
	}
}

func TestBombsAndBrokenBodiesAreRefused(t *testing.T) {
	t.Parallel()
	const limit = 1 << 20
	bomb := v1(newEvent().json()) + strings.Repeat(" ", 4*limit)
	for _, encoding := range []string{"gzip", "deflate", "deflate-raw", "br", "zstd"} {
		t.Run(encoding, func(t *testing.T) {
			t.Parallel()
			s := start(t, sandbox.Config{MaxInflatedBytes: limit})
			said := strings.TrimSuffix(encoding, "-raw")
			if got := mustSend(t, s, request{path: sandbox.PathV1, key: key, encoding: encoding, body: bomb}); got.status != 413 {
				t.Errorf("bomb: got %d %q, want 413", got.status, got.body)
			}
			whole := string(compress(t, encoding, v1(newEvent().json())))
			for name, body := range map[string]string{"garbage": "\x01garbage", "half": whole[:len(whole)/2]} {
				r := request{path: sandbox.PathV1, key: key, body: body, header: http.Header{"Content-Encoding": {said}}}
				if got := mustSend(t, s, r); got.status != 400 {
					t.Errorf("%s: got %d %q, want 400", name, got.status, got.body)
				}
			}
			// The decoders are kept: they must work after what broke them.
			e := newEvent()
			if got := verdicts(t, mustSend(t, s, request{path: sandbox.PathV1, key: key, encoding: encoding, body: v1(e.json())})); got[e.id] != "ok" {
				t.Errorf("afterwards: got %v, want ok", got)
			}
		})
	}
	s := start(t, sandbox.Config{MaxInflatedBytes: limit})
	if got := mustSend(t, s, request{path: sandbox.PathBatch, encoding: "gzip", body: bomb}); got.status != 413 {
		t.Errorf("legacy bomb: got %d %q, want 413", got.status, got.body)
	}
}

// It measures what is allocated, so it runs beside no other test.
func TestABombIsNotInflatedAsAWhole(t *testing.T) {
	const limit, bomb = 64 << 10, 32 << 20
	s := sandbox.New(sandbox.Config{MaxInflatedBytes: limit})
	body := compress(t, "gzip", strings.Repeat(" ", bomb))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	w := serve(s, sandbox.PathV1, "gzip", body)
	runtime.ReadMemStats(&after)
	if got := after.TotalAlloc - before.TotalAlloc; w.Code != 413 || got > bomb/2 {
		t.Errorf("got %d and %d bytes allocated, want 413 and less than %d", w.Code, got, bomb/2)
	}
}

func TestBodiesAreBoundedAsConfigured(t *testing.T) {
	t.Parallel()
	s := start(t, sandbox.Config{MaxBodyBytes: 1000})
	long := with(func(e *event) { e.properties = `{"x":"` + strings.Repeat("x", 1000) + `"}` }).json()
	if got := sendV1(t, s, long); got.status != 413 {
		t.Errorf("v1: got %d, want 413", got.status)
	}
	if got := sendLegacy(t, s, long); got.status != 413 {
		t.Errorf("legacy: got %d, want 413", got.status)
	}
	if got := sendLegacy(t, s, newEvent().json()); got.status != 200 {
		t.Errorf("a short one: got %d, want 200", got.status)
	}
}

func FuzzReader(f *testing.F) {
	s := sandbox.New(sandbox.Config{KeepNone: true, MaxBodyBytes: 1 << 16, MaxInflatedBytes: 1 << 18})
	e := newEvent()
	e.options = `{"process_person_profile":false}`
	for _, body := range []string{
		v1(e.json()), legacy(e.json()), `{"token":"phc_x","distinct_id":"d"}`, "", "[[[[", `{"batch":[{"uuid":7}]}`,
		v1(`{"event":"e","uuid":"` + e.id + `","distinct_id":"d","timestamp":"2026-01-02T03:04:05Z","properties":{"a":"\ud800"}}`),
	} {
		for i, encoding := range encodings {
			f.Add(uint8(i), compress(f, encoding, body))
		}
	}
	f.Fuzz(func(t *testing.T, which uint8, body []byte) {
		encoding := encodings[int(which)%len(encodings)]
		for _, path := range paths {
			w := serve(s, path, encoding, body)
			if w.Code >= 500 || w.Code < 200 {
				t.Errorf("%s: got %d %s, want a 2xx or 4xx", path, w.Code, w.Body)
			}
		}
	})
}
