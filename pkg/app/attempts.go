package app

import (
	"context"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/hogcast/hogcast/pkg/delivery"
	"github.com/hogcast/hogcast/pkg/destination"
	"github.com/hogcast/hogcast/pkg/event"
	"github.com/hogcast/hogcast/pkg/outcome"
	"github.com/hogcast/hogcast/pkg/posthog"
	"github.com/hogcast/hogcast/pkg/telemetry"
)

// attempts counts each request, makes its span, and writes one wide line for
// it: on debug level where it went well, as a warning where it did not. The same
// error of the same destination is told once a minute, with how often it has
// come since; the metrics count every one.
type attempts struct {
	metrics *telemetry.Metrics
	traces  *telemetry.Traces
	log     *zap.Logger
	now     func() time.Time

	mu      sync.Mutex
	failing map[destination.ID]*failing
}

// failing is what a destination's requests come to since one was taken last.
type failing struct {
	attempt int // requests in a row that were not taken
	cause   outcome.Cause
	told    time.Time // when cause was told last
	since   int       // how often it has come since
}

const (
	tellAgain = time.Minute
	// maxFailing bounds what is remembered, about 150 B each; of what is beyond
	// it every error is told.
	maxFailing = 10_000
)

func newAttempts(m *telemetry.Metrics, traces *telemetry.Traces, log *zap.Logger) *attempts {
	return &attempts{
		metrics: m, traces: traces, log: log.Named("attempt"), now: time.Now,
		failing: make(map[destination.ID]*failing),
	}
}

// made is told of each request once it is over.
func (a *attempts) made(ctx context.Context, of posthog.Attempt) {
	a.count(of)
	failed := of.Cause != outcome.OK && of.Cause != outcome.Warning
	trace := a.traces.Attempt(ctx, telemetry.AttemptSpan{
		Tenant: of.Destination.Tenant, Destination: of.Destination.Name, Path: of.Path, Events: of.Events,
		Bytes: of.WireBytes, Status: of.Status, Outcome: string(of.Cause), Failed: failed, Took: of.Duration,
	})
	if !failed {
		a.taken(of, trace)
		return
	}
	if n, repeated, tell := a.refused(of); tell {
		a.log.Warn("not taken", append(fields(of, trace, n), zap.Int("repeated", repeated))...)
	}
}

func (a *attempts) count(of posthog.Attempt) {
	m := a.metrics
	m.Attempts.WithLabelValues(string(of.Cause)).Inc()
	m.Duration.Observe(of.Duration.Seconds())
	m.BatchEvents.Observe(float64(of.Events))
	m.EventBytes.Add(float64(of.RawBytes))
	m.SentBytes.Add(float64(of.WireBytes))
	m.Top.Attempt(of.Destination.Tenant, of.Destination.Name, of.Cause, of.Duration)
}

// taken ends a row of failures, and says so.
func (a *attempts) taken(of posthog.Attempt, trace string) {
	a.mu.Lock()
	before := a.failing[of.Destination]
	delete(a.failing, of.Destination)
	a.mu.Unlock()
	if before != nil {
		a.log.Info("taken again", append(fields(of, trace, before.attempt+1), zap.Int("repeated", before.since))...)
		return
	}
	if entry := a.log.Check(zap.DebugLevel, "taken"); entry != nil {
		entry.Write(fields(of, trace, 1)...)
	}
}

// refused counts a failure: the how manieth in a row it is, how often the same
// has come untold, and whether to tell it.
func (a *attempts) refused(of posthog.Attempt) (attempt, repeated int, tell bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	f, now := a.failing[of.Destination], a.now()
	if f == nil {
		if len(a.failing) >= maxFailing {
			return 1, 0, true
		}
		f = &failing{}
		a.failing[of.Destination] = f
	}
	f.attempt++
	if f.cause == of.Cause && now.Sub(f.told) < tellAgain {
		f.since++
		return f.attempt, f.since, false
	}
	repeated = f.since
	f.cause, f.told, f.since = of.Cause, now, 0
	return f.attempt, repeated, true
}

// fields are those of every line, in this order.
func fields(of posthog.Attempt, trace string, attempt int) []zap.Field {
	out := []zap.Field{
		zap.String("tenant", of.Destination.Tenant), zap.String("destination", of.Destination.Name),
		zap.Int("attempt", attempt), zap.String("outcome", string(of.Cause)),
		zap.Int64("duration_ms", of.Duration.Milliseconds()), zap.String("error", of.Error),
		zap.Int("events", of.Events), zap.Int("bytes", of.WireBytes), zap.Int("raw_bytes", of.RawBytes),
		zap.Int("status", of.Status), zap.String("path", of.Path), zap.String("encoding", of.Encoding),
	}
	if trace != "" {
		out = append(out, zap.String("trace_id", trace))
	}
	return out
}

// traced has the spans of a batch's requests linked to its records'.
type traced struct {
	delivery.Sender
	traces *telemetry.Traces
}

// Send implements delivery.Sender.
func (s traced) Send(ctx context.Context, to *destination.Destination, batch []*event.Event) []outcome.Verdict {
	records := make([]string, len(batch))
	for i, e := range batch {
		records[i] = e.Traceparent
	}
	return s.Sender.Send(s.traces.Batch(ctx, to.Endpoint, records), to, batch)
}

// withTraces is the sender, told of traces where they are on.
func (w *worker) withTraces(sender delivery.Sender) delivery.Sender {
	if w.traces == nil {
		return sender
	}
	return traced{sender, w.traces}
}
