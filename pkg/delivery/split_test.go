package delivery_test

import (
	"context"
	"fmt"
	"math/bits"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hogcast/hogcast/pkg/delivery"
	"github.com/hogcast/hogcast/pkg/destination"
	"github.com/hogcast/hogcast/pkg/event"
	"github.com/hogcast/hogcast/pkg/outcome"
)

func TestTheBadEventAloneIsBuriedAndCostsTheOthersLittle(t *testing.T) {
	t.Parallel()
	for _, verdict := range []outcome.Verdict{refused, tooLarge} {
		for _, n := range []int{1, 2, 3, 50, 100} {
			for _, bad := range []int{0, n / 2, n - 1} {
				t.Run(fmt.Sprintf("%s, event %d of %d is bad", verdict.Cause, bad, n), func(t *testing.T) {
					t.Parallel()
					synctest.Test(t, func(t *testing.T) { bisect(t, verdict, n, bad) })
				})
			}
		}
	}
}

func bisect(t *testing.T, verdict outcome.Verdict, n, bad int) {
	t.Helper()
	var l log
	e, acme, taken := newEnds(), to("acme"), map[string]int{}
	d := newDispatcher(t, delivery.DefaultConfig(), l.around(func(_ context.Context, _ *destination.Destination, batch []*event.Event) []outcome.Verdict {
		for _, one := range batch {
			if one.UUID == name(bad) {
				return all(batch, verdict)
			}
		}
		for _, one := range batch {
			taken[one.UUID]++
		}
		return all(batch, accepted)
	}))
	for i := range n {
		d.Submit(e.item(acme, name(i)))
	}
	d.Stop(t.Context())
	most := bits.Len(uint(n-1)) + 1
	for i := range n {
		want := delivery.Delivered
		if i == bad {
			want = delivery.Buried
		}
		if got := e.of(t, name(i)); got.End != want || got.End == delivery.Buried && got.Verdict != verdict {
			t.Errorf("event %d ended as %+v", i, got)
		}
		if got := taken[name(i)]; i != bad && got != 1 {
			t.Errorf("event %d was taken %d times", i, got)
		}
		if got := l.inEach()[name(i)]; got > most {
			t.Errorf("event %d was in %d requests, want at most %d", i, got, most)
		}
	}
}

func TestASplitStopsWhereItsFirstHalfAsksForAPause(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var l log
		e, acme := newEnds(), to("acme")
		script := []outcome.Verdict{refused, {Action: outcome.Retry, Cause: outcome.RateLimited, Status: 429, RetryAfter: 3 * time.Second}}
		d := newDispatcher(t, delivery.DefaultConfig(), l.around(func(_ context.Context, _ *destination.Destination, batch []*event.Event) []outcome.Verdict {
			v := accepted
			if len(script) > 0 {
				v, script = script[0], script[1:]
			}
			return all(batch, v)
		}))
		for i := range 10 {
			d.Submit(e.item(acme, name(i)))
		}
		<-time.After(14 * time.Second)
		requests := l.all()
		if len(requests) != 3 {
			t.Fatalf("%d requests, want 3: the batch, its half, and all after the pause", len(requests))
		}
		if got := requests[2].At.Sub(requests[1].At); got < 3*time.Second || len(requests[2].UUIDs) != 10 {
			t.Errorf("after %s %d events were sent; want all 10, after 3s at least", got, len(requests[2].UUIDs))
		}
		for i := range 10 {
			if got := e.of(t, name(i)).End; got != delivery.Delivered {
				t.Errorf("event %d: %v", i, got)
			}
		}
		d.Stop(t.Context())
	})
}
