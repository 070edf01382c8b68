package main

import (
	"context"
	"fmt"
	"time"
)

// phase is a part of a run, with what the worker took in it.
type phase struct {
	name     string
	from, to int64   // the ledger's clock
	rss      int64   // bytes at most
	cores    float64 // CPU seconds a second
	machine  float64 // the same of everything on the machine
	samples  []sample
	timedOut bool // its end came by the limit
}

func (p *phase) length() float64 { return seconds(p.to - p.from) }

// phase publishes flows until the condition holds (nil: to the limit, which is
// then its length).
func (r *rig) phase(ctx context.Context, name string, limit time.Duration, flows []*flow, until func() bool) (*phase, error) {
	resetPeak(r.worker.pid())
	before, err := readUsage(r.worker.pid())
	if err != nil {
		return nil, err
	}
	p, busyBefore := &phase{name: name, from: r.ledger.now()}, busy()
	r.say("%s: at most %s", name, limit)
	deadline, news := time.Now().Add(limit), time.Now().Add(newsEvery)
	err = r.publisher.run(ctx, flows, r.alive, func() bool {
		if until != nil && until() {
			return true
		}
		if time.Now().After(news) {
			news = time.Now().Add(newsEvery)
			r.tell(name)
		}
		p.timedOut = time.Now().After(deadline)
		return p.timedOut
	})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	p.to = r.ledger.now()
	after, err := readUsage(r.worker.pid())
	if err != nil {
		return nil, err
	}
	p.samples = r.sampler.within(p.from, p.to)
	p.rss = max(after.peak, int64(most(p.samples, func(s sample) int { return int(s.worker.rss) })))
	p.cores, p.machine = (after.cpu-before.cpu)/p.length(), (busy()-busyBefore)/p.length()
	r.say("%s: %.1f s, worker %.0f MB, %.2f of the machine's %.2f busy cores", name, p.length(), megabytes(p.rss), p.cores, p.machine)
	if p.timedOut && until != nil {
		r.say("%s: ended by its limit, not by its condition", name)
	}
	return p, nil
}

const newsEvery = 10 * time.Second

// tell says where a long phase stands.
func (r *rig) tell(name string) {
	s := r.sampler.last()
	r.say("  %s: %d not accepted; pending %d, ack-pending %d, held %d + %d, dead %d; worker %.0f MB", name,
		r.ledger.outstanding(span{0, r.tenants}), s.pending, s.ackPending, s.held, s.hosts, s.letters, megabytes(s.worker.rss))
}

// settle waits, with nothing published, until all of a group is accepted.
func (r *rig) settle(ctx context.Context, limit time.Duration, group span) (*phase, error) {
	if err := r.publisher.flush(ctx); err != nil {
		return nil, err
	}
	return r.phase(ctx, "settling", limit, nil, func() bool { return r.ledger.outstanding(group) == 0 })
}

// drained is how a program emptied a full stream.
type drained struct {
	rate   float64 // records accepted a second, without the ends
	cpu    float64 // CPU seconds per 10,000 records, without starting up
	rss    int64   // bytes at most
	events float64 // a request
}

// drain fills the stream while nothing consumes, starts a program and measures
// how it empties it. startup is the CPU time that starting alone takes. The
// program is left running.
func (r *rig) drain(ctx context.Context, records int, group span, startup float64, start func() error) (drained, error) {
	r.say("filling the stream with %d records of %d tenants", records, group.size())
	if err := r.publisher.fill(ctx, group, records); err != nil {
		return drained{}, err
	}
	numbers, requests := r.ledger.waiting(group), r.sink.requests.Load()
	if err := start(); err != nil {
		return drained{}, err
	}
	limit := time.Minute + time.Duration(records/100)*time.Second
	p, err := r.phase(ctx, "draining the full stream", limit, nil, func() bool { return r.ledger.outstanding(group) == 0 })
	if err != nil {
		return drained{}, err
	}
	if p.timedOut {
		return drained{}, fmt.Errorf("draining a full stream: %d of %d records are still not accepted after %s", r.ledger.outstanding(group), records, limit)
	}
	u, err := readUsage(r.worker.pid())
	if err != nil {
		return drained{}, err
	}
	d := drained{
		rate: steadyRate(r.ledger.moments(numbers, 0)), rss: u.peak,
		cpu:    (u.cpu - startup) / float64(records) * 10_000,
		events: float64(records) / float64(r.sink.requests.Load()-requests),
	}
	r.say("drained %.0f records/s, %.2f CPU s per 10,000, %.0f MB, %.0f events a request", d.rate, d.cpu, megabytes(d.rss), d.events)
	return d, nil
}

// megabytes are of 10^6 bytes.
func megabytes(bytes int64) float64 { return float64(bytes) / 1e6 }
