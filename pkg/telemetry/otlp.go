package telemetry

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/cenkalti/backoff/v4"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
)

// client posts spans as OTLP does, protobuf over HTTP. OpenTelemetry's own
// exporter does the same, but brings gRPC: 5.2 MB of the binary.
type client struct {
	url     string
	headers http.Header
	http    *http.Client
	// abort ends all uploads, those to come too.
	base  context.Context //nolint:containedctx // the life of the exporter, not of a call
	abort context.CancelFunc
}

const (
	// uploadLimit bounds one upload, its retries included.
	uploadLimit = 20 * time.Second
	// requestLimit bounds one request of it.
	requestLimit = 10 * time.Second
)

func newClient(c TraceConfig) (*client, error) {
	to, err := tracesURL(c.Endpoint)
	if err != nil {
		return nil, err
	}
	headers, err := parseHeaders(c.Headers)
	if err != nil {
		return nil, err
	}
	headers.Set("Content-Type", "application/x-protobuf")
	headers.Set("User-Agent", "hogcast/"+c.Version)
	base, abort := context.WithCancel(context.Background())
	return &client{url: to, headers: headers, base: base, abort: abort, http: &http.Client{
		Timeout:       requestLimit,
		Transport:     &http.Transport{MaxIdleConns: 2, IdleConnTimeout: time.Minute, Proxy: http.ProxyFromEnvironment},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// parseHeaders reads name=value,name=value; an error repeats no value.
func parseHeaders(text string) (http.Header, error) {
	headers := http.Header{}
	for pair := range strings.SplitSeq(text, ",") {
		if strings.TrimSpace(pair) == "" {
			continue
		}
		name, value, found := strings.Cut(pair, "=")
		name, value = strings.TrimSpace(name), strings.TrimSpace(value)
		if !found || name == "" || strings.ContainsAny(name, " :\r\n") || strings.ContainsAny(value, "\r\n") {
			return nil, errors.New("otlp-headers: not of the form name=value,name=value")
		}
		headers.Set(name, value)
	}
	return headers, nil
}

// Start implements otlptrace.Client.
func (c *client) Start(context.Context) error { return nil }

// Stop implements otlptrace.Client.
func (c *client) Stop(context.Context) error {
	c.http.CloseIdleConnections()
	return nil
}

// UploadTraces implements otlptrace.Client. A TracesData is, on the wire, the
// request that OTLP asks for.
func (c *client) UploadTraces(ctx context.Context, spans []*tracepb.ResourceSpans) error {
	body, err := proto.Marshal(&tracepb.TracesData{ResourceSpans: spans})
	if err != nil {
		return fmt.Errorf("traces: encoding: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, uploadLimit)
	defer cancel()
	defer context.AfterFunc(c.base, cancel)()
	return backoff.Retry(func() error { return c.post(ctx, body) }, backoff.WithContext(uploadBackoff(), ctx))
}

// uploadBackoff has no end of its own; uploadLimit has.
func uploadBackoff() backoff.BackOff {
	b := backoff.NewExponentialBackOff()
	b.InitialInterval = 500 * time.Millisecond
	b.RandomizationFactor = 0.5
	b.Multiplier = 2
	b.MaxInterval = 5 * time.Second
	b.MaxElapsedTime = 0
	b.Reset()
	return b
}

func (c *client) post(ctx context.Context, body []byte) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url, bytes.NewReader(body))
	if err != nil {
		return backoff.Permanent(err)
	}
	req.Header = c.headers.Clone()
	res, err := c.http.Do(req)
	if err != nil {
		return fmt.Errorf("traces: %w", err)
	}
	defer func() { _ = res.Body.Close() }()
	const most = 64 << 10
	answer, err := io.ReadAll(io.LimitReader(res.Body, most))
	switch res.StatusCode {
	case http.StatusOK, http.StatusAccepted, http.StatusNoContent:
		if rejected := rejectedSpans(answer); err == nil && rejected > 0 {
			return backoff.Permanent(fmt.Errorf("traces: the receiver has refused %d spans", rejected))
		}
		return nil
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return waitAsked(ctx, res)
	}
	return backoff.Permanent(fmt.Errorf("traces: the receiver answers %s; look at --otlp-endpoint and --otlp-headers", res.Status))
}

// waitAsked waits for as long as the receiver asks, before the next try.
func waitAsked(ctx context.Context, res *http.Response) error {
	err := fmt.Errorf("traces: the receiver answers %s", res.Status)
	seconds, convErr := strconv.Atoi(res.Header.Get("Retry-After"))
	if convErr != nil || seconds <= 0 {
		return err
	}
	select {
	case <-ctx.Done():
	case <-time.After(time.Duration(min(seconds, int(uploadLimit/time.Second))) * time.Second):
	}
	return err
}

// rejectedSpans reads partial_success.rejected_spans of an answer, fields 1 and
// 1; 0 where it is none.
func rejectedSpans(answer []byte) int64 {
	inner, ok := field(answer, protowire.BytesType)
	if !ok {
		return 0
	}
	partial, n := protowire.ConsumeBytes(inner)
	if n < 0 {
		return 0
	}
	count, ok := field(partial, protowire.VarintType)
	if !ok {
		return 0
	}
	rejected, n := protowire.ConsumeVarint(count)
	if n < 0 {
		return 0
	}
	return int64(rejected) //nolint:gosec // as protobuf defines int64
}

// field finds field 1 of a message.
func field(message []byte, want protowire.Type) ([]byte, bool) {
	for len(message) > 0 {
		number, kind, n := protowire.ConsumeTag(message)
		if n < 0 {
			return nil, false
		}
		message = message[n:]
		if number == 1 && kind == want {
			return message, true
		}
		n = protowire.ConsumeFieldValue(number, kind, message)
		if n < 0 {
			return nil, false
		}
		message = message[n:]
	}
	return nil, false
}

// exporter counts what was exported, and tells of what was not: the SDK's own
// way to tell is global.
type exporter struct {
	inner   sdktrace.SpanExporter
	onError func(error)

	spans, lost, waiting atomic.Int64
}

// mostWaiting spans are kept until they are sent, about 2 MB.
const mostWaiting = 2048

// door counts what finds no room, which the SDK's processor drops in silence.
// That never has to: it holds no more than what waits.
type door struct {
	sdktrace.SpanProcessor
	exported *exporter
}

// OnEnd implements sdktrace.SpanProcessor.
func (d *door) OnEnd(s sdktrace.ReadOnlySpan) {
	if !s.SpanContext().IsSampled() {
		return
	}
	if d.exported.waiting.Add(1) > mostWaiting {
		d.exported.waiting.Add(-1)
		d.exported.lost.Add(1)
		return
	}
	d.SpanProcessor.OnEnd(s)
}

// ExportSpans implements sdktrace.SpanExporter.
func (e *exporter) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	defer e.waiting.Add(-int64(len(spans)))
	if err := e.inner.ExportSpans(ctx, spans); err != nil {
		e.lost.Add(int64(len(spans)))
		if e.onError != nil {
			e.onError(err)
		}
		return nil
	}
	e.spans.Add(int64(len(spans)))
	return nil
}

// Shutdown implements sdktrace.SpanExporter.
func (e *exporter) Shutdown(ctx context.Context) error { return e.inner.Shutdown(ctx) }
