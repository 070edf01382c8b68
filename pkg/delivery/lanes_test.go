package delivery_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hogcast/hogcast/pkg/delivery"
	"github.com/hogcast/hogcast/pkg/destination"
	"github.com/hogcast/hogcast/pkg/event"
	"github.com/hogcast/hogcast/pkg/outcome"
)

func TestLanesVanishWhenEmpty(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := newEnds()
		d := newDispatcher(t, delivery.DefaultConfig(), senderFunc(accept))
		for i := range 500 {
			d.Submit(e.item(to(name(i)), name(i)))
		}
		if got := d.Stats(); got.Lanes != 500 || got.Waiting != 500 {
			t.Errorf("in hand: %+v, want 500 lanes with one item each", got)
		}
		<-time.After(time.Second)
		if got := d.Stats(); got != (delivery.Stats{}) {
			t.Errorf("left: %+v", got)
		}
		d.Stop(t.Context())
	})
}

// hang holds every request until the test opens the gate.
func hang(gate <-chan struct{}) senderFunc {
	return func(ctx context.Context, _ *destination.Destination, batch []*event.Event) []outcome.Verdict {
		select {
		case <-gate:
			return all(batch, accepted)
		case <-ctx.Done():
			return all(batch, timedOut)
		}
	}
}

func TestRequestsAreBoundedByLaneAndInAll(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ lanes, senders, want int }{
		"one lane begins with two at once":    {1, 256, 2},
		"many lanes share the senders":        {20, 10, 10},
		"lanes do not take from one another":  {3, 256, 6},
		"one sender serves all, one by one":   {5, 1, 1},
		"fewer senders than one lane may use": {1, 2, 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { bounded(t, c.lanes, c.senders, c.want) })
		})
	}
}

func bounded(t *testing.T, lanes, senders, want int) {
	t.Helper()
	e, gate := newEnds(), make(chan struct{})
	config := delivery.DefaultConfig()
	config.Senders, config.BatchEvents = senders, 1
	var l log
	d := newDispatcher(t, config, l.around(hang(gate)))
	for lane := range lanes {
		for i := range 10 {
			d.Submit(e.item(to(name(lane)), name(lane)+name(i)))
		}
	}
	synctest.Wait()
	if got := d.Stats().Requests; got != want || len(l.all()) != want {
		t.Errorf("%d requests under way, %d made, want %d", got, len(l.all()), want)
	}
	close(gate)
	d.Stop(t.Context())
	if got := e.count(); got != 10*lanes {
		t.Errorf("%d items ended, want %d", got, 10*lanes)
	}
}

func TestAHangingLaneStopsNoOther(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e, stuck, start := newEnds(), to("stuck"), time.Now()
		hanging := hang(nil)
		d := newDispatcher(t, delivery.DefaultConfig(), senderFunc(func(ctx context.Context, to *destination.Destination, batch []*event.Event) []outcome.Verdict {
			if to == stuck {
				return hanging(ctx, to, batch)
			}
			return all(batch, accepted)
		}))
		for i := range 2000 {
			d.Submit(e.item(stuck, "stuck"+name(i)))
		}
		for i := range 50 {
			d.Submit(e.item(to(name(i)), name(i)))
		}
		<-time.After(20 * time.Second)
		for i := range 50 {
			if got := e.of(t, name(i)).End; got != delivery.Delivered {
				t.Errorf("lane %d: %v", i, got)
			}
			if got := e.at[name(i)].Sub(start); got != 250*time.Millisecond {
				t.Errorf("lane %d was served after %s", i, got)
			}
		}
		for i := range 2000 {
			if got := e.of(t, "stuck"+name(i)).End; got != delivery.Undelivered {
				t.Errorf("stuck item %d: %v", i, got)
			}
			if got := e.at["stuck"+name(i)].Sub(start); got > 15*time.Second {
				t.Errorf("stuck item %d stayed for %s", i, got)
			}
		}
		d.Stop(t.Context())
	})
}

func TestNothingStaysPastItsDeadlineBehindARequestThatHangs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e, acme, start := newEnds(), to("acme"), time.Now()
		acme.MaxConcurrency = 1
		slowly := to("slowly")
		slowly.MaxRate = 0.01
		d := newDispatcher(t, delivery.DefaultConfig(), hang(nil))
		for _, to := range []*destination.Destination{acme, slowly} {
			d.Submit(e.sized(to, to.Tenant+"first", 10))
		}
		<-time.After(time.Second)
		for _, to := range []*destination.Destination{acme, slowly} {
			item := e.item(to, to.Tenant)
			item.Deadline = start.Add(5 * time.Second)
			d.Submit(item)
		}
		<-time.After(5 * time.Second)
		for _, name := range []string{"acme", "slowly"} {
			got := e.of(t, name)
			if at := e.when(name).Sub(start); got.End != delivery.Undelivered || got.Attempts != 0 || at > 5*time.Second || at < 4400*time.Millisecond {
				t.Errorf("%s: %+v after %s, want it given back by 5s", name, got, at)
			}
		}
		abandon(t, d)
	})
}

func TestLanesThatComeAndGoFastLoseNothing(t *testing.T) {
	t.Parallel()
	e, acme := newEnds(), to("acme")
	config := delivery.DefaultConfig()
	config.BatchWait, config.BatchEvents = time.Microsecond, 2
	d := newDispatcher(t, config, senderFunc(accept))
	for i := range 20_000 {
		d.Submit(e.item(acme, name(i)))
	}
	d.Stop(t.Context())
	if got := e.count(); got != 20_000 {
		t.Errorf("%d items had ended when Stop returned, want 20000", got)
	}
}
