package main

import (
	"context"
	"time"
)

const (
	manyOnOneHost = 1000
	// liveShare of what a full stream drains at is the live load: three quarters
	// of it on the host that goes down, the rest on the other.
	liveShare = 0.2
	downShare = 0.75
)

// hostDown measures the outage of a host that 1,000 tenants share.
func hostDown(o options) scenario {
	return scenario{manyOnOneHost + fewTenants, func(ctx context.Context, r *rig, to *result) error {
		x := hostRun{
			rig: r, on: span{0, manyOnOneHost}, off: span{manyOnOneHost, manyOnOneHost + fewTenants},
			records: given(o.Records, or(o, 500_000, 25_000)),
		}
		rate, err := r.loaded(ctx, to, liveShare, home{x.on, r.a}, home{x.off, r.b})
		if err != nil {
			return err
		}
		x.rate = rate
		if err := x.phases(ctx); err != nil {
			return err
		}
		x.judge(to)
		return nil
	}}
}

type hostRun struct {
	*rig
	on, off span // tenants on the host that goes down, and on the other
	records int  // that wait before it comes back
	rate    float64

	before, down, drain *phase
	backlog             []int
}

func (x *hostRun) phases(ctx context.Context) error {
	o := x.options
	steady := func() []*flow {
		return []*flow{{group: x.on, rate: x.rate * downShare}, {group: x.off, rate: x.rate * (1 - downShare)}}
	}
	var err error
	if x.before, err = x.phase(ctx, "before", o.length(), steady(), nil); err != nil {
		return err
	}
	x.a.down(given(o.Down, downRefuse))
	fill := time.Duration(float64(x.records) / (x.rate * downShare) * float64(time.Second))
	waiting := func() bool { return x.ledger.outstanding(x.on) >= x.records }
	if x.down, err = x.phase(ctx, "down", fill*11/10+30*time.Second, steady(), waiting); err != nil {
		return err
	}
	x.backlog = x.ledger.waiting(x.on)
	if err := x.a.up(); err != nil {
		return err
	}
	limit := or(o, 5*time.Minute, 30*time.Second) + time.Duration(x.records/300)*time.Second
	if x.drain, err = x.phase(ctx, "drain", limit, steady(), x.delivered(x.backlog)); err != nil {
		return err
	}
	_, err = x.settle(ctx, time.Minute, span{0, x.off.to})
	return err
}

func (x *hostRun) judge(to *result) {
	moments := x.ledger.moments(x.backlog, x.drain.from)
	end := percentile(moments, 0.99)
	together := x.ledger.measure(span{0, x.off.to}, x.drain.from, x.drain.from+int64(end*1e9))
	full := x.rate / liveShare
	to.atLeast("backlog and live after recovery / drain of a full stream", together.rate/full, 0.6, "×")
	before := x.ledger.measure(x.off, x.before.from, x.before.to)
	for _, p := range []*phase{x.down, x.drain} {
		m := x.ledger.measure(x.off, p.from, p.to)
		to.atMost("other host's p99, "+p.name+" / before", m.p99/before.p99, 1.2, "×")
		to.figure("ms", "other host's p99, "+p.name, m.p99*1000)
	}
	judgeMemory(to, x.before, x.down, x.drain)
	to.figure("ms", "other host's p99, before", before.p99*1000)
	to.figure("", "waited when the host came back", float64(len(x.backlog)))
	to.figure("", "held at most", float64(heldAt(x.down)))
	to.figure("/s", "accepted after recovery", together.rate)
	to.figure("s", "from recovery to the first of the backlog", percentile(moments, 0))
	to.figure("s", "from recovery to 99 % of the backlog", end)
	to.figure("s", "from recovery to all of it", percentile(moments, 1))
	for _, p := range []*phase{x.before, x.down, x.drain} {
		to.figure("cores", "worker's CPU, "+p.name, p.cores)
	}
}
