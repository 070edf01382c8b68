package pipeline_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/hogcast/hogcast/pkg/delivery"
	"github.com/hogcast/hogcast/pkg/destination"
	"github.com/hogcast/hogcast/pkg/fleet"
	"github.com/hogcast/hogcast/pkg/health"
	"github.com/hogcast/hogcast/pkg/mapping"
	"github.com/hogcast/hogcast/pkg/outcome"
	"github.com/hogcast/hogcast/pkg/pipeline"
	"github.com/hogcast/hogcast/pkg/queue"
	"github.com/hogcast/hogcast/pkg/record"
)

// withHealth has the fleet's board told of each request, as a worker has it.
func withHealth(t *testing.T) func(w *world, c *delivery.Config) {
	t.Helper()
	return func(w *world, c *delivery.Config) {
		c.Observe = w.board.Observe
		c.Blocked = func(to *destination.Destination) bool { return w.board.Standing(to).Gate == fleet.Park }
		ctx, cancel := context.WithCancel(context.Background())
		var running sync.WaitGroup
		running.Go(func() { w.board.Run(ctx) })
		t.Cleanup(func() { cancel(); running.Wait() })
		w.board.CaughtUp(t.Context())
	}
}

// Of a tenant with few records, what breaks its batches breaks most of its
// requests: its destination must not be taken for broken, nor the others wait.
func TestWhatBreaksItsBatchesIsPoisonAtATenantWithFewRecordsToo(t *testing.T) {
	t.Parallel()
	main := to("main", false)
	w := startAs(t, queue.DefaultParams(), scene{
		change: func(p *pipeline.Params) {
			p.Registry = registry{destination.NewSet([]*destination.Destination{main})}
			p.MainLaneMax = 15 * time.Second
		},
		tune: withHealth(t),
		keep: func(k *pipeline.Keeper) { k.PoisonWithin(5*time.Second, 500*time.Millisecond) },
	})
	w.posthog.mu.Lock()
	w.posthog.breaks = map[string]bool{}
	for i := range 3 {
		w.posthog.breaks[mapping.UUID(&record.Record{Tenant: "acme", ID: fmt.Sprintf("bad%d", i)}, "main")] = true
	}
	w.posthog.mu.Unlock()
	w.posthog.set("main", &outcome.Verdict{Action: outcome.Retry, Cause: outcome.ServerError, Status: 503})
	good := 0
	publish := func() {
		id := fmt.Sprintf("good%d", good)
		w.publish(t, id, rec("acme", id, ""))
		good++
	}
	for i := range 20 { // all of it is held, with what breaks
		publish()
		if i < 3 {
			id := fmt.Sprintf("bad%d", i)
			w.publish(t, id, rec("acme", id, ""))
		}
	}
	await(t, "the destination is known to be broken", func() bool { return w.board.Status(main).State == health.Open })
	await(t, "all is held", func() bool { return w.unacknowledged(t) == 0 })
	w.posthog.set("main", nil)
	looks := 0
	awaitFor(t, time.Minute, "three dead letters", func() bool {
		if looks++; looks%150 == 0 { // every three seconds at most
			for range 5 {
				publish()
			}
		}
		return len(w.letters(t)) == 3
	})
	for _, l := range w.letters(t) {
		if l.Reason != string(outcome.Poison) || l.Envelope.RecordID[:3] != "bad" || l.Envelope.Failures < 10 {
			t.Errorf("got %+v %+v", l, l.Envelope)
		}
	}
	await(t, "all others are delivered", func() bool { events, _ := w.posthog.counts(); return events == good })
}
