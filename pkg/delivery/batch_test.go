package delivery_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hogcast/hogcast/pkg/delivery"
	"github.com/hogcast/hogcast/pkg/destination"
	"github.com/hogcast/hogcast/pkg/event"
	"github.com/hogcast/hogcast/pkg/outcome"
)

func accept(_ context.Context, _ *destination.Destination, batch []*event.Event) []outcome.Verdict {
	return all(batch, accepted)
}

func TestABatchWaitsFor250MillisecondsFromItsFirstEvent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var l log
		e, acme, start := newEnds(), to("acme"), time.Now()
		d := newDispatcher(t, delivery.DefaultConfig(), l.around(accept))
		d.Submit(e.item(acme, "a"))
		time.AfterFunc(200*time.Millisecond, func() { d.Submit(e.item(acme, "b")) })
		<-time.After(time.Second)
		requests := l.all()
		if len(requests) != 1 || !slices.Equal(requests[0].UUIDs, []string{"a", "b"}) {
			t.Fatalf("requests = %v, want one with a and b", requests)
		}
		if got := requests[0].At.Sub(start); got != 250*time.Millisecond {
			t.Errorf("sent after %s, want 250ms", got)
		}
		d.Stop(t.Context())
	})
}

func TestWhatWasLongOnItsWayWaitsLessForItsBatch(t *testing.T) {
	t.Parallel()
	for late, want := range map[time.Duration]time.Duration{
		-time.Second:           250 * time.Millisecond, // clocks differ
		0:                      250 * time.Millisecond,
		100 * time.Millisecond: 150 * time.Millisecond,
		125 * time.Millisecond: 125 * time.Millisecond,
		800 * time.Millisecond: 125 * time.Millisecond,
		950 * time.Millisecond: 200 * time.Millisecond,
		time.Hour:              250 * time.Millisecond, // of a backlog
	} {
		synctest.Test(t, func(t *testing.T) {
			e, start := newEnds(), time.Now()
			d := newDispatcher(t, delivery.DefaultConfig(), senderFunc(accept))
			item := e.item(to("acme"), "late")
			item.Published = start.Add(-late)
			d.Submit(item)
			<-time.After(time.Second)
			if got := e.when("late").Sub(start); got != want {
				t.Errorf("%s late: it was sent after %s, want %s", late, got, want)
			}
			d.Stop(t.Context())
		})
	}
}

func TestAFullBatchGoesAtOnceAndHoldsAtMost100Events(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var l log
		e, acme, start := newEnds(), to("acme"), time.Now()
		d := newDispatcher(t, delivery.DefaultConfig(), l.around(accept))
		for i := range 250 {
			d.Submit(e.item(acme, name(i)))
		}
		<-time.After(time.Second)
		var sizes []int
		var waits []time.Duration
		for _, r := range l.all() {
			sizes, waits = append(sizes, len(r.UUIDs)), append(waits, r.At.Sub(start))
		}
		if diff := cmp.Diff([]int{100, 100, 50}, sizes); diff != "" {
			t.Errorf("sizes of batches (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff([]time.Duration{0, 0, 250 * time.Millisecond}, waits); diff != "" {
			t.Errorf("waits (-want +got):\n%s", diff)
		}
		d.Stop(t.Context())
	})
}

func TestABatchHoldsAtMost400KilobytesUnlessOneEventAloneIsLarger(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var l log
		e, acme := newEnds(), to("acme")
		config := delivery.DefaultConfig()
		var mu sync.Mutex
		largest := 0
		d := newDispatcher(t, config, l.around(func(_ context.Context, _ *destination.Destination, batch []*event.Event) []outcome.Verdict {
			bytes := 0
			for _, one := range batch {
				bytes += one.Size()
			}
			if bytes > config.BatchBytes && len(batch) > 1 {
				t.Errorf("a batch of %d events has %d bytes", len(batch), bytes)
			}
			mu.Lock()
			defer mu.Unlock()
			largest = max(largest, bytes)
			return all(batch, accepted)
		}))
		for i, size := range []int{150_000, 150_000, 150_000, 450_000, 10} {
			item := e.item(acme, name(i))
			item.Event.Properties = make([]byte, size)
			d.Submit(item)
		}
		d.Stop(t.Context())
		if largest < 450_000 {
			t.Errorf("the largest batch has %d bytes: the large event was not sent", largest)
		}
		if got := e.count(); got != 5 {
			t.Errorf("%d items ended, want 5", got)
		}
	})
}

func TestNoUUIDIsTwiceInABatch(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var l log
		e, acme := newEnds(), to("acme")
		d := newDispatcher(t, delivery.DefaultConfig(), l.around(accept))
		for i := range 3 {
			item := e.item(acme, name(i))
			item.Event.UUID = "same"
			d.Submit(item)
		}
		d.Submit(e.item(acme, "other"))
		<-time.After(5 * time.Second)
		var got [][]string
		for _, r := range l.all() {
			got = append(got, r.UUIDs)
		}
		// Those that go at the same time do so in any order.
		slices.SortStableFunc(got, func(a, b []string) int { return len(b) - len(a) })
		if diff := cmp.Diff([][]string{{"same", "other"}, {"same"}, {"same"}}, got); diff != "" {
			t.Errorf("batches (-want +got):\n%s", diff)
		}
		d.Stop(t.Context())
	})
}

func TestABatchIsForOneRevisionOfItsDestination(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var l log
		e, before, after := newEnds(), to("acme"), to("acme")
		d := newDispatcher(t, delivery.DefaultConfig(), l.around(accept))
		for i := range 6 {
			d.Submit(e.item([]*destination.Destination{before, after}[i%2], name(i)))
		}
		d.Stop(t.Context())
		requests := l.all()
		if len(requests) == 2 && requests[0].To == after {
			slices.Reverse(requests) // they go at the same time
		}
		if len(requests) != 2 || requests[0].To != before || requests[1].To != after {
			t.Fatalf("requests = %v, want one a revision", requests)
		}
		if diff := cmp.Diff([]string{name(1), name(3), name(5)}, requests[1].UUIDs); diff != "" {
			t.Errorf("what was passed over lost its order (-want +got):\n%s", diff)
		}
	})
}

func TestVerdictsReachTheirOwnItems(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		verdicts := []outcome.Verdict{
			accepted,
			{Action: outcome.Bury, Cause: outcome.DroppedByServer, Status: 200, Detail: "why"},
			{Action: outcome.Hold, Cause: outcome.OverQuota, Status: 200},
			{Action: outcome.Accept, Cause: outcome.Warning, Status: 200},
		}
		e, acme, start := newEnds(), to("acme"), time.Now()
		d := newDispatcher(t, delivery.DefaultConfig(), senderFunc(func(context.Context, *destination.Destination, []*event.Event) []outcome.Verdict {
			return verdicts
		}))
		for i := range verdicts {
			d.Submit(e.item(acme, name(i)))
		}
		d.Stop(t.Context())
		for i, end := range []delivery.End{delivery.Delivered, delivery.Buried, delivery.Undelivered, delivery.Delivered} {
			want := delivery.Result{End: end, Verdict: verdicts[i], Attempts: 1, FirstAttempt: start, LastAttempt: start}
			if diff := cmp.Diff(want, e.of(t, name(i))); diff != "" {
				t.Errorf("item %d (-want +got):\n%s", i, diff)
			}
		}
	})
}
