package app_test

import (
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/hogcast/hogcast/pkg/queue"
	"github.com/hogcast/hogcast/pkg/sandbox"
	"github.com/hogcast/hogcast/pkg/telemetry"
)

// collector is a real OTLP receiver, protobuf over HTTP.
type collector struct {
	*httptest.Server

	mu    sync.Mutex
	spans []*tracepb.Span
	raw   []byte // all that came, on the wire
}

func newCollector(t *testing.T) *collector {
	t.Helper()
	c := &collector{}
	c.Server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) {
		body, err := io.ReadAll(req.Body)
		var data tracepb.TracesData
		if err != nil || req.URL.Path != "/v1/traces" || proto.Unmarshal(body, &data) != nil {
			t.Errorf("not an export: %s %v", req.URL, err)
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		c.raw = append(c.raw, body...)
		for _, resource := range data.GetResourceSpans() {
			for _, scope := range resource.GetScopeSpans() {
				c.spans = append(c.spans, scope.GetSpans()...)
			}
		}
	}))
	t.Cleanup(c.Close)
	return c
}

// named are the spans of a name, as `trace-id parent-id`.
func (c *collector) named(name string) []*tracepb.Span {
	c.mu.Lock()
	defer c.mu.Unlock()
	var found []*tracepb.Span
	for _, s := range c.spans {
		if s.GetName() == name {
			found = append(found, s)
		}
	}
	return found
}

func attributes(s *tracepb.Span) map[string]string {
	all := map[string]string{}
	for _, a := range s.GetAttributes() {
		if v := a.GetValue(); v.GetStringValue() != "" {
			all[a.GetKey()] = v.GetStringValue()
		} else {
			all[a.GetKey()] = fmt.Sprint(v.GetIntValue())
		}
	}
	return all
}

func events(s *tracepb.Span) (names []string) {
	for _, e := range s.GetEvents() {
		names = append(names, e.GetName())
	}
	return names
}

const (
	gatewayTrace = "0af7651916cd43dd8448eb211c80319c"
	gatewaySpan  = "b7ad6b7169203331"
	secretPrompt = "the prompt that nobody may see"
)

// publishTraced publishes a record as a gateway does that traces it, or not.
func (w *world) publishTraced(t *testing.T, tenant, id, flags string) {
	t.Helper()
	body := fmt.Sprintf(`{"id":%q,"tenant":%q,"created_at":"2026-01-02T03:04:05Z","model":"m","messages":[{"role":"user","content":%q}]}`, id, tenant, secretPrompt)
	err := w.conn.Publish(t.Context(), queue.Message{
		Subject: queue.GenerationSubject(tenant), ID: tenant + "/" + id, Body: []byte(body),
		Header: map[string][]string{"traceparent": {"00-" + gatewayTrace + "-" + gatewaySpan + "-" + flags}},
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestATraceGoesFromTheGatewayToTheRequest(t *testing.T) {
	t.Parallel()
	w, c := newWorld(t, twoTenants), newCollector(t)
	w.config.Traces = telemetry.TraceConfig{Endpoint: c.URL, Sample: 0}
	w.publishTraced(t, "beta", "traced", "01")
	w.publishTraced(t, "beta", "untraced", "00")
	w.publish(t, "beta", 5)
	stop := w.run(t)
	eventually(t, "all events", func() bool { return w.posthog.Count() == 7 })
	stop()
	records, posts := c.named("process hogcast.generations"), c.named("POST /i/v1/analytics/events")
	if len(records) != 1 || len(posts) != 1 {
		t.Fatalf("%d spans of records and %d of requests, want one each", len(records), len(posts))
	}
	record, post := records[0], posts[0]
	if hex.EncodeToString(record.GetTraceId()) != gatewayTrace || hex.EncodeToString(record.GetParentSpanId()) != gatewaySpan {
		t.Errorf("the record's span is not the gateway's child: %v", record)
	}
	if got := attributes(record); got["messaging.system"] != "nats" || got["messaging.destination.name"] != "hogcast.generations.beta" || got["messaging.message.id"] != "beta/traced" {
		t.Errorf("the record's span: %v", got)
	}
	if got := events(record); len(got) != 1 || got[0] != "delivered" {
		t.Errorf("the record's span tells of %v", got)
	}
	links := post.GetLinks()
	if len(links) != 1 || string(links[0].GetSpanId()) != string(record.GetSpanId()) || len(post.GetParentSpanId()) != 0 {
		t.Errorf("the request is not linked to the record: %v", post)
	}
	if got := attributes(post); got["http.response.status_code"] != "200" || got["server.address"] != "127.0.0.1" || got["hogcast.tenant"] != "beta" {
		t.Errorf("the request's span: %v", got)
	}
}

func TestAHeldRecordsLateDeliveryJoinsItsTrace(t *testing.T) {
	t.Parallel()
	w, c := newWorld(t, twoTenants), newCollector(t)
	w.config.Traces = telemetry.TraceConfig{Endpoint: c.URL, Sample: 0}
	w.posthog.Always(sandbox.Match{APIKey: "phc_acme0000000000"}, sandbox.Status(401))
	stop := w.run(t)
	w.publishTraced(t, "acme", "late", "01")
	eventually(t, "it is held", func() bool { return w.waiting(t, queue.StreamHeld) == 1 })
	w.posthog.Clear(sandbox.Match{APIKey: "phc_acme0000000000"})
	eventually(t, "it is delivered after all", func() bool { return w.posthog.Count() == 1 })
	eventually(t, "it is held no more", func() bool { return w.waiting(t, queue.StreamHeld) == 0 })
	stop()
	first := c.named("process hogcast.generations")
	if len(first) != 1 || fmt.Sprint(events(first[0])) != "[held]" {
		t.Fatalf("the first span: %v", first)
	}
	var late *tracepb.Span
	for _, s := range c.named("process hogcast.held") {
		if fmt.Sprint(events(s)) == "[delivered]" {
			late = s
		}
	}
	if late == nil {
		t.Fatal("the late delivery has no span")
	}
	if string(late.GetTraceId()) != string(first[0].GetTraceId()) || string(late.GetParentSpanId()) != string(first[0].GetSpanId()) {
		t.Errorf("it does not join the trace: %v", late)
	}
	linked := false
	for _, p := range c.named("POST /i/v1/analytics/events") {
		for _, l := range p.GetLinks() {
			linked = linked || string(l.GetSpanId()) == string(late.GetSpanId())
		}
	}
	if !linked {
		t.Error("no request is linked to it")
	}
	for _, secret := range []string{secretPrompt, "phc_"} {
		if strings.Contains(string(c.raw), secret) {
			t.Errorf("the traces hold %q", secret)
		}
	}
}

func TestAReceiverThatIsAwayKeepsNothingBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t, twoTenants)
	w.config.Traces = telemetry.TraceConfig{Endpoint: "http://127.0.0.1:1", Sample: 1}
	w.publish(t, "beta", 50)
	stop := w.run(t)
	eventually(t, "all events", func() bool { return w.posthog.Count() == 50 })
	stop()
}
