package telemetry_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/hogcast/hogcast/pkg/telemetry"
)

// receiver takes OTLP as a collector does.
type receiver struct {
	*httptest.Server

	mu       sync.Mutex
	requests []*http.Request
	spans    []*tracepb.Span
	answers  []int // statuses to answer with first
	body     []byte
}

func newReceiver(t *testing.T, answers ...int) *receiver {
	t.Helper()
	r := &receiver{answers: answers}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, err := io.ReadAll(req.Body)
		if err != nil {
			t.Error(err)
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		r.requests = append(r.requests, req)
		if len(r.answers) > 0 {
			status := r.answers[0]
			r.answers = r.answers[1:]
			w.WriteHeader(status)
			return
		}
		var data tracepb.TracesData
		if err := proto.Unmarshal(body, &data); err != nil {
			t.Errorf("not OTLP: %v", err)
		}
		for _, resource := range data.GetResourceSpans() {
			for _, scope := range resource.GetScopeSpans() {
				r.spans = append(r.spans, scope.GetSpans()...)
			}
		}
		_, _ = w.Write(r.body)
	}))
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) seen() ([]*http.Request, []*tracepb.Span) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.requests, r.spans
}

func newTraces(t *testing.T, c telemetry.TraceConfig) *telemetry.Traces {
	t.Helper()
	traces, err := telemetry.NewTraces(c)
	if err != nil {
		t.Fatal(err)
	}
	return traces
}

func closeTraces(t *testing.T, traces *telemetry.Traces) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	traces.Close(ctx)
}

const (
	sampledParent   = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	unsampledParent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"
)

func TestSpansArriveAtAReceiverWithItsHeaders(t *testing.T) {
	t.Parallel()
	r := newReceiver(t)
	traces := newTraces(t, telemetry.TraceConfig{Endpoint: r.URL, Headers: "x-api-key=SECRET, x-team = a=b", Sample: 1, Version: "1", Instance: "w"})
	traces.Record("", telemetry.RecordSpan{Template: "hogcast.generations"}).End("")
	closeTraces(t, traces)
	requests, spans := r.seen()
	if len(spans) != 1 || len(requests) != 1 {
		t.Fatalf("%d spans in %d requests", len(spans), len(requests))
	}
	got := requests[0]
	if got.URL.Path != "/v1/traces" || got.Header.Get("Content-Type") != "application/x-protobuf" ||
		got.Header.Get("X-Api-Key") != "SECRET" || got.Header.Get("X-Team") != "a=b" {
		t.Errorf("%s %v", got.URL.Path, got.Header)
	}
	if n, lost := traces.Exported(); n != 1 || lost != 0 {
		t.Errorf("%d exported, %d lost", n, lost)
	}
}

func TestThePublishersDecisionIsKept(t *testing.T) {
	t.Parallel()
	r := newReceiver(t)
	for _, sample := range []float64{0, 1} {
		traces := newTraces(t, telemetry.TraceConfig{Endpoint: r.URL, Sample: sample})
		if traces.Record(unsampledParent, telemetry.RecordSpan{}) != nil {
			t.Errorf("sample %v: what the publisher does not trace is traced", sample)
		}
		of := traces.Record(sampledParent, telemetry.RecordSpan{})
		if of == nil || !strings.HasPrefix(of.Traceparent(), "00-0af7651916cd43dd8448eb211c80319c-") {
			t.Errorf("sample %v: what the publisher traces is not continued: %q", sample, of.Traceparent())
		}
		of.End("")
		if without := traces.Record("not a traceparent", telemetry.RecordSpan{}); (without != nil) != (sample == 1) {
			t.Errorf("sample %v: without a parent traced: %v", sample, without != nil)
		}
		closeTraces(t, traces)
	}
}

func TestARequestIsLinkedToTheRecordsOfItsBatchAlone(t *testing.T) {
	t.Parallel()
	r := newReceiver(t)
	traces := newTraces(t, telemetry.TraceConfig{Endpoint: r.URL + "/custom", Sample: 0})
	record := traces.Record(sampledParent, telemetry.RecordSpan{})
	ctx := traces.Batch(t.Context(), "http://posthog.example:8000", []string{"", record.Traceparent(), unsampledParent})
	id := traces.Attempt(ctx, telemetry.AttemptSpan{Path: "/batch/", Status: 503, Outcome: "server_error", Failed: true, Took: time.Second})
	if id == "" || id == "0af7651916cd43dd8448eb211c80319c" {
		t.Errorf("trace id %q: want one of its own", id)
	}
	if id := traces.Attempt(t.Context(), telemetry.AttemptSpan{}); id != "" {
		t.Error("a request of unsampled records has a span")
	}
	record.End("")
	closeTraces(t, traces)
	requests, spans := r.seen()
	if requests[0].URL.Path != "/custom" {
		t.Errorf("posted to %s, want the path that was given", requests[0].URL.Path)
	}
	for _, s := range spans {
		if s.GetName() != "POST /batch/" {
			continue
		}
		if len(s.GetLinks()) != 1 || len(s.GetParentSpanId()) != 0 || s.GetStatus().GetMessage() != "server_error" {
			t.Errorf("got %v", s)
		}
		if took := s.GetEndTimeUnixNano() - s.GetStartTimeUnixNano(); took != uint64(time.Second) {
			t.Errorf("it took %d ns, want a second", took)
		}
		return
	}
	t.Error("no span of the request arrived")
}

func TestAReceiverThatIsBusyIsAskedAgain(t *testing.T) {
	t.Parallel()
	r := newReceiver(t, http.StatusServiceUnavailable, http.StatusTooManyRequests)
	traces := newTraces(t, telemetry.TraceConfig{Endpoint: r.URL, Sample: 1})
	traces.Record("", telemetry.RecordSpan{}).End("")
	closeTraces(t, traces)
	if requests, spans := r.seen(); len(spans) != 1 || len(requests) != 3 {
		t.Errorf("%d spans in %d requests", len(spans), len(requests))
	}
}

// More than can be sent at once is dropped, and is not lost unseen.
func TestSpansThatFindNoRoomAreCounted(t *testing.T) {
	t.Parallel()
	const all = 20_000
	r := newReceiver(t)
	traces := newTraces(t, telemetry.TraceConfig{Endpoint: r.URL, Sample: 1})
	for range all {
		traces.Record("", telemetry.RecordSpan{}).End("")
	}
	traces.Record(unsampledParent, telemetry.RecordSpan{}).End("")
	closeTraces(t, traces)
	n, lost := traces.Exported()
	if _, spans := r.seen(); len(spans) != int(n) || n+lost != all || lost == 0 {
		t.Errorf("of %d spans %d arrived, %d were exported and %d lost", all, len(spans), n, lost)
	}
}

func TestWhatAReceiverRefusesIsToldAndCounted(t *testing.T) {
	t.Parallel()
	for _, status := range []int{http.StatusUnauthorized, http.StatusNotFound, http.StatusFound} {
		r := newReceiver(t, status)
		var told []error
		traces := newTraces(t, telemetry.TraceConfig{Endpoint: r.URL, Headers: "k=SECRET", Sample: 1, OnError: func(err error) { told = append(told, err) }})
		traces.Record("", telemetry.RecordSpan{}).End("")
		closeTraces(t, traces)
		if len(told) != 1 || strings.Contains(told[0].Error(), "SECRET") {
			t.Errorf("%d: told %v", status, told)
		}
		if n, lost := traces.Exported(); n != 0 || lost != 1 {
			t.Errorf("%d: %d exported, %d lost", status, n, lost)
		}
	}
	r := newReceiver(t)
	r.body = protowire.AppendBytes(protowire.AppendTag(nil, 1, protowire.BytesType),
		protowire.AppendVarint(protowire.AppendTag(nil, 1, protowire.VarintType), 1))
	traces := newTraces(t, telemetry.TraceConfig{Endpoint: r.URL, Sample: 1})
	traces.Record("", telemetry.RecordSpan{}).End("")
	closeTraces(t, traces)
	if _, lost := traces.Exported(); lost != 1 {
		t.Error("a partial success that refuses the span counts as success")
	}
}

func TestSettingsThatMakeNoSenseAreRefusedWithoutTheirSecrets(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]telemetry.TraceConfig{
		"no scheme":    {Endpoint: "collector-SECRET:4318"},
		"grpc":         {Endpoint: "grpc://SECRET:4317"},
		"user info":    {Endpoint: "http://u:SECRET@collector:4318"},
		"no URL":       {Endpoint: "http://SECRET\x7f"},
		"header":       {Endpoint: "http://c:4318", Headers: "SECRET"},
		"header name":  {Endpoint: "http://c:4318", Headers: "a b=SECRET"},
		"header lines": {Endpoint: "http://c:4318", Headers: "a=SECRET\r\nb: c"},
		"sample":       {Endpoint: "http://c:4318", Sample: 1.5},
		"negative":     {Sample: -0.1},
	} {
		traces, err := telemetry.NewTraces(c)
		if err == nil || strings.Contains(err.Error(), "SECRET") {
			t.Errorf("%s: %v", name, err)
		}
		if traces != nil {
			closeTraces(t, traces)
		}
	}
}

func TestTracesThatAreOffCostNothing(t *testing.T) {
	traces, err := telemetry.NewTraces(telemetry.TraceConfig{Sample: 1})
	if err != nil || traces != nil {
		t.Fatalf("%v %v", traces, err)
	}
	got := testing.AllocsPerRun(100, func() {
		span := traces.Record(sampledParent, telemetry.RecordSpan{})
		span.Branch("main", "delivered", "")
		_ = span.Traceparent()
		span.End("")
		_ = traces.Attempt(context.Background(), telemetry.AttemptSpan{})
	})
	if got != 0 {
		t.Errorf("%v allocations", got)
	}
	traces.Close(t.Context())
}

func FuzzRejectedSpans(f *testing.F) {
	f.Add([]byte{0x0a, 0x02, 0x08, 0x01})
	f.Add([]byte{0x12, 0x01})
	f.Fuzz(func(_ *testing.T, answer []byte) { telemetry.RejectedSpans(answer) })
}
