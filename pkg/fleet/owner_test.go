package fleet_test

import (
	"testing"

	"github.com/hogcast/hogcast/pkg/destination"
	"github.com/hogcast/hogcast/pkg/fleet"
	"github.com/hogcast/hogcast/pkg/health"
	"github.com/hogcast/hogcast/pkg/outcome"
	"github.com/hogcast/hogcast/pkg/queue"
)

func TestAChangeOfConfigurationResumesAtOnce(t *testing.T) {
	t.Parallel()
	tn := newTown(t)
	a, b := tn.worker(t, "a"), tn.worker(t, "b")
	to := destinationOf("acme")
	now := mended(to)
	a.Observe(to, unauthorized())
	within(t, promptly, "both hold its events", func() bool { return gate(a, to) == fleet.Park && gate(b, to) == fleet.Park })
	if gate(a, now) != fleet.Pass || gate(b, now) != fleet.Pass {
		t.Error("what is known of the old revision holds the new one's events")
	}
	b.Changed(destination.NewSet([]*destination.Destination{now}))
	if got := b.Status(now); got.Blocked() {
		t.Errorf("status after the change = %+v", got)
	}
	within(t, promptly, "what is held for it is woken", func() bool {
		return tn.wakeups(t)[queue.WakeupSubject("acme", "main")] == 1
	})
	within(t, promptly, "the state is gone everywhere", func() bool {
		return tn.stored(t, to.String()).State == "" && len(a.Count()) == 0 && len(b.Count()) == 0
	})
}

func TestAChangeOfOthersLeavesAStateAlone(t *testing.T) {
	t.Parallel()
	tn := newTown(t)
	a := tn.worker(t, "a")
	to := destinationOf("acme")
	a.Observe(to, unauthorized())
	for name, set := range map[string]*destination.Set{
		"itself the same": destination.NewSet([]*destination.Destination{to, mended(destinationOf("other"))}),
		"it is missing":   destination.NewSet(nil),
	} {
		a.Changed(set)
		if gate(a, to) != fleet.Park {
			t.Errorf("%s: its events pass", name)
		}
	}
	if got := tn.wakeups(t); len(got) != 0 {
		t.Errorf("wake-ups = %v", got)
	}
}

func TestALateAnswerOfTheOldRevisionChangesNothing(t *testing.T) {
	t.Parallel()
	tn := newTown(t)
	a, b := tn.worker(t, "a"), tn.worker(t, "b")
	old := destinationOf("acme")
	now := mended(old)
	set := destination.NewSet([]*destination.Destination{now})
	a.Changed(set)
	b.Changed(set)

	a.Observe(old, unauthorized())
	if got := a.Admit(now); got.Gate != fleet.Pass {
		t.Errorf("a late 401 of the old key holds the mended one: %+v", got)
	}
	for range 3 {
		a.Observe(now, unauthorized())
		within(t, promptly, "the new revision is held on both", func() bool { return gate(a, now) == fleet.Park && gate(b, now) == fleet.Park })
		a.Observe(old, accepted())
		b.Observe(old, unauthorized())
		if gate(a, now) != fleet.Park || gate(b, now) != fleet.Park {
			t.Fatalf("a late answer of the old revision ended the new one's state: %+v, %+v", a.Status(now), b.Status(now))
		}
		agree(t, tn, now, a, b)
		if got := tn.stored(t, now.String()); got.Revision != now.Revision() {
			t.Fatalf("the fleet shares a state of the old revision: %+v", got)
		}
		b.Observe(now, accepted())
		within(t, promptly, "it is healthy on both", func() bool { return len(a.Count()) == 0 && len(b.Count()) == 0 })
	}
}

func TestAMarkTellsWhyHeldWorkWaits(t *testing.T) {
	t.Parallel()
	tn := newTown(t)
	a, b := tn.worker(t, "a"), tn.worker(t, "b")
	to := destinationOf("acme")
	for _, reason := range []health.Reason{outcome.OwnerPaused, outcome.OwnerDisabled, outcome.Missing} {
		revision := to.Revision()
		if reason == outcome.Missing {
			revision = ""
		}
		a.Mark(to.ID, revision, reason)
		within(t, promptly, "the other worker knows why", func() bool { return b.Status(to).Reason == reason })
		since := b.Status(to).Since
		a.Mark(to.ID, revision, reason)
		b.Mark(to.ID, revision, reason)
		agree(t, tn, to, a, b)
		if got := a.Status(to); got.State != health.Held || !got.Since.Equal(since) {
			t.Errorf("marked twice: %+v; want held since %s", got, since)
		}
		b.Unmark(to.ID)
		within(t, promptly, "the mark is gone everywhere", func() bool {
			return tn.stored(t, to.String()).State == "" && len(a.Count()) == 0 && len(b.Count()) == 0
		})
	}
	if got := tn.wakeups(t); len(got) != 0 {
		t.Errorf("wake-ups = %v; nothing is held", got)
	}
}

func TestUnmarkLeavesWhatRequestsHaveShown(t *testing.T) {
	t.Parallel()
	tn := newTown(t)
	a := tn.worker(t, "a")
	to, unknown := destinationOf("acme"), destinationOf("unknown")
	a.Observe(to, unauthorized())
	a.Unmark(to.ID)
	a.Unmark(unknown.ID)
	if gate(a, to) != fleet.Park || gate(a, unknown) != fleet.Pass {
		t.Errorf("states = %+v, %+v", a.Status(to), a.Status(unknown))
	}
}

func TestADestinationThatComesIsNoLongerMissing(t *testing.T) {
	t.Parallel()
	tn := newTown(t)
	a := tn.worker(t, "a")
	to := destinationOf("acme")
	a.Mark(to.ID, "", outcome.Missing)
	a.Changed(destination.NewSet([]*destination.Destination{to}))
	if gate(a, to) != fleet.Pass {
		t.Errorf("status = %+v", a.Status(to))
	}
	within(t, promptly, "what is held for it is woken", func() bool {
		return tn.wakeups(t)[queue.WakeupSubject("acme", "main")] == 1
	})
}

func TestDrainingIsShownAndHoldsNothing(t *testing.T) {
	t.Parallel()
	tn := newTown(t)
	a, b := tn.worker(t, "a"), tn.worker(t, "b")
	to := destinationOf("acme")
	a.Draining(to.ID, true)
	within(t, promptly, "the other worker knows", func() bool { return b.Count()[health.Draining] == 1 })
	if gate(a, to) != fleet.Pass || gate(b, to) != fleet.Pass {
		t.Error("fresh events are held while the backlog drains")
	}
	b.Observe(to, unauthorized())
	within(t, promptly, "the failure is known", func() bool { return gate(a, to) == fleet.Park })
	a.Draining(to.ID, false)
	agree(t, tn, to, a, b)
	b.Draining(to.ID, true)
	if gate(b, to) != fleet.Park {
		t.Error("draining covers a failure")
	}
	b.Observe(to, accepted())
	within(t, promptly, "it is healthy", func() bool { return gate(a, to) == fleet.Pass && gate(b, to) == fleet.Pass })
	b.Draining(to.ID, true)
	within(t, promptly, "the other worker knows", func() bool { return a.Count()[health.Draining] == 1 })
	a.Draining(to.ID, false) // whoever ends it
	within(t, promptly, "nothing is left of it", func() bool {
		return tn.stored(t, to.String()).State == "" && len(a.Count()) == 0 && len(b.Count()) == 0
	})
}
