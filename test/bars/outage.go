package main

import (
	"context"
	"time"
)

// memoryLimit is the bar on a worker's memory in an outage: its window and
// 120 MB.
const memoryLimit = 64<<20 + 120e6

const (
	// floodRate is how fast the broken tenant publishes while its records are
	// parked, as long as no more than floodRoom wait in the main lane.
	floodRate = 20_000
	floodRoom = 20_000
	// freshRate is how often it publishes before, and while its backlog drains.
	freshRate = 20
)

// outage measures one tenant's long outage, with very many records held.
func outage(o options) scenario {
	return scenario{fewTenants, func(ctx context.Context, r *rig, to *result) error {
		x := outageRun{
			rig: r, bad: span{0, 1}, others: span{1, fewTenants},
			records: given(o.Records, or(o, 1_000_000, 15_000)),
			live:    given(o.Rate, or(o, 500.0, 200.0)),
		}
		if err := r.startWorker(ctx, home{x.bad, r.b}, home{x.others, r.a}); err != nil {
			return err
		}
		if err := x.phases(ctx); err != nil {
			return err
		}
		x.judge(to)
		return nil
	}}
}

type outageRun struct {
	*rig
	bad, others span
	records     int     // to be held
	live        float64 // the others' records a second

	before, park, drain, after *phase
	backlog                    []int // what waited when the tenant came back
}

// phases runs before, park, drain and after.
func (x *outageRun) phases(ctx context.Context) error {
	o := x.options
	steady := func() []*flow {
		return []*flow{{group: x.others, rate: x.live}, {group: x.bad, rate: freshRate}}
	}
	var err error
	if x.before, err = x.phase(ctx, "before", o.length(), steady(), nil); err != nil {
		return err
	}
	x.b.down(given(o.Down, down503))
	flood := &flow{group: x.bad, rate: floodRate, limit: x.records, open: x.room}
	limit := 2*time.Minute + time.Duration(x.records/500)*time.Second
	if x.park, err = x.phase(ctx, "park", limit, []*flow{{group: x.others, rate: x.live}, flood}, x.parked()); err != nil {
		return err
	}
	x.backlog = x.ledger.waiting(x.bad)
	if err := x.b.up(); err != nil {
		return err
	}
	limit = or(o, 5*time.Minute, 30*time.Second) + time.Duration(x.records/300)*time.Second
	if x.drain, err = x.phase(ctx, "drain", limit, steady(), x.delivered(x.backlog)); err != nil {
		return err
	}
	if x.after, err = x.phase(ctx, "after", o.length(), steady(), nil); err != nil {
		return err
	}
	_, err = x.settle(ctx, time.Minute, span{0, fewTenants})
	return err
}

// room reports whether the main lane has room for more of the flood.
func (x *outageRun) room() bool {
	s := x.sampler.last()
	return s.pending+s.ackPending < floodRoom
}

// parked reports whether as many are held as should be, give or take those that
// a probe has in hand, or that none has been added for so long that none will.
func (x *outageRun) parked() func() bool {
	patience := or(x.options, 2*time.Minute, 20*time.Second)
	before, changed := 0, time.Now()
	return func() bool {
		now := held(x.sampler.last())
		if now > before {
			before, changed = now, time.Now()
		}
		return now >= x.records*99/100 || time.Since(changed) > patience
	}
}

// delivered reports whether all of these records are accepted; it looks once a
// second, which a million records let it.
func (r *rig) delivered(records []int) func() bool {
	next := time.Time{}
	return func() bool {
		if time.Now().Before(next) {
			return false
		}
		next = time.Now().Add(time.Second)
		return r.ledger.acceptedOf(records) == len(records)
	}
}

func (x *outageRun) judge(to *result) {
	to.atLeast("records held", float64(heldAt(x.park)), float64(x.records)*0.99, "")
	judgeMemory(to, x.before, x.park, x.drain, x.after)
	first := x.ledger.firstAccepted(x.bad, x.drain.from)
	fresh := x.ledger.measure(x.bad, x.drain.from, x.drain.to)
	to.atMost("first fresh event after recovery", since(first, x.drain.from), 5, "s")
	to.atMost("fresh events' p99 while draining", fresh.p99, 5, "s")
	moments := x.ledger.moments(x.backlog, x.drain.from)
	left := 0
	for _, at := range moments {
		if at > since(first, x.drain.from) {
			left++
		}
	}
	to.figure("", "backlog when the first fresh event was accepted", float64(left))
	to.figure("s", "fresh events' max while draining", fresh.max)
	to.figure("/s", "parked", float64(heldAt(x.park))/x.park.length())
	to.figure("/s", "drained", 0.99*float64(len(moments))/percentile(moments, 0.99))
	for _, p := range []*phase{x.before, x.park, x.drain, x.after} {
		m := x.ledger.measure(x.others, p.from, p.to)
		to.figure("ms", "the others' p99, "+p.name, m.p99*1000)
		to.figure("cores", "worker's CPU, "+p.name, p.cores)
	}
}

func judgeMemory(to *result, phases ...*phase) {
	for _, p := range phases {
		to.atMost("worker's RSS, "+p.name, megabytes(p.rss), megabytes(memoryLimit), "MB")
	}
}

// since is the time from one moment to another, in seconds; endless where the
// other never came.
func since(moment, from int64) float64 {
	if moment == 0 {
		return unmeasured
	}
	return seconds(moment - from)
}
