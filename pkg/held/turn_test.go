package held_test

import (
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/hogcast/hogcast/pkg/destination"
	"github.com/hogcast/hogcast/pkg/health"
	"github.com/hogcast/hogcast/pkg/held"
	"github.com/hogcast/hogcast/pkg/outcome"
	"github.com/hogcast/hogcast/pkg/queue"
	"github.com/hogcast/hogcast/test/natstest"
)

func TestWhatIsHeldForAHealthyDestinationDrainsInOrder(t *testing.T) {
	t.Parallel()
	const n = 600 // more than two pulls
	tn := newTown(t)
	to := destinationOf("acme")
	tn.know(to)
	w := tn.worker(t, "a")
	tn.hold(t, to.ID, "", n)
	tn.rouse(t, to.ID)
	natstest.Eventually(t, "all is delivered, and the wake-up is gone", func() bool {
		return tn.heldFor(t, to.ID) == 0 && tn.wakeupsFor(t, to.ID) == 0
	})
	if diff := cmp.Diff(texts(to.ID, n), w.sink.delivered()); diff != "" {
		t.Errorf("delivered (-want +got):\n%s", diff)
	}
	natstest.Eventually(t, "the turn is over", func() bool { return w.keeper.Active() == 0 && w.hand.Stats().InHand == 0 })
	natstest.Eventually(t, "its state is healthy", func() bool { return len(w.board.Count()) == 0 })
	names := tn.outside.JS
	stream, err := names.Stream(t.Context(), queue.StreamHeld)
	if err != nil {
		t.Fatal(err)
	}
	for name := range stream.ConsumerNames(t.Context()).Name() {
		t.Errorf("the drain's consumer %s is left", name)
	}
}

func TestABlockedDestinationSleepsUntilItsProbe(t *testing.T) {
	t.Parallel()
	tn := newTown(t)
	to := destinationOf("acme")
	tn.know(to)
	w := tn.worker(t, "a")
	tn.block(t, to, func(s *health.Status) { s.LastProbe, s.Gap = time.Now(), time.Minute }, w)
	tn.hold(t, to.ID, "", 3)
	tn.rouse(t, to.ID)
	natstest.Eventually(t, "the wake-up was looked at", func() bool { return w.hand.Stats().Retried == 1 })
	throughout(t, 500*time.Millisecond, "nothing is sent", func() bool {
		return len(w.sink.delivered())+len(w.sink.probes()) == 0 && w.hand.Stats().Retried == 1
	})
	if held, wakeups := tn.heldFor(t, to.ID), tn.wakeupsFor(t, to.ID); held != 3 || wakeups != 1 {
		t.Errorf("%d held, %d wake-ups; want 3, 1", held, wakeups)
	}
}

func TestProbesAlternateBetweenTheOldestAndTheNewest(t *testing.T) {
	t.Parallel()
	const n = 5
	tn := newTown(t)
	to := destinationOf("acme")
	tn.know(to)
	w := tn.worker(t, "a")
	tn.hold(t, to.ID, "", n)
	w.sink.down.Store(true)
	probe := func() {
		before := len(w.sink.probes())
		tn.block(t, to, nil, w)
		tn.rouse(t, to.ID)
		natstest.Eventually(t, "a probe, and the end of its turn", func() bool {
			return len(w.sink.probes()) > before && w.keeper.Active() == 0
		})
	}
	for range 4 {
		probe()
	}
	if got := w.sink.delivered(); len(got) != 0 {
		t.Fatalf("delivered while the probes failed: %v", got)
	}
	natstest.Eventually(t, "the gap has grown", func() bool { return w.board.Status(to).Gap == 2*health.FirstGap })
	w.sink.down.Store(false)
	probe()
	want := []string{"acme 1", "acme 5", "acme 1", "acme 5", "acme 1"}
	if diff := cmp.Diff(want, w.sink.probes()); diff != "" {
		t.Errorf("probes (-want +got):\n%s", diff)
	}
	natstest.Eventually(t, "the rest drains", func() bool { return tn.heldFor(t, to.ID) == 0 && tn.wakeupsFor(t, to.ID) == 0 })
	if diff := cmp.Diff(texts(to.ID, n), w.sink.delivered()); diff != "" {
		t.Errorf("delivered (-want +got):\n%s", diff)
	}
}

func TestWhoeverGetsAFreshEventThroughWakesTheDrain(t *testing.T) {
	t.Parallel()
	tn := newTown(t)
	to := destinationOf("acme")
	tn.know(to)
	drainer, other := tn.worker(t, "a"), tn.idle(t, "b")
	tn.block(t, to, func(s *health.Status) { s.LastProbe, s.Gap = time.Now(), time.Minute }, drainer, other)
	tn.hold(t, to.ID, "", 3)
	tn.rouse(t, to.ID)
	natstest.Eventually(t, "the wake-up sleeps", func() bool { return drainer.hand.Stats().Retried == 1 })
	other.board.Observe(to, health.Sample{Cause: outcome.OK, Status: 200, Accepted: 1})
	began := time.Now()
	natstest.Eventually(t, "all is delivered", func() bool { return len(drainer.sink.delivered()) == 3 })
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("woken after %s, by its timer", took)
	}
}

// hooks call back where a turn asks the board.
type hooks struct {
	held.Board
	status func()
	unmark func(destination.ID)
}

func (h hooks) Status(to *destination.Destination) health.Status {
	if h.status != nil {
		h.status()
	}
	return h.Board.Status(to)
}

func (h hooks) Unmark(id destination.ID) {
	if h.unmark != nil {
		h.unmark(id)
	}
	h.Board.Unmark(id)
}

func TestWhatSlipsInBeforeTheAckIsNotForgotten(t *testing.T) {
	t.Parallel()
	tn := newTown(t)
	to, other := destinationOf("acme"), destinationOf("other")
	tn.know(to, other)
	var slipped atomic.Bool
	w := tn.worker(t, "a", func(p *held.Params) {
		// Between the last look and the ack.
		p.Board = hooks{Board: p.Board, unmark: func(id destination.ID) {
			if id != to.ID || slipped.Swap(true) {
				return
			}
			tn.hold(t, to.ID, "", 1)
			if err := tn.outside.WakeUp(t.Context(), queue.WakeupSubject("acme", "main")); err != nil {
				t.Error(err)
			}
		}}
	})
	tn.hold(t, other.ID, "", 1)
	natstest.Eventually(t, "the first sweep is over", func() bool { return len(w.sink.delivered()) == 1 })
	tn.rouse(t, to.ID)
	began := time.Now()
	natstest.Eventually(t, "it is delivered", func() bool { return len(w.sink.delivered()) == 2 })
	if took := time.Since(began); took > 20*time.Second {
		t.Errorf("delivered after %s: by the sweep", took)
	}
	natstest.Eventually(t, "the wake-up is gone", func() bool { return tn.wakeupsFor(t, to.ID) == 0 })
}

func TestARefusalEndsTheDrainAndLosesNothing(t *testing.T) {
	t.Parallel()
	const n = 20
	tn := newTown(t)
	to := destinationOf("acme")
	tn.know(to)
	w := tn.worker(t, "a")
	tn.hold(t, to.ID, "", n)
	w.sink.refuses.Store(&to.ID)
	tn.rouse(t, to.ID)
	natstest.Eventually(t, "the turn is over", func() bool {
		s := w.hand.Stats()
		return s.HandedBack+s.Retried > n && s.InHand == 0 && w.keeper.Active() == 0
	})
	if got := tn.heldFor(t, to.ID); got != n || w.hand.Stats().InHand != 0 {
		t.Errorf("%d are held, %d in hand; want %d, 0", got, w.hand.Stats().InHand, n)
	}
	if got := tn.wakeupsFor(t, to.ID); got != 1 {
		t.Errorf("%d wake-ups, want 1", got)
	}
	w.sink.refuses.Store(nil)
	w.board.Observe(to, health.Sample{Cause: outcome.OK, Status: 200, Accepted: 1})
	natstest.Eventually(t, "all is delivered", func() bool { return tn.heldFor(t, to.ID) == 0 })
	got := w.sink.delivered()
	slices.Sort(got)
	want := texts(to.ID, n)
	slices.Sort(want)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("delivered (-want +got):\n%s", diff)
	}
}

func TestAPausedOrDisabledDestinationWaits(t *testing.T) {
	t.Parallel()
	for reason, stop := range map[health.Reason]func(*destination.Destination){
		outcome.OwnerPaused:   func(d *destination.Destination) { d.Paused = true },
		outcome.OwnerDisabled: func(d *destination.Destination) { d.Enabled = false },
	} {
		tn := newTown(t)
		to := destinationOf("acme")
		stopped := *to
		stop(&stopped)
		tn.know(&stopped)
		w := tn.worker(t, "a")
		tn.hold(t, to.ID, "", 3)
		tn.rouse(t, to.ID)
		natstest.Eventually(t, "the board tells why", func() bool { return w.board.Status(&stopped).Reason == reason })
		natstest.Eventually(t, "the wake-up sleeps", func() bool { return w.hand.Stats().Retried == 1 })
		if got := len(w.sink.delivered()) + len(w.sink.probes()); got != 0 || tn.heldFor(t, to.ID) != 3 {
			t.Errorf("%s: %d were sent, %d are held; want 0, 3", reason, got, tn.heldFor(t, to.ID))
		}
		tn.know(to)
		w.board.Changed(tn.Current())
		natstest.Eventually(t, "all is delivered once it may be", func() bool {
			return len(w.sink.delivered()) == 3 && tn.wakeupsFor(t, to.ID) == 0
		})
		natstest.Eventually(t, "the mark is gone", func() bool { return len(w.board.Count()) == 0 })
	}
}

func TestAMarkGoesWithTheLastThatIsHeld(t *testing.T) {
	t.Parallel()
	tn := newTown(t)
	to := destinationOf("acme")
	to.Paused = true
	tn.know(to)
	w := tn.worker(t, "a")
	tn.hold(t, to.ID, "", 1)
	tn.rouse(t, to.ID)
	natstest.Eventually(t, "it is marked", func() bool { return w.board.Status(to).Reason == outcome.OwnerPaused && w.keeper.Active() == 0 })
	m, err := tn.outside.Oldest(t.Context(), queue.HeldSubject("acme", "main"))
	if err != nil {
		t.Fatal(err)
	}
	if err := tn.outside.Delete(t.Context(), queue.StreamHeld, m.Sequence); err != nil {
		t.Fatal(err)
	}
	tn.rouse(t, to.ID)
	natstest.Eventually(t, "the mark and the wake-up are gone", func() bool {
		return len(w.board.Count()) == 0 && tn.wakeupsFor(t, to.ID) == 0
	})
}

// The worker that drained it may have died before it said that it is done.
func TestDrainingEndsWithTheLastThatIsHeld(t *testing.T) {
	t.Parallel()
	tn := newTown(t)
	to := destinationOf("acme")
	tn.know(to)
	w := tn.worker(t, "a")
	tn.block(t, to, func(s *health.Status) {
		*s = health.Status{State: health.Draining, Since: time.Now(), Worker: s.Worker}
	}, w)
	tn.rouse(t, to.ID)
	natstest.Eventually(t, "the wake-up is gone", func() bool { return tn.wakeupsFor(t, to.ID) == 0 && w.keeper.Active() == 0 })
	natstest.Eventually(t, "the state has ended with it", func() bool { return len(w.board.Count()) == 0 })
}

func TestOneTurnAtATimeForADestination(t *testing.T) {
	t.Parallel()
	tn := newTown(t)
	to := destinationOf("acme")
	tn.know(to)
	var looked atomic.Int64
	w := tn.idle(t, "a", func(p *held.Params) {
		p.Board = hooks{Board: p.Board, status: func() { looked.Add(1) }}
	})
	gate := make(chan struct{})
	w.sink.gate.Store(&gate)
	w.stopKeeper = background(t, w.keeper.Run)
	tn.hold(t, to.ID, "", 1)
	tn.rouse(t, to.ID)
	natstest.Eventually(t, "it is on its way", func() bool { return w.hand.Stats().Received == 2 })
	natstest.Eventually(t, "its turn has asked all that it asks", func() bool { return w.board.Count()[health.Draining] == 1 })
	before := looked.Load()
	tn.rouse(t, to.ID)
	natstest.Eventually(t, "the second wake-up sleeps", func() bool { return w.hand.Stats().Retried == 1 })
	if got := w.keeper.Active(); got != 1 || looked.Load() != before {
		t.Errorf("%d turns, and the second took a look %d times; want 1, 0", got, looked.Load()-before)
	}
	close(gate)
	natstest.Eventually(t, "all is delivered, and both wake-ups are gone", func() bool {
		return len(w.sink.delivered()) == 1 && tn.wakeupsFor(t, to.ID) == 0
	})
}

func TestDrainsAreBoundedFleetWide(t *testing.T) {
	t.Parallel()
	tn := newTown(t)
	a, b, c := destinationOf("a"), destinationOf("b"), destinationOf("c")
	tn.know(a, b, c)
	w := tn.idle(t, "a", func(p *held.Params) { p.FleetDrains = 1 })
	gate := make(chan struct{})
	w.sink.gate.Store(&gate)
	var began atomic.Int64
	count := func(string) { began.Add(1) }
	w.sink.before.Store(&count)
	w.stopKeeper = background(t, w.keeper.Run)
	for _, to := range []*destination.Destination{a, b, c} {
		tn.hold(t, to.ID, "", 1)
		tn.rouse(t, to.ID)
	}
	natstest.Eventually(t, "one drains, and two wait", func() bool { return began.Load() == 1 && w.hand.Stats().Retried >= 2 })
	throughout(t, 300*time.Millisecond, "the others wait", func() bool { return began.Load() == 1 })
	close(gate)
	natstest.Eventually(t, "all are delivered", func() bool { return len(w.sink.delivered()) == 3 })
}

func TestWhatWasHeldUnroutedIsRoutedAnew(t *testing.T) {
	t.Parallel()
	tn := newTown(t)
	w := tn.worker(t, "a")
	unrouted := destination.ID{Tenant: "acme", Name: queue.NoToken}
	tn.hold(t, unrouted, "", 3)
	tn.rouse(t, unrouted)
	natstest.Eventually(t, "all is routed, and the wake-up is gone", func() bool {
		return tn.heldFor(t, unrouted) == 0 && tn.wakeupsFor(t, unrouted) == 0
	})
	if diff := cmp.Diff(texts(unrouted, 3), w.sink.got(&w.sink.rerouted)); diff != "" {
		t.Errorf("routed anew (-want +got):\n%s", diff)
	}
}

// A server whose disk has been full may go on not to delete; a stream that keeps
// what is acknowledged looks the same.
func TestWhatTheServerDoesNotDeleteIsNotDeliveredAgain(t *testing.T) {
	t.Parallel()
	tn := newTown(t)
	stream, err := tn.outside.JS.Stream(t.Context(), queue.StreamHeld)
	if err != nil {
		t.Fatal(err)
	}
	keeps := stream.CachedInfo().Config
	keeps.Retention = jetstream.LimitsPolicy
	if err := tn.outside.JS.DeleteStream(t.Context(), queue.StreamHeld); err != nil {
		t.Fatal(err)
	}
	if _, err := tn.outside.JS.CreateStream(t.Context(), keeps); err != nil {
		t.Fatal(err)
	}
	to := destinationOf("acme")
	tn.know(to)
	core, logs := observer.New(zap.ErrorLevel)
	w := tn.worker(t, "a", func(p *held.Params) { p.Logger = zap.New(core) })
	tn.hold(t, to.ID, "", 3)
	tn.rouse(t, to.ID)
	natstest.Eventually(t, "it was looked at three times", func() bool { return w.hand.Stats().Retried >= 3 })
	if diff := cmp.Diff(texts(to.ID, 3), w.sink.delivered()); diff != "" {
		t.Errorf("delivered (-want +got):\n%s", diff)
	}
	if got := logs.FilterMessageSnippet("does not delete").Len(); got != 1 {
		t.Errorf("said %d times", got)
	}
}
