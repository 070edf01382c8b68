package admin_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"

	"github.com/hogcast/hogcast/pkg/admin"
	"github.com/hogcast/hogcast/pkg/destination"
)

const good = `{"id":"g1","tenant":"acme","created_at":"2026-01-02T03:04:05Z","model":"m"`

func mapText(t *testing.T, in string, rules *destination.Destination) (out, errs string, result admin.MapResult) {
	t.Helper()
	var o, e bytes.Buffer
	result, err := admin.Map(t.Context(), admin.MapParams{In: strings.NewReader(in), Out: &o, Errors: &e, Rules: rules})
	if err != nil {
		t.Fatal(err)
	}
	return o.String(), e.String(), result
}

func TestBadRecordsAreNamedByLineAndTheOthersMapped(t *testing.T) {
	t.Parallel()
	in := good + "}\nnot json\n\n[1]\n" + good + `,"latency_ms":"fast"}` + "\n{\"id\":\"x\"\n" + good + "}"
	out, errs, result := mapText(t, in, nil)
	if result.Mapped != 3 || result.Bad != 3 || strings.Count(out, "\n") != 3 {
		t.Errorf("got %+v\n%s", result, out)
	}
	want := "line 2: record: not JSON: broken at byte 1\n" +
		"line 4: record: not a JSON object\n" +
		"line 5: warning: latency_ms: of the wrong type; left out\n" +
		"line 6: record: not JSON: it ends too early\n"
	if errs != want {
		t.Errorf("got  %q\nwant %q", errs, want)
	}
}

func TestADocumentOverLinesBecomesOneLine(t *testing.T) {
	t.Parallel()
	out, errs, _ := mapText(t, strings.ReplaceAll(good, ",", ",\n  ")+",\n\"messages\": [\n{\"role\": \"user\"}\n]\n}\n", nil)
	if strings.Count(out, "\n") != 1 || errs != "" {
		t.Errorf("got %q, %q", out, errs)
	}
}

func TestRulesFilterSampleAndHide(t *testing.T) {
	t.Parallel()
	rules := &destination.Destination{ID: destination.ID{Name: "x"}, Enabled: true, SamplingRate: 1, PrivacyMode: true}
	rules.APIKeys.Include = []string{"k1"}
	out, errs, result := mapText(t, good+`,"api_key_id":"k1","prompt":"CANARY"}`+"\n"+good+"}\n", rules)
	if result.Mapped != 1 || result.Filtered != 1 || errs != "" || strings.Contains(out, "CANARY") {
		t.Errorf("got %+v %q %q", result, out, errs)
	}
	rules.APIKeys.Include, rules.SamplingRate = nil, destination.MinSamplingRate
	if _, _, result := mapText(t, good+"}\n", rules); result.SampledOut != 1 {
		t.Errorf("got %+v", result)
	}
}

// records yields n records as a pipe would.
type records struct {
	n    int
	rest []byte
}

func (r *records) Read(p []byte) (int, error) {
	if len(r.rest) == 0 {
		if r.n == 0 {
			return 0, io.EOF
		}
		r.n--
		r.rest = fmt.Appendf(nil, "%s,\"prompt\":%q}\n", good, strings.Repeat("text ", 2000))
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

func TestMemoryStaysFlatWhateverTheInput(t *testing.T) {
	// 50 MB; the bound is far below.
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	peak := uint64(0)
	watch := writer(func(p []byte) (int, error) {
		runtime.ReadMemStats(&after)
		peak = max(peak, after.HeapInuse)
		return len(p), nil
	})
	result, err := admin.Map(context.Background(), admin.MapParams{In: &records{n: 5_000}, Out: watch, Errors: io.Discard})
	if err != nil || result.Mapped != 5_000 {
		t.Fatalf("%v %+v", err, result)
	}
	if grown := int64(peak) - int64(before.HeapInuse); grown > 16<<20 { //nolint:gosec // sizes of memory
		t.Errorf("the heap grew by %d bytes", grown)
	}
}

type writer func([]byte) (int, error)

func (w writer) Write(p []byte) (int, error) { return w(p) }
