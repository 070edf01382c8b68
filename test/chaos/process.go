package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"
)

// process is one child. Its output goes to a log file, appended to over all of
// its lives. The goroutine that waits for it ends with it.
type process struct {
	name  string
	began time.Time
	// frozen is how long it was stopped; whoever stops it sees to it alone.
	frozen time.Duration
	cmd    *exec.Cmd
	log    *os.File
	done   chan struct{} // closed when it is gone
	err    error         // how it went; read it after done

	mu   sync.Mutex
	told bool // it was killed or told to stop by us
}

// child is what to start.
type child struct {
	name, log, bin string
	args           []string
	site           *site
	host           int
}

// start starts a child. It dies with the harness, where the system can do that.
func start(c child) (*process, error) {
	log, err := os.OpenFile(c.log, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("starting %s: %w", c.name, err)
	}
	p := &process{name: c.name, began: time.Now(), cmd: exec.Command(c.bin, c.args...), log: log, done: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = log, log
	p.cmd.Env = os.Environ()
	p.cmd.SysProcAttr = childAttributes()
	if err := c.site.on(c.host, p.cmd.Start); err != nil {
		return nil, errors.Join(fmt.Errorf("starting %s: %w", c.name, err), log.Close())
	}
	go p.wait()
	return p, nil
}

func (p *process) wait() {
	p.err = p.cmd.Wait()
	_ = p.log.Close() // only a log
	close(p.done)
}

// signal sends a signal; to one that is gone already it does nothing.
func (p *process) signal(s syscall.Signal) {
	if s == syscall.SIGKILL || s == syscall.SIGTERM {
		p.mu.Lock()
		p.told = true
		p.mu.Unlock()
	}
	_ = p.cmd.Process.Signal(s)
}

// expected reports whether its end was our wish.
func (p *process) expected() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.told
}

// age is how old it was at some time, the time that it stood still left out.
func (p *process) age(at time.Time) time.Duration { return at.Sub(p.began) - p.frozen }

// kill ends it at once, stopped or not, and waits.
func (p *process) kill() {
	p.signal(syscall.SIGKILL)
	<-p.done
}

// terminate asks it to leave, and kills it after the patience. It reports
// whether it left by itself.
func (p *process) terminate(patience time.Duration) bool {
	p.signal(syscall.SIGTERM)
	select {
	case <-p.done:
		return true
	case <-time.After(patience):
		p.kill()
		return false
	}
}

// pause waits; false when ctx ends before.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// poll asks until the answer is yes; false when ctx ends before.
func poll(ctx context.Context, every time.Duration, done func() bool) bool {
	for !done() {
		if !pause(ctx, every) {
			return false
		}
	}
	return true
}
