package main

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"os/exec"
	"strconv"
	"sync/atomic"
	"time"
)

// scalingRate is far below what one worker can do: on a machine of few cores it
// is the price of a record and the size of batches that tell, not the rate.
const scalingRate = 1500

// shardSubject is where a tenant's records go while there are so many shards.
func shardSubject(tenant string, shards int) string {
	if shards < 2 {
		return generationSubject(tenant)
	}
	hash := fnv.New32a()
	_, _ = hash.Write([]byte(tenant))
	return generationSubject(strconv.Itoa(int(hash.Sum32()%uint32(shards))) + "." + tenant) //nolint:gosec // a few
}

func ofShards(n int) string {
	if n == 1 {
		return "1 stream"
	}
	return fmt.Sprintf("%d shards", n)
}

// shard spreads generation records over so many streams from now on.
func (r *rig) shard(ctx context.Context, shards int) error {
	if shards > 1 || r.publisher.shards > 1 {
		out, err := exec.CommandContext(ctx, r.programs.hogcast, "setup", "--nats-url", r.natsURL, "--shards", strconv.Itoa(shards)).CombinedOutput()
		if err != nil {
			return fmt.Errorf("hogcast setup: %w: %s", err, out)
		}
	}
	r.publisher.shards = shards
	r.sampler.shards.Store(int64(shards))
	return nil
}

// each runs once for each number of shards, on fresh workers.
func (o options) each(run func(ctx context.Context, r *rig, to *result, shards int) error) scenario {
	return scenario{fewTenants, func(ctx context.Context, r *rig, to *result) error {
		for _, shards := range o.Shards {
			if err := r.shard(ctx, shards); err != nil {
				return err
			}
			if err := run(ctx, r, to, shards); err != nil {
				return err
			}
		}
		return nil
	}}
}

func (o options) scalingFlows() []*flow {
	return []*flow{{group: span{0, fewTenants}, rate: given(o.Rate, scalingRate)}}
}

// scaling measures what a record costs and how large batches are, for each
// number of shards and of workers.
func scaling(o options) scenario {
	type cell struct{ events, cpu float64 }
	return o.each(func(ctx context.Context, r *rig, to *result, shards int) error {
		var first, last cell
		for i, workers := range o.Workers {
			events, cpu, err := r.scalingCell(ctx, to, shards, workers)
			if err != nil {
				return err
			}
			if last = (cell{events, cpu}); i == 0 {
				first = last
			}
		}
		n := o.Workers[len(o.Workers)-1]
		of := fmt.Sprintf("%s, %d / %d workers", ofShards(shards), n, o.Workers[0])
		to.atLeast("events a request, "+of, last.events/first.events, 0.8, "×")
		to.atMost("CPU per 10,000 records, "+of, last.cpu/first.cpu, 1.5, "×")
		return nil
	})
}

func (r *rig) scalingCell(ctx context.Context, to *result, shards, workers int) (events, cpu float64, err error) {
	o := r.options
	c, err := r.newCrew(ctx, span{0, fewTenants}, workers)
	if err != nil {
		return 0, 0, err
	}
	defer func() { err = errors.Join(err, c.stop()) }()
	// Each knows of the others after their next beat, which comes every 5 s.
	if _, err := c.during(ctx, o.scalingFlows(), or(o, 6*time.Second, 6*time.Second), nil); err != nil {
		return 0, 0, err
	}
	s, err := c.during(ctx, o.scalingFlows(), given(o.Duration, or(o, 8*time.Second, 4*time.Second)), nil)
	if err != nil {
		return 0, 0, err
	}
	if err := r.deliverAll(ctx, c); err != nil {
		return 0, 0, err
	}
	m := r.ledger.measure(span{0, fewTenants}, s.from, s.to)
	events, cpu = float64(m.accepted)/float64(s.requests), s.cpu/float64(m.accepted)*10_000
	of := fmt.Sprintf(", %s, %d workers", ofShards(shards), workers)
	to.figure("events", "a request"+of, events)
	to.figure("s", "CPU per 10,000 records"+of, cpu)
	to.figure("%", "of it by the busiest"+of, s.most*100)
	to.figure("ms", "p50"+of, m.p50*1000)
	to.figure("ms", "p99"+of, m.p99*1000)
	r.say("%s, %d workers: %.1f events a request, %.2f CPU s per 10,000, busiest %.0f %%, p99 %.0f ms",
		ofShards(shards), workers, events, cpu, s.most*100, m.p99*1000)
	return events, cpu, nil
}

// deliverAll waits until all is accepted.
func (r *rig) deliverAll(ctx context.Context, c *crew) error {
	if err := r.publisher.flush(ctx); err != nil {
		return err
	}
	_, err := c.during(ctx, nil, 90*time.Second, func() bool { return r.ledger.outstanding(span{0, r.tenants}) == 0 })
	return err
}

// crewOf is how many workers the scenarios below run.
const crewOf = 4

// promptly is how late a record may be that nothing stands in the way of.
const promptly = 1.0

// scalingKill kills the busiest of four workers: its share has to move on at
// once; what it had in hand comes back after ack_wait, 60 s.
func scalingKill(o options) scenario {
	return o.each(func(ctx context.Context, r *rig, to *result, shards int) (err error) {
		all := span{0, fewTenants}
		c, err := r.newCrew(ctx, all, crewOf)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, c.stop()) }()
		seen := c.cpu()
		before, err := c.during(ctx, o.scalingFlows(), 8*time.Second, nil)
		if err != nil {
			return err
		}
		killed := r.ledger.now()
		c.kill(c.busiest(seen))
		if _, err := c.during(ctx, o.scalingFlows(), 15*time.Second, nil); err != nil {
			return err
		}
		moved := r.ledger.now()
		if err := r.deliverAll(ctx, c); err != nil {
			return err
		}
		of := ", " + ofShards(shards)
		m := r.ledger.measure(all, before.from, killed-int64(time.Second))
		late := r.ledger.latest(killed, moved, promptly)
		after := r.ledger.measure(all, killed+int64(5*time.Second), moved)
		to.atMost("until records that come are prompt again"+of, late, 3, "s")
		to.atMost("p99 from 5 s after on / before"+of, after.p99/m.p99, 1.5, "×")
		held, oldest := r.ledger.slow(before.from, moved, 5)
		to.figure("", "records that waited for ack_wait"+of, float64(held))
		to.figure("s", "the longest of them"+of, oldest)
		to.figure("ms", "p99 before"+of, m.p99*1000)
		to.figure("ms", "p99 from 5 s after on"+of, after.p99*1000)
		return nil
	})
}

// scalingRoll replaces four workers under load, one after the other: each is
// told to stop, and another starts when it is gone.
func scalingRoll(o options) scenario {
	return o.each(func(ctx context.Context, r *rig, to *result, shards int) (err error) {
		all := span{0, fewTenants}
		c, err := r.newCrew(ctx, all, crewOf)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, c.stop()) }()
		before, err := c.during(ctx, o.scalingFlows(), 8*time.Second, nil)
		if err != nil {
			return err
		}
		copies := r.ledger.totals().copies
		rolling := make(chan error, 1)
		go func() { rolling <- c.roll(ctx) }()
		var rolled error
		var done atomic.Bool
		during, err := c.during(ctx, o.scalingFlows(), 2*time.Minute, func() bool {
			select {
			case rolled = <-rolling:
				done.Store(true)
			default:
			}
			return done.Load()
		})
		if err := errors.Join(err, rolled); err != nil {
			return err
		}
		if err := r.deliverAll(ctx, c); err != nil {
			return err
		}
		of := ", " + ofShards(shards)
		was, now := r.ledger.measure(all, before.from, before.to), r.ledger.measure(all, during.from, during.to)
		to.atMost("slowest record while rolling"+of, now.max, 5, "s")
		to.figure("ms", "p99 before"+of, was.p99*1000)
		to.figure("ms", "p99 while rolling"+of, now.p99*1000)
		to.figure("s", "rolling four workers"+of, seconds(during.to-during.from))
		to.figure("", "copies while rolling"+of, float64(r.ledger.totals().copies-copies))
		return nil
	})
}

// roll replaces each member.
func (c *crew) roll(ctx context.Context) error {
	for _, m := range c.members() {
		if err := c.retire(m); err != nil {
			return err
		}
		if err := c.start(ctx); err != nil {
			return err
		}
	}
	return nil
}
