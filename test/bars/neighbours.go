package main

import (
	"context"
	"time"
)

// misbehaving are the tenants that a fault is for, and their part of the
// traffic; the others share the rest evenly.
type misbehaving struct {
	group span
	share float64
}

const fewTenants = 50

// oneOfTen: one tenant has a tenth of the traffic.
var oneOfTen = misbehaving{span{0, 1}, 0.1}

// mainLaneMax is the worker's default bound on a record's stay in the main lane.
const mainLaneMax = 15 * time.Second

// neighbours measures what 50 tenants at half load notice of a fault of some.
func neighbours(o options, bad misbehaving, fault *answer) scenario {
	return scenario{fewTenants, func(ctx context.Context, r *rig, to *result) error {
		all, others := span{0, fewTenants}, span{bad.group.to, fewTenants}
		rate, err := r.loaded(ctx, to, 0.5, home{all, r.a})
		if err != nil {
			return err
		}
		flows := func() []*flow {
			return []*flow{{group: bad.group, rate: rate * bad.share}, {group: others, rate: rate * (1 - bad.share)}}
		}
		if _, err := r.phase(ctx, "warming up", or(o, 10*time.Second, 3*time.Second), flows(), nil); err != nil {
			return err
		}
		healthy, err := r.phase(ctx, "healthy", o.length(), flows(), nil)
		if err != nil {
			return err
		}
		r.sink.set(bad.group, fault)
		// Past mainLaneMax, so that what a fault leaves in the main lane is seen.
		broken, err := r.phase(ctx, "fault", max(o.length(), mainLaneMax+5*time.Second), flows(), nil)
		if err != nil {
			return err
		}
		r.sink.set(bad.group, nil)
		settling, err := r.settle(ctx, or(o, 3*time.Minute, 45*time.Second), all)
		if err != nil {
			return err
		}
		r.judgeNeighbours(to, others, healthy, broken)
		r.judgeAckPending(to, healthy, broken, rate, rate*bad.share)
		to.figure("s", "until all was delivered", settling.length())
		to.figure("", "held at the end of the fault", float64(heldAt(broken)))
		to.figure("MB", "worker's RSS, fault", megabytes(broken.rss))
		return nil
	}}
}

// loaded starts the worker and finds the rate at which to load it: a share of
// what it drains from a full stream, or what the command line says.
func (r *rig) loaded(ctx context.Context, to *result, share float64, homes ...home) (float64, error) {
	start := func() error { return r.startWorker(ctx, homes...) }
	if r.options.Rate > 0 {
		to.figure("/s", "rate, given", r.options.Rate)
		return r.options.Rate, start()
	}
	all := span{0, homes[len(homes)-1].group.to}
	full, err := r.drain(ctx, or(r.options, 150_000, 30_000), all, 0, start)
	if err != nil {
		return 0, err
	}
	to.figure("/s", "drain of a full stream", full.rate)
	to.figure("s", "its CPU per 10,000 records", full.cpu)
	to.figure("/s", "rate", full.rate*share)
	return full.rate * share, nil
}

func (r *rig) judgeNeighbours(to *result, others span, healthy, broken *phase) {
	before := r.ledger.measure(others, healthy.from, healthy.to)
	during := r.ledger.measure(others, broken.from, broken.to)
	to.atMost("the others' p99, fault / healthy", during.p99/before.p99, 1.2, "×")
	to.atLeast("the others' throughput, fault / healthy", during.rate/before.rate, 0.97, "×")
	for _, p := range []struct {
		*phase
		of measure
	}{{healthy, before}, {broken, during}} {
		to.figure("ms", "p50, "+p.name, p.of.p50*1000)
		to.figure("ms", "p99, "+p.name, p.of.p99*1000)
		to.figure("ms", "max, "+p.name, p.of.max*1000)
		to.figure("/s", "others accepted, "+p.name, p.of.rate)
		to.figure("cores", "worker's CPU, "+p.name, p.cores)
		to.figure("cores", "the machine's CPU, "+p.name, p.machine)
	}
}

// judgeAckPending: flat means that it holds no more of the broken tenants' than
// may stay in the main lane, and does not grow once that is reached.
func (r *rig) judgeAckPending(to *result, healthy, broken *phase, rate, faulty float64) {
	before, during := most(healthy.samples, ackPending), most(broken.samples, ackPending)
	to.atMost("ack-pending at most, fault", float64(during), float64(before)+faulty*mainLaneMax.Seconds(), "records")
	to.atMost("its slope in the fault's later half", trend(broken.samples, ackPending), rate/100, "records/s")
	to.figure("", "ack-pending at most, healthy", float64(before))
}

func heldAt(p *phase) int { return most(p.samples, held) }

func held(s sample) int { return s.held + s.hosts }
