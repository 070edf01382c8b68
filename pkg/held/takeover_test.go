package held_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hogcast/hogcast/pkg/queue"
	"github.com/hogcast/hogcast/test/natstest"
)

func TestAKilledHolderIsReplacedWithinTheLease(t *testing.T) {
	t.Parallel()
	const lease = time.Second
	tn := newTown(t, func(p *queue.Params) { p.WakeupsAckWait = lease })
	to := destinationOf("acme")
	tn.know(to)
	a := tn.worker(t, "a")
	gate := make(chan struct{})
	a.sink.gate.Store(&gate)
	t.Cleanup(sync.OnceFunc(func() { close(gate) }))
	tn.block(t, to, nil, a)
	tn.hold(t, to.ID, "", 3)
	tn.rouse(t, to.ID)
	natstest.Eventually(t, "a probes", func() bool { return len(a.sink.probes()) == 1 })
	b := tn.worker(t, "b")
	throughout(t, 2*lease, "nobody takes over while it lives", func() bool { return len(b.sink.probes())+len(b.sink.delivered()) == 0 })
	a.die()
	a.conn.Close() // it asks for nothing any more
	began := time.Now()
	natstest.Eventually(t, "b takes over", func() bool { return len(b.sink.delivered()) == 3 })
	if took := time.Since(began); took > 15*time.Second {
		t.Errorf("taken over after %s", took)
	}
	if diff := cmp.Diff(texts(to.ID, 3), b.sink.delivered()); diff != "" {
		t.Errorf("delivered (-want +got):\n%s", diff)
	}
}

func TestWhatADeadWorkerHasInHandIsNotForgotten(t *testing.T) {
	t.Parallel()
	tn := newTown(t)
	to := destinationOf("acme")
	tn.know(to)
	dead := tn.idle(t, "dead")
	tn.hold(t, to.ID, "", 3)
	source, err := dead.conn.DrainSource(t.Context(), dead.hand, dead.window, queue.HeldSubject("acme", "main"))
	if err != nil {
		t.Fatal(err)
	}
	var inHand []*queue.Delivery
	if _, err := source.Pull(t.Context(), 2, time.Second, func(d *queue.Delivery) { inHand = append(inHand, d) }); err != nil || len(inHand) != 2 {
		t.Fatalf("%d in hand, %v", len(inHand), err)
	}
	b := tn.worker(t, "b")
	tn.rouse(t, to.ID)
	natstest.Eventually(t, "another delivers what is left", func() bool { return len(b.sink.delivered()) == 1 })
	natstest.Eventually(t, "its turn is over", func() bool { return b.keeper.Active() == 0 })
	if held, wakeups := tn.heldFor(t, to.ID), tn.wakeupsFor(t, to.ID); held != 2 || wakeups != 1 {
		t.Fatalf("%d held, %d wake-ups; want 2, 1", held, wakeups)
	}
	for _, d := range inHand {
		dead.hand.Settle(d, queue.HandBack()) // as its lease's end does
	}
	natstest.Eventually(t, "all is delivered, and the wake-up is gone", func() bool {
		return len(b.sink.delivered()) == 3 && tn.wakeupsFor(t, to.ID) == 0
	})
	if got := tn.heldFor(t, to.ID); got != 0 {
		t.Errorf("%d are held", got)
	}
}

func TestAKeeperStopsCleanlyWithWorkInHand(t *testing.T) {
	t.Parallel()
	const n = 300 // more than a pull
	tn := newTown(t)
	to := destinationOf("acme")
	tn.know(to)
	a := tn.idle(t, "a")
	gate := make(chan struct{})
	a.sink.gate.Store(&gate)
	release := sync.OnceFunc(func() { close(gate) })
	t.Cleanup(release)
	tn.hold(t, to.ID, "", n)
	tn.rouse(t, to.ID)
	a.stopKeeper = background(t, a.keeper.Run) // not before: its sweep would find a few
	natstest.Eventually(t, "a has a pull's worth in hand", func() bool { return a.hand.Stats().InHand > 256 })
	stopped := make(chan struct{})
	go func() { defer close(stopped); a.stopKeeper() }()
	throughout(t, 100*time.Millisecond, "it waits for what is on its way", func() bool {
		select {
		case <-stopped:
			return false
		default:
			return true
		}
	})
	a.sink.down.Store(true) // what is on its way is interrupted, and handed back
	release()
	select {
	case <-stopped:
	case <-time.After(patience):
		t.Fatal("the keeper does not stop")
	}
	if s := a.hand.Stats(); s.InHand != 0 || s.Acked != 0 || s.Abandoned != 0 {
		t.Errorf("stats = %+v; want all handed back", s)
	}
	if held, wakeups := tn.heldFor(t, to.ID), tn.wakeupsFor(t, to.ID); held != n || wakeups != 1 {
		t.Errorf("%d held, %d wake-ups; want %d, 1", held, wakeups, n)
	}
	began := time.Now()
	b := tn.worker(t, "b")
	natstest.Eventually(t, "another delivers it all", func() bool { return tn.heldFor(t, to.ID) == 0 })
	if took := time.Since(began); took > 15*time.Second {
		t.Errorf("it took %s: not handed back at once", took)
	}
	got, want := b.sink.delivered(), texts(to.ID, n)
	slices.Sort(got)
	slices.Sort(want)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("delivered (-want +got):\n%s", diff)
	}
}

func TestAKeeperThatHasNothingToDoStopsSoon(t *testing.T) {
	t.Parallel()
	tn := newTown(t)
	w := tn.worker(t, "a")
	began := time.Now()
	w.stopKeeper()
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("stopping took %s", took)
	}
	over, cancel := context.WithCancel(t.Context())
	cancel()
	if got := w.hand.Drain(over); got != 0 {
		t.Errorf("%d were in hand after the stop", got)
	}
}
