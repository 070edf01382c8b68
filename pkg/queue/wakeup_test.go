package queue_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/hogcast/hogcast/pkg/queue"
)

const wakeupOfAcme = "hogcast.wakeups.acme.main"

func TestASubjectHasOneWakeup(t *testing.T) {
	t.Parallel()
	c, window := ready(t, small(), queue.DefaultParams())
	h := queue.NewHand(window, 0, nil)
	s := wakeups(t, c, h)
	one := func(when string) {
		t.Helper()
		wakeUp(t, c, wakeupOfAcme)
		wakeUp(t, c, wakeupOfAcme)
		if got := state(t, c, queue.StreamWakeups).Msgs; got != 1 {
			t.Errorf("%s: %d wake-ups, want 1", when, got)
		}
	}
	one("waiting")
	d := pull(t, s, 1)[0]
	one("in hand")
	h.Settle(d, queue.Again(300*time.Millisecond))
	one("asleep")
	d = pull(t, s, 1)[0]
	h.Settle(d, queue.AckConfirmed())
	if got := state(t, c, queue.StreamWakeups).Msgs; got != 0 {
		t.Errorf("%d wake-ups after the confirmed ack", got)
	}
	one("after the last was acknowledged") // within the stream's duplicate window
	wakeUp(t, c, "hogcast.wakeups.acme.other")
	if got := state(t, c, queue.StreamWakeups).Msgs; got != 2 {
		t.Errorf("%d wake-ups of two subjects", got)
	}
}

func TestRouseDeliversASleepingWakeupAtOnce(t *testing.T) {
	t.Parallel()
	c, window := ready(t, small(), queue.DefaultParams())
	h := queue.NewHand(window, 0, nil)
	s := wakeups(t, c, h)
	rouse := func() {
		t.Helper()
		if err := c.Rouse(t.Context(), wakeupOfAcme); err != nil {
			t.Fatal(err)
		}
	}
	rouse() // there is none: it is made
	d := pull(t, s, 1)[0]
	h.Settle(d, queue.Again(time.Hour))
	none(t, s, "it sleeps")
	rouse()
	began := time.Now()
	d = pull(t, s, 1)[0]
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("delivered after %s", took)
	}
	rouse() // while it is in hand: a second holder, and the first can't end the second's
	second := pull(t, s, 1)[0]
	h.Settle(d, queue.Ack())
	if got := state(t, c, queue.StreamWakeups).Msgs; got != 1 {
		t.Errorf("%d wake-ups, want the second's", got)
	}
	h.Settle(second, queue.AckConfirmed())
	if got := state(t, c, queue.StreamWakeups).Msgs; got != 0 {
		t.Errorf("%d wake-ups are left", got)
	}
	none(t, s, "all are acknowledged")
}

func TestAThousandSleepersKeepNobodyFromBeingWoken(t *testing.T) {
	t.Parallel()
	const sleepers = 1200 // the server's own default of MaxAckPending is 1,000
	c, window := ready(t, small(), queue.DefaultParams())
	h := queue.NewHand(window, 0, nil)
	s := wakeups(t, c, h)
	for i := range sleepers {
		wakeUp(t, c, queue.WakeupSubject(fmt.Sprint("t", i), "main"))
	}
	for n := 0; n < sleepers; {
		for _, d := range pull(t, s, 256) {
			h.Settle(d, queue.Again(time.Hour))
			n++
		}
	}
	wakeUp(t, c, wakeupOfAcme)
	if d := pull(t, s, 1)[0]; d.Subject != wakeupOfAcme {
		t.Errorf("woken: %s", d.Subject)
	}
}
