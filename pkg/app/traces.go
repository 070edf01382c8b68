package app

import (
	"context"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/hogcast/hogcast/pkg/telemetry"
)

// startTraces begins to export traces, where an endpoint is given.
func (w *worker) startTraces() error {
	c := w.config.Traces
	c.Version, c.Instance, c.OnError = w.config.Version, w.config.Name, w.traceErrors()
	var err error
	if w.traces, err = telemetry.NewTraces(c); err != nil {
		return err
	}
	w.counter("hogcast_trace_spans_exported_total", "Spans that the OTLP receiver has taken.",
		func() float64 { spans, _ := w.traces.Exported(); return float64(spans) })
	w.counter("hogcast_trace_spans_lost_total", "Spans that the OTLP receiver has not taken, or that there was no room for: 2,048 wait at most.",
		func() float64 { _, lost := w.traces.Exported(); return float64(lost) })
	w.onStop("traces", func() {
		const limit = 2 * time.Second
		ctx, cancel := context.WithTimeout(context.Background(), limit)
		defer cancel()
		w.traces.Close(ctx)
	})
	return nil
}

// traceErrors tells of failed exports once a minute.
func (w *worker) traceErrors() func(error) {
	var last atomic.Int64
	return func(err error) {
		now := time.Now().UnixNano()
		if was := last.Load(); now-was > int64(time.Minute) && last.CompareAndSwap(was, now) {
			w.log.Warn("spans are lost: the receiver of traces does not take them; nothing else is affected", zap.Error(err))
		}
	}
}
