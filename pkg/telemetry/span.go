package telemetry

import (
	"context"
	"net/url"
	"strconv"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// traceparentKey is the W3C header, as propagation names it.
const traceparentKey = "traceparent"

// parent reads a traceparent; what is none gives no parent.
func parent(traceparent string) context.Context {
	return propagation.TraceContext{}.Extract(context.Background(), propagation.MapCarrier{traceparentKey: traceparent})
}

// Span is what one worker does with one record. A nil Span, of a record that is
// not sampled, takes everything and tells nothing.
type Span struct {
	span        trace.Span
	traceparent string
}

// RecordSpan is what a record's span tells of it. None of it is content.
type RecordSpan struct {
	Subject    string // of the message
	Template   string // the subject without the names in it
	MessageID  string
	Tenant     string
	Bytes      int
	Deliveries uint64 // 1 for the first time
}

// Record begins the span of a record whose publisher, or whoever held it, has
// sent traceparent along, or ""; nil where it is not sampled.
func (t *Traces) Record(traceparent string, r RecordSpan) *Span {
	if t == nil {
		return nil
	}
	ctx, span := t.tracer.Start(parent(traceparent), "process "+r.Template, trace.WithSpanKind(trace.SpanKindConsumer))
	if !span.IsRecording() {
		return nil
	}
	span.SetAttributes(
		attribute.String("messaging.system", "nats"),
		attribute.String("messaging.operation.name", "process"),
		attribute.String("messaging.operation.type", "process"),
		attribute.String("messaging.destination.name", r.Subject),
		attribute.String("messaging.destination.template", r.Template),
		attribute.Int("messaging.message.body.size", r.Bytes),
		attribute.String("hogcast.tenant", r.Tenant),
		attribute.Int64("hogcast.deliveries", int64(r.Deliveries)), //nolint:gosec // far below
	)
	if r.MessageID != "" {
		span.SetAttributes(attribute.String("messaging.message.id", r.MessageID))
	}
	carrier := propagation.MapCarrier{}
	propagation.TraceContext{}.Inject(ctx, carrier)
	return &Span{span: span, traceparent: carrier[traceparentKey]}
}

// Traceparent names the span to whoever goes on with it; "" where it is nil.
func (s *Span) Traceparent() string {
	if s == nil {
		return ""
	}
	return s.traceparent
}

// Branch notes how one branch of the record ended, and why where it was not
// delivered.
func (s *Span) Branch(destination, outcome, reason string) {
	if s == nil {
		return
	}
	attrs := []attribute.KeyValue{attribute.String("hogcast.destination", destination), attribute.String("hogcast.outcome", outcome)}
	if reason != "" {
		attrs = append(attrs, attribute.String("hogcast.reason", reason))
	}
	s.span.AddEvent(outcome, trace.WithAttributes(attrs...))
}

// End ends the span; problem, one word, says that the record comes again.
func (s *Span) End(problem string) {
	if s == nil {
		return
	}
	if problem != "" {
		s.span.SetStatus(codes.Error, problem)
		s.span.SetAttributes(attribute.String("error.type", problem))
	}
	s.span.End()
}

// AttemptSpan is what the span of one request tells.
type AttemptSpan struct {
	Tenant, Destination string
	Endpoint            string // URL
	Path                string
	Events, Bytes       int // Bytes as sent
	Status              int // 0: no answer
	Outcome             string
	Failed              bool
	Took                time.Duration
}

// batchKey finds the links of a batch in the context of its requests.
type batchKey struct{}

type batch struct {
	endpoint string
	links    []trace.Link
}

// Batch prepares a context for the requests of a batch: their spans are linked
// to the records' whose traceparents are given, "" for those that are not
// sampled.
func (t *Traces) Batch(ctx context.Context, endpoint string, traceparents []string) context.Context {
	var links []trace.Link
	for _, of := range traceparents {
		if of == "" {
			continue
		}
		if record := trace.SpanContextFromContext(parent(of)); record.IsSampled() {
			links = append(links, trace.Link{SpanContext: record})
		}
	}
	if len(links) == 0 {
		return ctx
	}
	return context.WithValue(ctx, batchKey{}, &batch{endpoint, links})
}

// Attempt makes the span of a request that is over, of a batch that Batch has
// prepared ctx for, and returns its trace's id; "" where no record of the batch
// is sampled.
func (t *Traces) Attempt(ctx context.Context, a AttemptSpan) string {
	if t == nil {
		return ""
	}
	b, _ := ctx.Value(batchKey{}).(*batch)
	if b == nil {
		return ""
	}
	now := time.Now()
	_, span := t.tracer.Start(context.Background(), "POST "+a.Path, trace.WithSpanKind(trace.SpanKindClient),
		trace.WithLinks(b.links...), trace.WithTimestamp(now.Add(-a.Took)))
	host, port := hostPort(b.endpoint)
	span.SetAttributes(
		attribute.String("http.request.method", "POST"),
		attribute.String("server.address", host), attribute.Int("server.port", port),
		attribute.String("url.path", a.Path),
		attribute.Int("http.request.body.size", a.Bytes),
		attribute.Int("messaging.batch.message_count", a.Events),
		attribute.String("hogcast.tenant", a.Tenant), attribute.String("hogcast.destination", a.Destination),
		attribute.String("hogcast.outcome", a.Outcome),
	)
	if a.Status != 0 {
		span.SetAttributes(attribute.Int("http.response.status_code", a.Status))
	}
	if a.Failed {
		span.SetStatus(codes.Error, a.Outcome)
		span.SetAttributes(attribute.String("error.type", a.Outcome))
	}
	span.End(trace.WithTimestamp(now))
	return span.SpanContext().TraceID().String()
}

// hostPort takes an endpoint apart for a span.
func hostPort(endpoint string) (string, int) {
	u, err := url.Parse(endpoint)
	if err != nil {
		return "", 0
	}
	port, err := strconv.Atoi(u.Port())
	if err != nil {
		port = map[bool]int{true: 80, false: 443}[strings.EqualFold(u.Scheme, "http")]
	}
	return u.Hostname(), port
}
