package ingest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// flight is one record from Send to its callback.
type flight struct {
	id, tenant string
	header     nats.Header
	data       []byte
	number     uint64 // of the records taken
	ctx        context.Context
	done       func(Result)

	// The rest is guarded by the Publisher's lock.
	subject  string    // of the last attempt
	attempt  *nats.Msg // without an answer yet; at most one
	settled  bool
	sent     bool // an attempt was made
	failures int
	last     error     // of the last attempt
	since    time.Time // begin of the first of the attempts that no stream answered
	began    time.Time // begin of the last attempt
	refusal  error     // what LastError told when it began
	told     bool      // that the attempt was refused
	unwatch  func() bool
	timer    *time.Timer
}

func (f *flight) size() int64 { return int64(len(f.data)) }

// event is what the settler hears of a flight: an answer to its attempt, that
// there will be none, or that its context ended.
type event struct {
	flight *flight
	ack    *jetstream.PubAck
	err    error
	ended  bool
	// refused: no answer to the attempt will come.
	refused error
}

// take enters a flight, unless the Publisher is closed.
func (p *Publisher) take(f *flight) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return false
	}
	p.taken++
	f.number = p.taken
	p.live[f] = struct{}{}
	if f.ctx.Done() != nil {
		f.unwatch = context.AfterFunc(f.ctx, func() { p.tell(event{flight: f, ended: true}) })
	}
	return true
}

// oneAttempt leaves trying again to us alone.
var oneAttempt = jetstream.WithRetryAttempts(0)

// launch makes one attempt. A fresh message for each is its name: an answer to
// an earlier one finds nothing.
func (p *Publisher) launch(f *flight) {
	refusal := p.refusal()
	connected := p.options.Conn.IsConnected()
	subject := p.subject(f.tenant)
	p.mu.Lock()
	if f.settled {
		p.mu.Unlock()
		return
	}
	// One whose outcome is not known is asked again where it may be stored: only
	// there its id makes it one.
	if !f.sent || errors.Is(f.last, jetstream.ErrNoStreamResponse) {
		f.subject = subject
	}
	m := &nats.Msg{Subject: f.subject, Header: f.header, Data: f.data}
	f.attempt, f.began, f.refusal, f.told = m, time.Now(), refusal, false
	f.sent = f.sent || connected
	p.attempts[m] = f
	p.launches.Add(1)
	defer p.launches.Done()
	p.mu.Unlock()
	p.learn(learnEvery)
	err := p.muted()
	if err == nil {
		err = p.publish(m, connected)
	}
	if err != nil {
		p.answered(m, nil, err)
	}
}

// publish hands the message to the connection, if it has a server: its buffer
// for the time without one would take a copy for each attempt.
func (p *Publisher) publish(m *nats.Msg, connected bool) error {
	switch {
	case connected:
		_, err := p.js.PublishMsgAsync(m, oneAttempt)
		return err
	case p.options.Conn.IsClosed():
		return nats.ErrConnectionClosed
	}
	return nats.ErrDisconnected
}

// answered passes the answer to an attempt on to the settler. It runs on the
// connection's goroutine, partly with nats.go's lock held: it must not wait.
func (p *Publisher) answered(m *nats.Msg, ack *jetstream.PubAck, err error) {
	p.mu.Lock()
	f := p.attempts[m]
	delete(p.attempts, m)
	p.mu.Unlock()
	if f != nil {
		p.tell(event{flight: f, ack: ack, err: err})
	}
}

func (p *Publisher) tell(e event) {
	select {
	case p.events <- e:
	case <-p.stopped:
	}
}

// settleAll is the settler: it alone settles flights and calls callbacks.
func (p *Publisher) settleAll() {
	aborting := p.aborting
	for {
		select {
		case e := <-p.events:
			p.handle(e)
		case <-aborting:
			aborting = nil
			p.abort()
		case <-p.stopped:
			return
		}
	}
}

func (p *Publisher) handle(e event) {
	f := e.flight
	switch {
	case e.ended:
		p.settle(f, Result{Err: p.unfinished(f, context.Cause(f.ctx))})
		return
	case e.refused != nil:
		p.settle(f, Result{Err: e.refused})
		return
	case p.arrived(f):
		return
	case e.err == nil:
		p.settle(f, Result{Duplicate: e.ack.Duplicate})
		return
	}
	if err := p.judge(f, e.err); err != nil {
		p.settle(f, Result{Err: err})
		return
	}
	if errors.Is(e.err, jetstream.ErrNoStreamResponse) {
		p.learn(learnSoon)
	}
	p.later(f, e.err)
}

// arrived notes that the attempt has its answer. It reports whether the flight
// was settled without waiting for it; its room is given back only now.
func (p *Publisher) arrived(f *flight) (settled bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f.attempt = nil
	if f.settled {
		p.room.release(f.size())
	}
	return f.settled
}

// settle ends a flight, once.
func (p *Publisher) settle(f *flight, r Result) {
	p.mu.Lock()
	if f.settled {
		p.mu.Unlock()
		return
	}
	f.settled = true
	if f.unwatch != nil {
		f.unwatch()
	}
	if f.timer != nil {
		f.timer.Stop()
	}
	p.mu.Unlock()
	r.ID, r.Tenant = f.id, f.tenant
	f.done(r)
	p.mu.Lock()
	defer p.mu.Unlock()
	// The connection may still hold the bytes of an attempt without answer.
	if f.attempt == nil {
		p.room.release(f.size())
	}
	p.landed(f)
}

// abort gives up whatever is in flight.
func (p *Publisher) abort() {
	p.mu.Lock()
	left := make([]*flight, 0, len(p.live))
	for f := range p.live {
		left = append(left, f)
	}
	p.mu.Unlock()
	for _, f := range left {
		p.settle(f, Result{Err: p.unfinished(f, ErrClosed)})
	}
}

// unfinished is the error of a flight that ended before its answer.
func (p *Publisher) unfinished(f *flight, why error) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	what := ErrNotSent
	if f.sent {
		what = ErrUnknown
	}
	if f.last == nil {
		return fmt.Errorf("publishing a record: %w: %w", what, why)
	}
	return fmt.Errorf("publishing a record: %w: %w; last attempt: %w", what, why, f.last)
}

// Gaps between attempts: from 25 ms doubling to 1 s, half of it jitter.
const (
	firstGap = 25 * time.Millisecond
	maxGap   = time.Second
)

// later makes another attempt after a gap.
func (p *Publisher) later(f *flight, cause error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	gap := min(firstGap<<min(f.failures, 10), maxGap)
	gap = gap/2 + rand.N(gap/2)
	f.failures++
	f.last = cause
	// The channel has room for each flight.
	f.timer = time.AfterFunc(gap, func() {
		select {
		case p.retries <- f:
		case <-p.stopped:
		}
	})
}

// sendAgain is the sender of all attempts but the first, which the caller of
// Send makes.
func (p *Publisher) sendAgain() {
	for {
		select {
		case f := <-p.retries:
			p.launch(f)
		case <-p.stopped:
			return
		}
	}
}
