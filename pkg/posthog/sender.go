// Package posthog delivers batches of events to PostHog and says of each event
// what became of it. Layer 2: it knows PostHog and posthog-go, and nothing else
// of ours does.
//
// posthog-go builds the envelope, the v1 options and the headers of each
// request, and keeps one queue per client. It is given stubs: our RoundTripper
// puts the real properties in their place, so that content stays raw bytes from
// the mapper to the socket and is compressed once. What an answer means is read
// by us; the SDK's success callback is needed beside it, never enough.
//
//	Send ─▶ screen ─▶ exchange ─▶ SDK client ─▶ RoundTripper ─▶ guarded transport
//	          │                                     │
//	      never sent                       render, compress, read the answer
//
// An SDK client serves one Send at a time, of whatever destination: key and
// endpoint are put in by the round trip, too.
//
// Goroutines: a Sender owns one that retires idle clients, until Close; each
// SDK client owns one, until it is retired.
package posthog

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"time"

	"github.com/hogcast/hogcast/pkg/destination"
	"github.com/hogcast/hogcast/pkg/event"
	"github.com/hogcast/hogcast/pkg/outcome"
)

// MaxBatchEvents is the most events of one Send; what is beyond it comes back
// as Retry, unsent.
const MaxBatchEvents = 100

// flushGrace is how much longer than a request may take we wait for the SDK to
// hand back its callbacks. It only ever runs out if the SDK is broken.
const flushGrace = 5 * time.Second

// Sender sends batches. It is safe for concurrent use.
type Sender struct {
	cfg       Config
	transport *transport
	clients   *clients
	findings  *findings
	packing   chan *scratch // one for each that may pack at once
	packer    *packer
	exchanges sync.Pool

	stop     context.CancelFunc
	janitor  sync.WaitGroup
	stopOnce sync.Once
}

// NewSender makes a Sender and starts its janitor. The error joins everything
// that is wrong with the configuration.
func NewSender(cfg Config) (*Sender, error) {
	cfg = cfg.withDefaults()
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("configuring posthog: %w", err)
	}
	packer, err := newPacker()
	if err != nil {
		return nil, fmt.Errorf("making compressors: %w", err)
	}
	s := &Sender{
		cfg:       cfg,
		transport: newTransport(cfg),
		clients:   newClients(cfg.MaxClients, cfg.IdleAfter, cfg.Now),
		findings:  newFindings(cfg.Now),
		packing:   make(chan *scratch, 2*runtime.GOMAXPROCS(0)),
		packer:    packer,
	}
	for range cap(s.packing) {
		s.packing <- new(scratch)
	}
	s.exchanges.New = func() any { return newExchange(s) }
	ctx, cancel := context.WithCancel(context.Background())
	s.stop = cancel
	s.janitor.Go(func() { s.retireIdle(ctx) })
	return s, nil
}

// Send makes one attempt to deliver a batch and returns one verdict per event,
// in the order of the batch. It never waits before a request and never sends
// one twice to the same path in the same encoding; retries and splits are the
// caller's. It takes at most Config.RequestTimeout, or what is left of ctx.
//
// An Accept says that PostHog's answer named this very event (v1) or took the
// whole batch (legacy). Events that PostHog can't take are judged without being
// sent; the others still go. An event whose uuid stands in the batch already
// comes back as Retry, for a later batch.
//
// The events' Properties must be what package event promises, a JSON object:
// only its braces are looked at here, because reading content again would cost
// as much as all else in this package. They are not read after Send returns.
func (s *Sender) Send(ctx context.Context, dest *destination.Destination, batch []*event.Event) []outcome.Verdict {
	verdicts := make([]outcome.Verdict, len(batch))
	if v, refused := refuse(ctx, dest); refused {
		return fill(verdicts, v)
	}
	if !s.clients.enter() {
		return fill(verdicts, interrupted("the sender is closed"))
	}
	defer s.clients.leave()
	ctx, cancel := s.within(ctx)
	defer cancel()

	x, _ := s.exchanges.Get().(*exchange)
	x.begin(ctx, dest)
	x.screen(batch, verdicts)
	if len(x.events) > 0 {
		s.deliver(x)
		x.settle(verdicts)
	}
	if !x.finished { // the SDK may still use it
		x.abandon()
		return verdicts
	}
	x.end()
	s.exchanges.Put(x)
	return verdicts
}

// within bounds a Send by RequestTimeout, where its context does not.
func (s *Sender) within(ctx context.Context) (context.Context, context.CancelFunc) {
	if end, ok := ctx.Deadline(); ok && time.Until(end) <= s.cfg.RequestTimeout {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, s.cfg.RequestTimeout)
}

// Through marks the context of Sends that others shall not wait behind: they make
// their bodies while they have a place in gate.
func Through(ctx context.Context, gate chan struct{}) context.Context {
	return context.WithValue(ctx, gateKey{}, gate)
}

type gateKey struct{}

// Close stops the janitor, waits for the Sends in flight and closes clients and
// connections. A Send after it comes back as Interrupted.
func (s *Sender) Close() {
	s.stopOnce.Do(func() {
		s.stop()
		s.janitor.Wait()
		s.clients.close()
		s.transport.close()
		s.packer.close()
	})
}

// deliver takes the exchange over the paths that its destination may have,
// until one is served.
func (s *Sender) deliver(x *exchange) {
	paths := s.paths(x.dest)
	for i, p := range paths {
		s.attempt(x, p)
		if !x.finished {
			return
		}
		if !x.answer.notServed() {
			if i > 0 {
				s.learn(x)
			}
			return
		}
	}
	s.findings.forget(batchOnly(x.dest)) // no path is: begin anew the next time
}

// learn notes that the second path of auto answered, where the first was not
// served. An outage behind a balancer gives 404 here and 502 there: that
// teaches nothing.
func (s *Sender) learn(x *exchange) {
	switch {
	case x.path == pathV1:
		s.findings.forget(batchOnly(x.dest))
	case x.answer.status != 0 && x.answer.status < 500:
		s.findings.note(batchOnly(x.dest))
	}
}

// paths lists the paths to try, in order.
func (s *Sender) paths(dest *destination.Destination) []path {
	switch {
	case dest.Protocol == destination.V1:
		return []path{pathV1}
	case dest.Protocol == destination.Batch:
		return []path{pathBatch}
	case s.findings.holds(batchOnly(dest)):
		return []path{pathBatch, pathV1}
	}
	return []path{pathV1, pathBatch}
}

// attempt passes the exchange's events through an SDK client that is its own for as long.
func (s *Sender) attempt(x *exchange, p path) {
	x.aim(p)
	c, err := s.clients.take(p)
	if err != nil {
		x.answer = answer{verdict: hold(outcome.Unencodable, "making an SDK client: "+err.Error())}
		x.finished = true
		return
	}
	x.finished = c.run(x, s.cfg.RequestTimeout+flushGrace)
	s.clients.give(c, x.finished)
}

// retireIdle closes idle clients until ctx ends.
func (s *Sender) retireIdle(ctx context.Context) {
	tick := time.NewTicker(max(s.cfg.IdleAfter/4, time.Second))
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			s.clients.sweep()
			s.transport.sweep()
		}
	}
}
