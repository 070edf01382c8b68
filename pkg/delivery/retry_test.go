package delivery_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hogcast/hogcast/pkg/delivery"
	"github.com/hogcast/hogcast/pkg/destination"
	"github.com/hogcast/hogcast/pkg/event"
	"github.com/hogcast/hogcast/pkg/outcome"
)

func limited(after time.Duration) outcome.Verdict {
	return outcome.Verdict{Action: outcome.Retry, Cause: outcome.RateLimited, Status: 429, RetryAfter: after}
}

// scripted answers with one verdict a request, and then accepts.
func scripted(script ...outcome.Verdict) senderFunc {
	var mu sync.Mutex
	return func(_ context.Context, _ *destination.Destination, batch []*event.Event) []outcome.Verdict {
		mu.Lock()
		defer mu.Unlock()
		v := accepted
		if len(script) > 0 {
			v, script = script[0], script[1:]
		}
		return all(batch, v)
	}
}

func TestRetriesWaitWithFullJitterWithinGrowingBounds(t *testing.T) {
	t.Parallel()
	var first []time.Duration
	for range 30 {
		synctest.Test(t, func(t *testing.T) {
			var l log
			e := newEnds()
			d := newDispatcher(t, delivery.DefaultConfig(), l.around(scripted(broken, broken, timedOut, broken)))
			d.Submit(e.item(to("acme"), "a"))
			<-time.After(14 * time.Second)
			requests := l.all()
			if len(requests) != 5 {
				t.Fatalf("%d requests, want 5", len(requests))
			}
			bound := 200 * time.Millisecond
			for i := 1; i < len(requests); i++ {
				if wait := requests[i].At.Sub(requests[i-1].At); wait > bound+time.Microsecond {
					t.Errorf("wait %d is %s, over %s", i, wait, bound)
				}
				bound *= 2
			}
			first = append(first, requests[1].At.Sub(requests[0].At))
			if got := e.of(t, "a"); got.End != delivery.Delivered || got.Attempts != 5 ||
				!got.FirstAttempt.Equal(requests[0].At) || !got.LastAttempt.Equal(requests[4].At) {
				t.Errorf("result %+v", got)
			}
			d.Stop(t.Context())
		})
	}
	low, high := 0, 0
	for _, wait := range first {
		if wait < 100*time.Millisecond {
			low++
		} else {
			high++
		}
	}
	if low == 0 || high == 0 {
		t.Errorf("first waits %v: no full jitter", first)
	}
}

func TestRetryAfterIsTheLeastWaitForTheWholeLane(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var l log
		e, acme := newEnds(), to("acme")
		d := newDispatcher(t, delivery.DefaultConfig(), l.around(scripted(limited(4*time.Second))))
		d.Submit(e.item(acme, "a"))
		time.AfterFunc(time.Second, func() { d.Submit(e.item(acme, "b")) })
		<-time.After(10 * time.Second)
		requests := l.all()
		for i := 1; i < len(requests); i++ {
			if got := requests[i].At.Sub(requests[0].At); got < 4*time.Second {
				t.Errorf("request %d came after %s, want 4s at least", i, got)
			}
		}
		for _, name := range []string{"a", "b"} {
			if got := e.of(t, name).End; got != delivery.Delivered {
				t.Errorf("%s: %v", name, got)
			}
		}
		d.Stop(t.Context())
	})
}

func TestAShorterPauseDoesNotEndALongerOne(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var l log
		e, acme := newEnds(), to("acme")
		// The first request is told to wait 8 s; the second, on its way at the
		// same time, fails a moment later.
		d := newDispatcher(t, delivery.DefaultConfig(), l.around(func(_ context.Context, _ *destination.Destination, batch []*event.Event) []outcome.Verdict {
			switch len(l.all()) {
			case 1:
				<-time.After(100 * time.Millisecond)
				return all(batch, limited(8*time.Second))
			case 2:
				<-time.After(200 * time.Millisecond)
				return all(batch, broken)
			}
			return all(batch, accepted)
		}))
		for i := range 200 {
			d.Submit(e.item(acme, name(i)))
		}
		<-time.After(14 * time.Second)
		requests := l.all()
		if len(requests) < 3 {
			t.Fatalf("%d requests", len(requests))
		}
		if got := requests[2].At.Sub(requests[0].At); got < 8*time.Second {
			t.Errorf("asked again after %s in spite of Retry-After: 8", got)
		}
		d.Stop(t.Context())
	})
}

func TestWhatAPauseCarriesPastItsDeadlineIsGivenUpAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e, acme, start := newEnds(), to("acme"), time.Now()
		d := newDispatcher(t, delivery.DefaultConfig(), scripted(limited(time.Hour)))
		d.Submit(e.item(acme, "asked"))
		time.AfterFunc(time.Second, func() { d.Submit(e.item(acme, "later")) })
		<-time.After(2 * time.Second)
		for _, name := range []string{"asked", "later"} {
			if got := e.of(t, name).End; got != delivery.Undelivered {
				t.Errorf("%s: %v, want Undelivered", name, got)
			}
			if got := e.at[name].Sub(start); got > time.Second {
				t.Errorf("%s waited for %s", name, got)
			}
		}
		if got := e.of(t, "asked"); got.Verdict != limited(time.Hour) || got.Attempts != 1 {
			t.Errorf("asked: %+v, want its own verdict", got)
		}
		if got := e.of(t, "later").Attempts; got != 0 {
			t.Errorf("later: %d attempts", got)
		}
		if got := d.Stats(); got.Waiting+got.Requests != 0 {
			t.Errorf("left in hand: %+v", got)
		}
		<-time.After(time.Hour)
		if got := d.Stats(); got != (delivery.Stats{}) {
			t.Errorf("left after the pause: %+v", got)
		}
		d.Stop(t.Context())
	})
}

func TestNoRequestOutlivesTheDeadlineOfItsItems(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e, acme, start := newEnds(), to("acme"), time.Now()
		var longest time.Duration
		d := newDispatcher(t, delivery.DefaultConfig(), senderFunc(func(ctx context.Context, _ *destination.Destination, batch []*event.Event) []outcome.Verdict {
			began := time.Now()
			<-ctx.Done()
			longest = max(longest, time.Since(began))
			if time.Since(start) > 15*time.Second {
				t.Errorf("a request was under way after %s", time.Since(start))
			}
			return all(batch, timedOut)
		}))
		d.Submit(e.item(acme, "a"))
		<-time.After(16 * time.Second)
		if got := e.of(t, "a"); got.End != delivery.Undelivered || got.Verdict != timedOut || got.Attempts != 2 {
			t.Errorf("result %+v, want Undelivered after two attempts", got)
		}
		if longest != 10*time.Second {
			t.Errorf("the longest request took %s, want the request timeout of 10s", longest)
		}
		d.Stop(t.Context())
	})
}

func TestNoTimeLeftIsNoStopping(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := newEnds()
		d := newDispatcher(t, delivery.DefaultConfig(), senderFunc(func(_ context.Context, _ *destination.Destination, batch []*event.Event) []outcome.Verdict {
			return all(batch, outcome.Verdict{Action: outcome.Retry, Cause: outcome.Interrupted})
		}))
		d.Submit(e.item(to("acme"), "a"))
		<-time.After(16 * time.Second)
		if got := e.of(t, "a"); got.End != delivery.Undelivered || got.Attempts != 0 {
			t.Errorf("result %+v, want Undelivered without an attempt", got)
		}
		d.Stop(t.Context())
	})
}
