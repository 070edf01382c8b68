package config

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"sync"
	"syscall"
)

// SignalContext returns a context that ends at the first SIGINT or SIGTERM,
// with a cause that names it. A second one calls exit(130), which should leave
// the process at once. Stop ends the context and the listening, and returns
// when both are over; call it once the program has finished.
func SignalContext(parent context.Context, exit func(code int)) (ctx context.Context, stop func()) {
	ctx, cancel := context.WithCancelCause(parent)
	signals := make(chan os.Signal, 2) // a pair in a burst, none lost
	stopped, done := make(chan struct{}), make(chan struct{})
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		defer close(done)
		watch(signals, stopped, cancel, exit)
	}()
	return ctx, sync.OnceFunc(func() {
		signal.Stop(signals)
		cancel(context.Canceled)
		close(stopped)
		<-done
	})
}

func watch(signals <-chan os.Signal, stopped <-chan struct{}, cancel context.CancelCauseFunc, exit func(int)) {
	for first := true; ; first = false {
		select {
		case sig := <-signals:
			if !first {
				exit(ExitInterrupted)
				return
			}
			cancel(fmt.Errorf("received %s", sig))
		case <-stopped:
			return
		}
	}
}
