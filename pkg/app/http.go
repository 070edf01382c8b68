package app

import (
	"fmt"
	"net/http"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// readiness is what /readyz tells.
type readiness struct {
	started  atomic.Bool
	draining atomic.Bool
	unready  func() string // set before started
}

// state says why the worker is not ready, or "".
func (h *readiness) state() string {
	switch {
	case h.draining.Load():
		return "draining"
	case !h.started.Load():
		return "starting: waiting for NATS, or for `hogcast setup`"
	}
	return h.unready()
}

// listen serves /livez (the process alone), /readyz and /metrics from the very
// start, so that a worker that waits for NATS can say so.
func (w *worker) listen() error {
	if w.config.Listen == "" {
		return nil
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /livez", func(rw http.ResponseWriter, _ *http.Request) { fmt.Fprintln(rw, "ok") })
	mux.HandleFunc("GET /readyz", func(rw http.ResponseWriter, _ *http.Request) {
		if state := w.readiness.state(); state != "" {
			http.Error(rw, state, http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(rw, "ok")
	})
	mux.Handle("GET /metrics", promhttp.HandlerFor(w.metrics, promhttp.HandlerOpts{}))
	addr, err := w.serve("probes and metrics", w.config.Listen, mux)
	if err != nil {
		return err
	}
	if w.config.Listening != nil {
		w.config.Listening(addr)
	}
	return nil
}
