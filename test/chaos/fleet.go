package main

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// fleet is the workers, a process each. One that leaves without being told is
// a finding, and is started again.
type fleet struct {
	bin, dir string
	site     *site
	cluster  *cluster
	args     []string
	workers  []*worker
	files    *destinationsFile // none starts while it can't be read
	report   func(kind, where, format string, args ...any)

	// still is held for reading while a worker is stopped, and for writing by
	// what has to reach every worker.
	still sync.RWMutex
}

type worker struct {
	index  int
	listen string

	mu   sync.Mutex // held over a fault
	proc *process
}

// leaveWithin is what a worker promises: gone within 30 s of SIGTERM. In its
// first moments nobody listens to the signal yet, and the system ends it.
const (
	leaveWithin = 30 * time.Second
	deafFor     = time.Second
)

// start starts so many workers and waits until all are ready.
func (f *fleet) start(ctx context.Context, count int) error {
	ports, err := f.site.ports(count, 8080)
	if err != nil {
		return err
	}
	for i := range count {
		f.workers = append(f.workers, &worker{index: i, listen: f.site.listen(i, ports[i])})
	}
	for _, w := range f.workers {
		if err := f.run(w); err != nil {
			return err
		}
	}
	return f.ready(ctx)
}

func (f *fleet) log(w *worker) string {
	return filepath.Join(f.dir, fmt.Sprintf("worker-%d.log", w.index))
}

func (f *fleet) run(w *worker) error {
	f.files.lock()
	defer f.files.unlock()
	name := fmt.Sprintf("worker-%d", w.index)
	args := append([]string{"--listen", w.listen, "--name", name, "--nats-url", f.cluster.urlsFrom(w.index)}, f.args...)
	var err error
	w.proc, err = start(child{name: name, log: f.log(w), bin: f.bin, args: args, site: f.site, host: w.index})
	return err
}

// ready waits until every worker says so.
func (f *fleet) ready(ctx context.Context) error {
	for _, w := range f.workers {
		if !poll(ctx, 100*time.Millisecond, func() bool { return f.isReady(ctx, w) }) {
			return fmt.Errorf("worker-%d is not ready: %w", w.index, context.Cause(ctx))
		}
	}
	return nil
}

// readyWithin is ready, for so long.
func (f *fleet) readyWithin(ctx context.Context, d time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	return f.ready(ctx)
}

func (f *fleet) isReady(ctx context.Context, w *worker) bool {
	return answers(ctx, "http://"+w.listen+"/readyz")
}

func (f *fleet) countReady(ctx context.Context) int {
	ready := 0
	for _, w := range f.workers {
		if f.isReady(ctx, w) {
			ready++
		}
	}
	return ready
}

// kill kills a worker and starts it again after a while.
func (f *fleet) kill(ctx context.Context, w *worker, away time.Duration) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.proc.kill()
	pause(ctx, away)
	return f.run(w)
}

// freeze stops a worker's process for a while.
func (f *fleet) freeze(ctx context.Context, w *worker, d time.Duration) {
	f.still.RLock()
	defer f.still.RUnlock()
	w.mu.Lock()
	defer w.mu.Unlock()
	began := time.Now()
	w.proc.signal(syscall.SIGSTOP)
	pause(ctx, d)
	w.proc.signal(syscall.SIGCONT)
	w.proc.frozen += time.Since(began)
}

// restart tells a worker to leave and starts it again.
func (f *fleet) restart(w *worker) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	began := time.Now()
	if !w.proc.terminate(leaveWithin + 3*time.Second) {
		f.report("slow_stop", w.proc.name, "not gone %s after SIGTERM", time.Since(began).Round(time.Second))
	} else if w.proc.err != nil && w.proc.age(began) > deafFor {
		f.report("bad_exit", w.proc.name, "after SIGTERM: %v", w.proc.err)
	}
	return f.run(w)
}

// watch starts workers again that left without being told, until ctx ends.
func (f *fleet) watch(ctx context.Context) {
	for pause(ctx, 300*time.Millisecond) {
		for _, w := range f.workers {
			if w.mu.TryLock() {
				f.revive(w)
				w.mu.Unlock()
			}
		}
	}
}

func (f *fleet) revive(w *worker) {
	select {
	case <-w.proc.done:
	default:
		return
	}
	if !w.proc.expected() {
		f.report("bad_exit", w.proc.name, "it left by itself: %v; its log ends: %s", w.proc.err, tail(f.log(w), 300))
	}
	if err := f.run(w); err != nil {
		f.report("bad_exit", w.proc.name, "%v", err)
	}
}

// stop ends every worker at once.
func (f *fleet) stop() {
	for _, w := range f.workers {
		if w.proc != nil {
			w.proc.kill()
		}
	}
}

// inspect reads the workers' logs for what must not be there.
func (f *fleet) inspect(secrets []string) {
	for _, w := range f.workers {
		file := f.log(w)
		eachLine(file, func(line string) {
			for _, bad := range []string{"panic:", "fatal error:", "DATA RACE", "unexpected fault address"} {
				if strings.Contains(line, bad) {
					f.report("crash", filepath.Base(file), "%.300s", line)
				}
			}
			for _, secret := range secrets {
				if strings.Contains(line, secret) {
					f.report("secret_logged", filepath.Base(file), "a line holds %s…", secret[:8])
				}
			}
		})
	}
}
