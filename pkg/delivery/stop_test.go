package delivery_test

import (
	"context"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hogcast/hogcast/pkg/delivery"
	"github.com/hogcast/hogcast/pkg/destination"
	"github.com/hogcast/hogcast/pkg/event"
	"github.com/hogcast/hogcast/pkg/outcome"
)

func TestStopSendsWhatWaitsAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e, start := newEnds(), time.Now()
		d := newDispatcher(t, delivery.DefaultConfig(), senderFunc(accept))
		d.Submit(e.item(to("acme"), "a"))
		d.Stop(t.Context())
		if got := e.of(t, "a").End; got != delivery.Delivered {
			t.Errorf("ended as %v", got)
		}
		if got := time.Since(start); got != 0 {
			t.Errorf("stopping took %s", got)
		}
	})
}

func TestStopInterruptsWhatIsUnderWayWhenItsContextEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e, acme, start := newEnds(), to("acme"), time.Now()
		d := newDispatcher(t, delivery.DefaultConfig(), hang(nil))
		for i := range 1000 {
			d.Submit(e.item(acme, name(i)))
		}
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		d.Stop(ctx)
		if got := time.Since(start); got != 3*time.Second {
			t.Errorf("stopping took %s, want 3s", got)
		}
		for i := range 1000 {
			got := e.of(t, name(i))
			if got.End != delivery.Interrupted || got.Attempts != 0 || got.Verdict.Cause != outcome.Interrupted {
				t.Fatalf("item %d: %+v, want Interrupted without an attempt", i, got)
			}
		}
	})
}

func TestStopWaitsForNoRetry(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e, acme := newEnds(), to("acme")
		var l log
		d := newDispatcher(t, delivery.DefaultConfig(), l.around(scripted(limited(8*time.Second))))
		d.Submit(e.item(acme, "asleep"))
		<-time.After(time.Second)
		d.Submit(e.item(acme, "behind the pause"))
		start := time.Now()
		d.Stop(t.Context())
		if got := time.Since(start); got != 0 {
			t.Errorf("stopping took %s", got)
		}
		if got := e.of(t, "asleep"); got.End != delivery.Undelivered || got.Attempts != 1 || got.Verdict != limited(8*time.Second) {
			t.Errorf("asleep: %+v", got)
		}
		if got := e.of(t, "behind the pause"); got.End != delivery.Interrupted || got.Attempts != 0 {
			t.Errorf("behind the pause: %+v", got)
		}
		if got := len(l.all()); got != 1 {
			t.Errorf("%d requests: Retry-After was not heeded when stopping", got)
		}
	})
}

func TestWhatComesAfterStopIsInterrupted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := newEnds()
		d := newDispatcher(t, delivery.DefaultConfig(), senderFunc(accept))
		d.Stop(t.Context())
		d.Submit(e.item(to("acme"), "late"))
		synctest.Wait()
		if got := e.of(t, "late").End; got != delivery.Interrupted {
			t.Errorf("ended as %v", got)
		}
	})
}

// TestEachItemEndsOnceWhateverTheVerdicts plays random verdicts to thousands of
// items from many goroutines.
func TestEachItemEndsOnceWhateverTheVerdicts(t *testing.T) {
	t.Parallel()
	actions := []outcome.Verdict{
		accepted, accepted, accepted, broken, timedOut, refused, tooLarge, limited(time.Millisecond),
		{Action: outcome.Bury, Cause: outcome.DroppedByServer},
		{Action: outcome.Hold, Cause: outcome.Unauthorized},
		{Action: outcome.Retry, Cause: outcome.RetryAsked},
		{Action: outcome.Retry, Cause: outcome.NoVerdict},
	}
	for seed := range uint64(5) {
		e := newEnds()
		var mu sync.Mutex
		random := rand.New(rand.NewPCG(seed, 1))
		took := map[string]int{}
		config := delivery.DefaultConfig()
		config.BatchWait, config.RetryFirst, config.RetryMax, config.Senders = time.Millisecond, time.Millisecond, 5*time.Millisecond, 16
		d := newDispatcher(t, config, senderFunc(func(_ context.Context, _ *destination.Destination, batch []*event.Event) []outcome.Verdict {
			mu.Lock()
			defer mu.Unlock()
			verdicts := all(batch, actions[random.IntN(len(actions))])
			for i := range verdicts {
				if verdicts[0].Status == 0 || random.IntN(3) == 0 {
					verdicts[i] = actions[random.IntN(len(actions))]
				}
				if verdicts[i].Action == outcome.Accept {
					took[batch[i].UUID]++
				}
			}
			return verdicts
		}))
		const n = 3000
		var publishers sync.WaitGroup
		for p := range 4 {
			publishers.Go(func() {
				for i := p; i < n; i += 4 {
					d.Submit(e.item(to(name(i%7)), name(i)))
				}
			})
		}
		publishers.Wait()
		d.Stop(t.Context())
		delivered := 0
		for i := range n {
			got := e.of(t, name(i))
			if took[name(i)] > 1 || (got.End == delivery.Delivered) != (took[name(i)] == 1) {
				t.Fatalf("seed %d: item %d was taken %d times and ended as %+v", seed, i, took[name(i)], got)
			}
			if got.End == delivery.Delivered {
				delivered++
			}
		}
		if delivered == 0 || delivered == n {
			t.Errorf("seed %d: %d of %d delivered: the script tries nothing", seed, delivered, n)
		}
		if got := d.Stats(); got != (delivery.Stats{}) {
			t.Errorf("seed %d: left %+v", seed, got)
		}
	}
}

func TestSettingsThatMakeNoSenseAreRefusedByName(t *testing.T) {
	t.Parallel()
	if err := delivery.DefaultConfig().Validate(); err != nil {
		t.Errorf("the defaults: %v", err)
	}
	c := delivery.DefaultConfig()
	c.Senders, c.RetryMax = 0, time.Millisecond
	_, err := delivery.New(c, nil)
	const want = "senders: 0 is not positive\nretry_max: 1ms is less than retry_first, 200ms"
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}
