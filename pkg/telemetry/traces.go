package telemetry

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// TraceConfig says where traces go.
type TraceConfig struct {
	// Endpoint is an OTLP receiver that takes protobuf over HTTP, such as
	// http://otel-collector:4318; without a path, /v1/traces is meant. "" turns
	// traces off.
	Endpoint string
	// Headers go with each export, as `name=value,name=value`. They are secrets.
	Headers string
	// Sample is the part of the records that are traced, 0 to 1, of those whose
	// publisher has not decided; a traceparent's own decision is kept.
	Sample float64
	// Version and Instance name this worker.
	Version, Instance string
	// OnError, if set, is told why spans were not taken. It must not block.
	OnError func(error)
}

// Validate reports every setting that makes no sense.
func (c TraceConfig) Validate() error {
	var errs []error
	if c.Endpoint != "" {
		if _, err := tracesURL(c.Endpoint); err != nil {
			errs = append(errs, err)
		}
	}
	if _, err := parseHeaders(c.Headers); err != nil {
		errs = append(errs, err)
	}
	if !(c.Sample >= 0 && c.Sample <= 1) {
		errs = append(errs, fmt.Errorf("trace-sample: %v is not within 0 and 1", c.Sample))
	}
	return errors.Join(errs...)
}

// tracesURL is where exports are posted to.
func tracesURL(endpoint string) (string, error) {
	u, err := url.Parse(endpoint)
	switch {
	case err != nil, u.Scheme != "http" && u.Scheme != "https", u.Host == "":
		// The text may hold a password: it is not repeated.
		return "", errors.New("otlp-endpoint: not a URL such as http://otel-collector:4318")
	case u.User != nil:
		return "", errors.New("otlp-endpoint: holds user info; give credentials with --otlp-headers")
	case strings.Trim(u.Path, "/") == "":
		u.Path = "/v1/traces"
	}
	return u.String(), nil
}

// Traces makes spans and exports them. A nil Traces makes none, at no cost.
type Traces struct {
	provider *sdktrace.TracerProvider
	tracer   trace.Tracer
	exported *exporter
	client   *client
}

// NewTraces starts exporting; nil where there is no endpoint.
func NewTraces(c TraceConfig) (*Traces, error) {
	if err := c.Validate(); err != nil || c.Endpoint == "" {
		return nil, err
	}
	client, err := newClient(c)
	if err != nil {
		return nil, err
	}
	of, err := resource.New(context.Background(), resource.WithAttributes(
		attribute.String("service.name", "hogcast-worker"),
		attribute.String("service.version", c.Version),
		attribute.String("service.instance.id", c.Instance),
	), resource.WithTelemetrySDK(), resource.WithFromEnv())
	if err != nil {
		return nil, fmt.Errorf("traces: OTEL_RESOURCE_ATTRIBUTES: %w", err)
	}
	exported := &exporter{inner: otlptrace.NewUnstarted(client), onError: c.OnError}
	provider := sdktrace.NewTracerProvider(
		sdktrace.WithResource(of),
		sdktrace.WithSampler(linked{sdktrace.ParentBased(sdktrace.TraceIDRatioBased(c.Sample))}),
		sdktrace.WithSpanProcessor(&door{
			SpanProcessor: sdktrace.NewBatchSpanProcessor(exported, sdktrace.WithBatchTimeout(2*time.Second), sdktrace.WithMaxQueueSize(mostWaiting)),
			exported:      exported,
		}),
	)
	return &Traces{provider: provider, tracer: provider.Tracer("github.com/hogcast/hogcast"), exported: exported, client: client}, nil
}

// Close exports what waits, for at most as long as ctx, and ends.
func (t *Traces) Close(ctx context.Context) {
	if t == nil {
		return
	}
	// Once uploads are given up nothing waits: the goroutine ends, ctx or not.
	defer context.AfterFunc(ctx, t.client.abort)()
	if err := t.provider.Shutdown(context.WithoutCancel(ctx)); err != nil && t.exported.onError != nil {
		t.exported.onError(err)
	}
	t.client.abort()
}

// linked samples what is linked to something that is sampled: a request belongs
// to many traces, and is a child of none.
type linked struct{ sdktrace.Sampler }

// ShouldSample implements sdktrace.Sampler.
func (l linked) ShouldSample(p sdktrace.SamplingParameters) sdktrace.SamplingResult {
	for _, link := range p.Links {
		if link.SpanContext.IsSampled() {
			return sdktrace.SamplingResult{Decision: sdktrace.RecordAndSample}
		}
	}
	return l.Sampler.ShouldSample(p)
}

// Exported is how many spans were exported, and how many were not: the receiver
// did not take them, or too many were waiting.
func (t *Traces) Exported() (spans, lost int64) {
	if t == nil {
		return 0, 0
	}
	return t.exported.spans.Load(), t.exported.lost.Load()
}
