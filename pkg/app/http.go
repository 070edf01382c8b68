package app

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.uber.org/zap"
)

// readiness is what /readyz tells.
type readiness struct {
	started  atomic.Bool
	draining atomic.Bool
	ready    func() bool // set before started
}

// state says why the worker is not ready, or "".
func (h *readiness) state() string {
	switch {
	case h.draining.Load():
		return "draining"
	case !h.started.Load():
		return "starting: waiting for NATS, or for `hogcast setup`"
	case !h.ready():
		return "NATS or its consumer does not answer"
	}
	return ""
}

// listen serves /livez (the process alone), /readyz and /metrics from the very
// start, so that a worker that waits for NATS can say so.
func (w *worker) listen() error {
	if w.config.Listen == "" {
		return nil
	}
	listener, err := net.Listen("tcp", w.config.Listen)
	if err != nil {
		return fmt.Errorf("listening for probes and metrics: %w", err)
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
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			w.log.Error("probes and metrics ended", zap.Error(err))
		}
	}()
	w.onStop("http", func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if server.Shutdown(ctx) != nil {
			_ = server.Close() // a scrape that hangs on keeps nobody up
		}
		<-done
	})
	if w.config.Listening != nil {
		w.config.Listening(listener.Addr().String())
	}
	return nil
}
