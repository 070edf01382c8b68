package delivery_test

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hogcast/hogcast/pkg/delivery"
	"github.com/hogcast/hogcast/pkg/outcome"
)

// crowded counts the items that ended as such.
func (e *ends) crowded() (n int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, results := range e.results {
		for _, r := range results {
			if r.End == delivery.Undelivered && r.Verdict == (outcome.Verdict{Action: outcome.Retry, Cause: outcome.Crowded}) {
				n++
			}
		}
	}
	return n
}

// overflowing is a dispatcher whose lanes may hold 800 kB while it is pressed.
func overflowing(t *testing.T, s delivery.Sender) (*delivery.Dispatcher, *atomic.Bool) {
	t.Helper()
	var pressed atomic.Bool
	config := delivery.DefaultConfig()
	config.LaneShare, config.Pressed = 800_000, pressed.Load
	return newDispatcher(t, config, s), &pressed
}

func TestALaneOverflowsOnlyWhileOthersWaitForTheRoom(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e, acme, small := newEnds(), to("acme"), to("small")
		d, pressed := overflowing(t, hang(nil))
		for i := range 1000 {
			d.Submit(e.sized(acme, name(i), 4000))
		}
		for i := range 280 {
			d.Submit(e.sized(small, "small"+name(i), 400))
		}
		<-time.After(2 * time.Second)
		if e.count() != 0 {
			t.Fatalf("%d items ended without pressure", e.count())
		}
		pressed.Store(true)
		<-time.After(600 * time.Millisecond)
		// 196 are under way, about 196 may wait.
		if got := e.crowded(); got < 595 || got > 620 || got != e.count() {
			t.Fatalf("%d of %d ended as crowded, want those beyond the share", got, e.count())
		}
		if !e.when(name(380)).IsZero() || e.when(name(999)).IsZero() {
			t.Error("not the newest were given up")
		}
		pressed.Store(false)
		<-time.After(3 * time.Second)
		before := e.crowded()
		if got := e.count(); got != before {
			t.Errorf("%d items ended after the pressure", got-before)
		}
		abandon(t, d)
	})
}

func TestALaneOverflowsWithWhatHasWaitedForLong(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e, acme, start := newEnds(), to("acme"), time.Now()
		d, pressed := overflowing(t, hang(nil))
		pressed.Store(true)
		for i := range 250 {
			d.Submit(e.sized(acme, name(i), 10))
		}
		<-time.After(4900 * time.Millisecond)
		if got := e.count(); got != 0 {
			t.Errorf("%d items ended before 5s", got)
		}
		<-time.After(700 * time.Millisecond)
		if got := e.crowded(); got != 50 {
			t.Errorf("%d items were crowded out after 5s, want the 50 that waited", got)
		}
		if got := e.when(name(249)).Sub(start); got < 5*time.Second || got > 5500*time.Millisecond {
			t.Errorf("they ended after %s", got)
		}
		abandon(t, d)
	})
}

func TestWhatSleepsBeforeARetryOverflowsToo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e, acme := newEnds(), to("acme")
		d, pressed := overflowing(t, scripted(limited(time.Minute)))
		pressed.Store(true)
		d.Submit(e.sized(acme, "asleep", 10))
		drained := e.sized(acme, "drained", 10)
		drained.Background = true
		d.Submit(drained)
		<-time.After(6 * time.Second)
		if got := e.of(t, "asleep"); got.Verdict.Cause != outcome.Crowded || got.Attempts != 1 {
			t.Errorf("asleep: %+v", got)
		}
		if got := d.Stats(); got.Background != 1 || got.Waiting != 0 {
			t.Errorf("in hand: %+v", got)
		}
		<-time.After(2 * time.Minute)
		if got := e.of(t, "drained").End; got != delivery.Delivered {
			t.Errorf("drained: %v", got)
		}
		if got := d.Stats(); got != (delivery.Stats{}) {
			t.Errorf("left: %+v", got)
		}
		d.Stop(t.Context())
	})
}

func TestSubmitOverflowsAtOnceAndCallsNoDoneItself(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e, acme := newEnds(), to("acme")
		d, pressed := overflowing(t, hang(nil))
		pressed.Store(true)
		for i := range 1000 {
			item := e.sized(acme, name(i), 4000)
			note := item.Done
			item.Done = func(r delivery.Result) {
				_ = d.Stats() // would deadlock with mu held
				note(r)
			}
			d.Submit(item)
		}
		synctest.Wait()
		if got := e.crowded(); got < 595 || got > 620 {
			t.Errorf("%d items were crowded out", got)
		}
		abandon(t, d)
		if got := e.count(); got != 1000 {
			t.Errorf("%d items ended", got)
		}
	})
}
