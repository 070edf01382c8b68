package app

import (
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/hogcast/hogcast/pkg/outcome"
	"github.com/hogcast/hogcast/pkg/posthog"
	"github.com/hogcast/hogcast/pkg/telemetry"
)

// attempts counts each request, and writes one wide line for it: on debug level
// where it went well, as a warning where it did not. The same failure of the
// same destination is told a few times a minute; the metrics count them all.
func attempts(m *telemetry.Metrics, log *zap.Logger) func(posthog.Attempt) {
	log = log.Named("attempt")
	failures := log.WithOptions(zap.WrapCore(func(core zapcore.Core) zapcore.Core {
		return zapcore.NewSamplerWithOptions(core, time.Minute, 3, 0)
	}))
	return func(a posthog.Attempt) {
		m.Attempts.WithLabelValues(string(a.Cause)).Inc()
		m.Duration.Observe(a.Duration.Seconds())
		m.BatchEvents.Observe(float64(a.Events))
		m.EventBytes.Add(float64(a.RawBytes))
		m.SentBytes.Add(float64(a.WireBytes))
		if a.Cause == outcome.OK || a.Cause == outcome.Warning {
			if entry := log.Check(zap.DebugLevel, "sent"); entry != nil {
				entry.Write(attemptFields(a)...)
			}
			return
		}
		// The message tells destination and cause, since sampling goes by it.
		if entry := failures.Check(zap.WarnLevel, a.Destination.String()+": "+string(a.Cause)); entry != nil {
			entry.Write(attemptFields(a)...)
		}
	}
}

func attemptFields(a posthog.Attempt) []zap.Field {
	return []zap.Field{
		zap.String("tenant", a.Destination.Tenant), zap.String("destination", a.Destination.Name),
		zap.String("path", a.Path), zap.String("encoding", a.Encoding), zap.Int("events", a.Events),
		zap.Int("raw_bytes", a.RawBytes), zap.Int("wire_bytes", a.WireBytes), zap.Int("status", a.Status),
		zap.String("outcome", string(a.Cause)), zap.Int64("duration_ms", a.Duration.Milliseconds()),
	}
}
