package delivery_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/hogcast/hogcast/pkg/delivery"
	"github.com/hogcast/hogcast/pkg/destination"
	"github.com/hogcast/hogcast/pkg/event"
	"github.com/hogcast/hogcast/pkg/health"
	"github.com/hogcast/hogcast/pkg/outcome"
)

// inHand is how many items the benchmark has under way: about a window's worth.
const inHand = 20_000

// BenchmarkSubmitToDone is what lanes, fairness and batches cost an item, where
// the sender answers at once. Its floor is a plain loop that hands the sender
// batches of the same mean size. cpu-ns/op is what counts: with many tenants
// most of the time passes in waiting for batches to fill.
func BenchmarkSubmitToDone(b *testing.B) {
	for _, tenants := range []int{1, 50, 10_000} {
		size := 100
		b.Run(fmt.Sprintf("tenants=%d/dispatcher", tenants), func(b *testing.B) { size = benchDispatcher(b, tenants) })
		b.Run(fmt.Sprintf("tenants=%d/floor", tenants), func(b *testing.B) { benchFloor(b, tenants, size) })
	}
}

// instant accepts all at once, and counts.
type instant struct{ requests, events atomic.Int64 }

func (s *instant) Send(_ context.Context, _ *destination.Destination, batch []*event.Event) []outcome.Verdict {
	s.requests.Add(1)
	s.events.Add(int64(len(batch)))
	return all(batch, accepted)
}

func benchDispatcher(b *testing.B, tenants int) int {
	b.Helper()
	sender := &instant{}
	config := delivery.DefaultConfig()
	config.BatchWait = 20 * time.Millisecond
	config.Observe = func(*destination.Destination, health.Sample) {}
	d, err := delivery.New(config, sender)
	if err != nil {
		b.Fatal(err)
	}
	benchRounds(b, tenants, func(items []*delivery.Item) {
		for _, item := range items {
			d.Submit(item)
		}
	})
	d.Stop(b.Context())
	mean := float64(sender.events.Load()) / float64(sender.requests.Load())
	b.ReportMetric(mean, "events/request")
	return int(mean + 0.5)
}

func benchFloor(b *testing.B, tenants, size int) {
	b.Helper()
	sender := &instant{}
	benchRounds(b, tenants, func(items []*delivery.Item) {
		for len(items) > 0 {
			batch := items[:min(size, len(items))]
			items = items[len(batch):]
			events := make([]*event.Event, len(batch))
			for i, item := range batch {
				events[i] = item.Event
			}
			for i, v := range sender.Send(b.Context(), batch[0].To, events) {
				batch[i].Done(delivery.Result{Verdict: v, Attempts: 1})
			}
		}
	})
}

// benchRounds hands over items round robin over the tenants, and waits for all
// of them, again and again.
func benchRounds(b *testing.B, tenants int, submit func([]*delivery.Item)) {
	b.Helper()
	to := make([]*destination.Destination, tenants)
	for i := range to {
		to[i] = &destination.Destination{ID: destination.ID{Tenant: name(i), Name: "default"}, Endpoint: destination.EndpointUS}
	}
	var left sync.WaitGroup
	done := func(delivery.Result) { left.Done() }
	items := make([]*delivery.Item, inHand)
	events := make([]event.Event, inHand)
	properties := make([]byte, 1500)
	for i := range events {
		events[i] = event.Event{UUID: name(i), Name: event.Generation, DistinctID: "u", Properties: properties}
	}
	b.ReportAllocs()
	b.ResetTimer()
	before := cpu()
	for n := 0; n < b.N; n += inHand {
		round := items[:min(inHand, b.N-n)]
		deadline := time.Now().Add(15 * time.Second)
		for i := range round {
			round[i] = &delivery.Item{To: to[i%tenants], Event: &events[i], Deadline: deadline, Done: done}
		}
		left.Add(len(round))
		submit(round)
		left.Wait()
	}
	b.ReportMetric(float64(cpu()-before)/float64(b.N), "cpu-ns/op")
}

// cpu is the time that this process has used.
func cpu() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
