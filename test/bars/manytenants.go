package main

import (
	"context"
	"time"
)

const manyTenantsCount = 10_000

// manyTenants measures 10,000 active tenants against 50, and the worker against
// the floor: a program that only validates and posts.
func manyTenants(o options) scenario {
	return scenario{manyTenantsCount, func(ctx context.Context, r *rig, to *result) error {
		few, many := span{0, fewTenants}, span{0, manyTenantsCount}
		records := given(o.Records, or(o, 150_000, 20_000))
		floor := func() error {
			return r.spawn("floor", r.programs.floor, "-nats-url", r.natsURL, "-endpoint", r.a.url())
		}
		var found [4]drained
		for i, of := range []struct {
			group  span
			worker bool
		}{{few, true}, {few, false}, {many, true}, {many, false}} {
			start, startup := floor, 0.0
			if of.worker {
				var err error
				start = func() error { return r.startWorker(ctx, home{of.group, r.a}) }
				if startup, err = r.startupCPU(ctx, start); err != nil {
					return err
				}
			}
			var err error
			if found[i], err = r.drainAndStop(ctx, records, of.group, startup, start); err != nil {
				return err
			}
		}
		judgeManyTenants(to, found)
		return nil
	}}
}

// startupCPU is what starting takes, with nothing to do, in CPU seconds.
func (r *rig) startupCPU(ctx context.Context, start func() error) (float64, error) {
	if err := start(); err != nil {
		return 0, err
	}
	if _, err := r.phase(ctx, "starting up, with nothing to do", time.Second, nil, nil); err != nil {
		return 0, err
	}
	u, err := readUsage(r.worker.pid())
	if err != nil {
		return 0, err
	}
	return u.cpu, r.stopWorker()
}

// drainAndStop drains a full stream, waits until it is empty, and stops.
func (r *rig) drainAndStop(ctx context.Context, records int, group span, startup float64, start func() error) (drained, error) {
	d, err := r.drain(ctx, records, group, startup, start)
	if err != nil {
		return d, err
	}
	empty := func() bool { s := r.sampler.last(); return s.pending+s.ackPending == 0 }
	if _, err := r.phase(ctx, "emptying the stream", 10*time.Second, nil, empty); err != nil {
		return d, err
	}
	return d, r.stopWorker()
}

// judgeManyTenants takes worker and floor at few tenants, worker and floor at
// many.
func judgeManyTenants(to *result, found [4]drained) {
	few, many, floor := found[0], found[2], found[3]
	to.atLeast("drain at 10,000 tenants, worker / floor", many.rate/floor.rate, 0.5, "×")
	to.atMost("CPU at 10,000 tenants, worker / floor", many.cpu/floor.cpu, 2, "×")
	to.atMost("worker's RSS, 10,000 / 50 tenants", float64(many.rss)/float64(few.rss), 1.5, "×")
	for i, name := range []string{"worker, 50 tenants", "floor, 50 tenants", "worker, 10,000 tenants", "floor, 10,000 tenants"} {
		to.figure("/s", "drain, "+name, found[i].rate)
		to.figure("s", "CPU per 10,000 records, "+name, found[i].cpu)
		to.figure("MB", "RSS, "+name, megabytes(found[i].rss))
		to.figure("events", "a request, "+name, found[i].events)
	}
}
