package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/hogcast/hogcast/pkg/sandbox"
	"github.com/hogcast/hogcast/test/chaos/load"
	"github.com/hogcast/hogcast/test/chaos/oracle"
	"github.com/hogcast/hogcast/test/chaos/plan"
)

// player plays a schedule on what runs. The goroutines of steps end with play.
type player struct {
	cluster   *cluster
	fleet     *fleet
	files     *destinationsFile
	sandboxes []*sandbox.Server
	oracle    *oracle.Oracle
	nats      []*nats.Conn // to ask leaders to step down; the first that has an answer counts
	site      *site
	losses    losses
	tell      func(format string, args ...any)

	mu      sync.Mutex
	count   map[plan.Verb]int
	skipped map[plan.Verb]int // left out, see losses
	errs    []error
}

// settleTime is how long a change of the destinations file may take to be in
// force at every running worker: they look each second.
const settleTime = 4 * time.Second

// play plays all steps at their times, and returns when the last has ended.
// When ctx ends, steps under way end at once and no other begins.
func (p *player) play(ctx context.Context, steps []plan.Step) {
	var playing sync.WaitGroup
	defer playing.Wait()
	began := time.Now()
	for _, s := range steps {
		if !pause(ctx, s.At-time.Since(began)) {
			return
		}
		playing.Go(func() {
			p.tell("%s", s)
			p.note(s, p.step(ctx, s))
			p.tell("%s %s ended, %.2fs after it began", s.Verb, s.Target, time.Since(began.Add(s.At)).Seconds())
		})
	}
}

func (p *player) note(s plan.Step, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if errors.Is(err, errSkipped) {
		p.skipped[s.Verb]++
		p.tell("%s %s is left out", s.Verb, s.Target)
		return
	}
	p.count[s.Verb]++
	if err != nil {
		p.errs = append(p.errs, fmt.Errorf("%s: %w", s.Verb, err))
	}
}

// step plays one step to its end.
func (p *player) step(ctx context.Context, s plan.Step) error {
	switch s.Verb {
	case plan.PostHog, plan.Host:
		return p.fault(ctx, s)
	case plan.Pause, plan.Move, plan.Flip, plan.Settle, plan.Garble, plan.Vanish:
		return p.configure(ctx, s)
	case plan.Split:
		return p.network(ctx, s)
	}
	p.oracle.Blur("") // a lost ack, or a lost lease, makes a copy
	switch s.Verb {
	case plan.Roll:
		return p.roll(ctx)
	case plan.StepDown:
		return p.stepDown(s.Target)
	case plan.KillWorker, plan.StopWorker, plan.TermWorker:
		i, err := strconv.Atoi(s.Target)
		if err != nil {
			return err
		}
		return p.worker(ctx, s, p.fleet.workers[i])
	}
	return p.harm(ctx, s)
}

func (p *player) worker(ctx context.Context, s plan.Step, w *worker) error {
	switch s.Verb {
	case plan.KillWorker:
		return p.fleet.kill(ctx, w, s.For)
	case plan.StopWorker:
		p.fleet.freeze(ctx, w, s.For)
		return nil
	}
	return p.fleet.restart(w)
}

// node plays what happens to nodes, or to the hosts that they are on.
func (p *player) node(ctx context.Context, s plan.Step) error {
	nodes := p.cluster.nodes
	if s.Verb == plan.FillDisks {
		return p.fillAll(ctx, s.For)
	}
	i, err := strconv.Atoi(s.Target)
	if err != nil {
		return err
	}
	switch s.Verb {
	case plan.Partition, plan.OneWay:
		return p.network(ctx, s)
	case plan.LoseNode:
		return p.cluster.replace(ctx, nodes[i], s.For)
	case plan.FillDisk:
		return p.cluster.fill(ctx, nodes[i], s.For)
	case plan.KillNode:
		return p.cluster.bounce(ctx, nodes[i], syscall.SIGKILL, s.For)
	case plan.TermNode:
		return p.cluster.bounce(ctx, nodes[i], syscall.SIGTERM, s.For)
	case plan.StopNode:
		p.cluster.freeze(ctx, nodes[i], s.For)
		return nil
	}
	other := make(chan error, 1)
	go func() { other <- p.cluster.bounce(ctx, nodes[(i+1)%len(nodes)], syscall.SIGKILL, s.For) }()
	if err := p.cluster.bounce(ctx, nodes[i], syscall.SIGKILL, s.For); err != nil {
		return err
	}
	return <-other
}

// roll restarts every worker, one after the other, as a deployment would.
func (p *player) roll(ctx context.Context) error {
	for _, w := range p.fleet.workers {
		if ctx.Err() != nil {
			return nil
		}
		if err := p.fleet.restart(w); err != nil {
			return err
		}
		// Whoever is not ready by then holds the deployment up no longer.
		poll(ctx, 100*time.Millisecond, until(time.Now().Add(10*time.Second), func() bool { return p.fleet.isReady(ctx, w) }))
	}
	return nil
}

// until is done, or the time.
func until(deadline time.Time, done func() bool) func() bool {
	return func() bool { return time.Now().After(deadline) || done() }
}

// stepDown asks a stream's leader, and that of its consumers, for another. No
// answer is fine: there may be no leader just now.
func (p *player) stepDown(stream string) error {
	for _, subject := range []string{
		"$JS.API.STREAM.LEADER.STEPDOWN." + stream,
		"$JS.API.CONSUMER.LEADER.STEPDOWN." + stream + ".workers",
		"$JS.API.CONSUMER.LEADER.STEPDOWN." + stream + ".wakeups",
	} {
		for _, nc := range p.nats {
			if _, err := nc.Request(subject, nil, time.Second); err == nil {
				break
			}
		}
	}
	return nil
}

// fault has the sandboxes misbehave for a while.
func (p *player) fault(ctx context.Context, s plan.Step) error {
	fault, err := sandbox.ParseFault(s.Fault)
	if err != nil {
		return err
	}
	match := sandbox.Match{}
	servers := p.sandboxes
	if s.Verb == plan.Host {
		servers = servers[load.CrowdHost:]
	} else if match, err = p.match(s); err != nil {
		return err
	}
	p.warn(s)
	for _, server := range servers {
		server.Always(match, fault)
	}
	pause(ctx, s.For)
	for _, server := range servers {
		server.Clear(match)
	}
	return nil
}

// match chooses the requests of one project. The legacy path drops silently
// what a verdict would drop aloud: there it would be a loss that no sender can
// see, so that verdicts of that kind are given on v1 alone.
func (p *player) match(s plan.Step) (sandbox.Match, error) {
	for _, c := range p.files.state {
		if c.ID() != s.Target {
			continue
		}
		m := sandbox.Match{APIKey: c.Key}
		if strings.HasPrefix(s.Fault, "verdict=drop") {
			m.Path = sandbox.PathV1
		}
		return m, nil
	}
	return sandbox.Match{}, fmt.Errorf("no destination %s", s.Target)
}

// warn tells the oracle what a fault explains.
func (p *player) warn(s plan.Step) {
	word, _, _ := strings.Cut(s.Fault, " ")
	switch {
	case word == "413":
		p.oracle.Condemn(s.Target, "too_large")
	case word == "400":
		p.oracle.Condemn(s.Target, "dropped")
	case word == "verdict=drop" && !strings.Contains(s.Fault, "quota") && !strings.Contains(s.Fault, "billing"):
		p.oracle.Condemn(s.Target, "dropped")
	}
	if s.Verb == plan.PostHog {
		p.oracle.Blur(s.Target)
	}
}

// configure changes the destinations file.
func (p *player) configure(ctx context.Context, s plan.Step) error {
	switch s.Verb {
	case plan.Settle:
		return p.settle(ctx)
	case plan.Garble, plan.Vanish:
		text := "destinations:\n  - tenant: [\n"
		if s.Verb == plan.Vanish {
			text = ""
		}
		restore, err := p.files.spoil(text)
		if err != nil {
			return err
		}
		pause(ctx, s.For)
		return restore()
	}
	if err := p.set(s, true); err != nil {
		return err
	}
	pause(ctx, s.For)
	return p.set(s, false)
}

// set turns a lasting change on or off.
func (p *player) set(s plan.Step, on bool) error {
	return p.files.change(func(c *configured) {
		if c.ID() != s.Target {
			return
		}
		switch s.Verb {
		case plan.Pause:
			c.paused = on
		case plan.Flip:
			c.private = on
		case plan.Move:
			c.host = c.Host
			if on {
				c.host = (c.Host + 1) % load.CrowdHost
			}
		}
	})
}

// settle makes the changes that happen once, and waits until they are in force
// at every worker: none is stopped meanwhile.
func (p *player) settle(ctx context.Context) error {
	p.fleet.still.Lock()
	defer p.fleet.still.Unlock()
	changed := func(c load.Change) bool { return c == load.Late || c == load.Hushes }
	err := p.files.change(func(c *configured) {
		switch c.Change {
		case load.Late:
			c.absent = false
		case load.Hushes:
			c.private = true
		}
	})
	if err != nil || !pause(ctx, settleTime) {
		return err
	}
	for _, c := range p.files.state {
		if changed(c.Change) {
			p.oracle.Reach(c.ID())
		}
	}
	return nil
}

// heal makes sure that nothing is left of the faults.
func (p *player) heal() error {
	for _, server := range p.sandboxes {
		server.Clear(sandbox.Match{})
	}
	return p.files.change(func(c *configured) {
		c.paused, c.host = false, c.Host
		c.private = c.Private || c.Change == load.Hushes
		c.absent = false
	})
}
