package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"time"
)

// crew is several workers side by side, in the place of the rig's one.
type crew struct {
	*rig
	file string // destinations

	mu   sync.Mutex
	all  []*member
	gone float64 // CPU seconds of those that have ended, as far as they were seen
}

// member is one of them. Its CPU time is counted from when it was ready.
type member struct {
	*process
	listen string
	before float64 // CPU seconds that starting took
}

// newCrew starts n workers for a group of tenants and waits until all are ready.
func (r *rig) newCrew(ctx context.Context, group span, n int) (*crew, error) {
	c := &crew{rig: r, file: filepath.Join(r.dir, "destinations.yaml")}
	if err := writeDestinations(c.file, []home{{group, r.a}}); err != nil {
		return nil, err
	}
	var starting sync.WaitGroup
	errs := make([]error, n)
	for i := range n {
		starting.Go(func() { errs[i] = c.start(ctx) })
	}
	starting.Wait()
	if err := errors.Join(errs...); err != nil {
		_ = c.stop()
		return nil, err
	}
	return c, nil
}

// start starts one more and waits until it is ready.
func (c *crew) start(ctx context.Context) error {
	listen, err := freeAddress()
	if err != nil {
		return err
	}
	c.mu.Lock()
	c.runs++
	name := fmt.Sprintf("worker-%d", c.runs)
	c.mu.Unlock()
	args := append([]string{
		"--nats-url", c.natsURL, "--destinations", c.file, "--listen", listen, "--name", name,
		"--egress-allow", "127.0.0.0/8", "--log-format", "json",
	}, c.options.WorkerArg...)
	p, err := startProcess(c.dir, name, c.programs.worker, args...)
	if err != nil {
		return err
	}
	m := &member{process: p, listen: listen}
	c.mu.Lock()
	c.all = append(c.all, m)
	c.mu.Unlock()
	err = poll(ctx, time.Minute, func() (bool, error) { return ready(ctx, listen), p.alive() })
	if err != nil {
		return err
	}
	u, err := readUsage(p.pid())
	m.before = u.cpu
	return err
}

// members lists those that run.
func (c *crew) members() []*member {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.all)
}

// leave takes a member off the list, and keeps its CPU time.
func (c *crew) leave(m *member) {
	u, err := readUsage(m.pid())
	c.mu.Lock()
	defer c.mu.Unlock()
	if err == nil {
		c.gone += u.cpu - m.before
	}
	c.all = slices.DeleteFunc(c.all, func(x *member) bool { return x == m })
}

// cpu is what each has taken since it was ready, in seconds, by name; what those
// have taken that are gone stands under "".
func (c *crew) cpu() map[string]float64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	taken := map[string]float64{"": c.gone}
	for _, m := range c.all {
		if u, err := readUsage(m.pid()); err == nil {
			taken[m.name] = u.cpu - m.before
		}
	}
	return taken
}

// busiest is the member that has taken most since a look at cpu.
func (c *crew) busiest(since map[string]float64) *member {
	now := c.cpu()
	return slices.MaxFunc(c.members(), func(a, b *member) int {
		return int(1000 * (now[a.name] - since[a.name] - now[b.name] + since[b.name]))
	})
}

// check is an error once a member is gone that should not be.
func (c *crew) check() error {
	for _, m := range c.members() {
		if err := m.alive(); err != nil {
			return err
		}
	}
	return c.nats.alive()
}

// kill ends a member as a crash does.
func (c *crew) kill(m *member) {
	c.leave(m)
	_ = m.cmd.Process.Kill()
	<-m.exited
}

// retire tells a member to end, and waits.
func (c *crew) retire(m *member) error {
	c.leave(m)
	return m.stop()
}

// stop ends all, side by side.
func (c *crew) stop() error {
	var stopping sync.WaitGroup
	members := c.members()
	errs := make([]error, len(members))
	for i, m := range members {
		stopping.Go(func() { errs[i] = c.retire(m) })
	}
	stopping.Wait()
	return errors.Join(errs...)
}

// span of a measurement: what a crew did within it.
type stretch struct {
	from, to int64
	cpu      float64 // seconds, all together
	most     float64 // share of it that the busiest took
	requests int64
}

// during publishes at a rate until the condition holds (nil: to the limit), and
// tells what the crew took meanwhile.
func (c *crew) during(ctx context.Context, flows []*flow, limit time.Duration, until func() bool) (stretch, error) {
	s := stretch{from: c.ledger.now(), requests: c.sink.requests.Load()}
	before, deadline := c.cpu(), time.Now().Add(limit)
	err := c.publisher.run(ctx, flows, c.check, func() bool {
		return until != nil && until() || time.Now().After(deadline)
	})
	if err != nil {
		return s, err
	}
	after := c.cpu()
	for name, cpu := range after {
		s.cpu += cpu - before[name]
		s.most = max(s.most, cpu-before[name])
	}
	s.most /= max(s.cpu, 0.001)
	s.to, s.requests = c.ledger.now(), c.sink.requests.Load()-s.requests
	return s, nil
}
