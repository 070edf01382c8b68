package held_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hogcast/hogcast/pkg/destination"
	"github.com/hogcast/hogcast/pkg/health"
	"github.com/hogcast/hogcast/pkg/held"
	"github.com/hogcast/hogcast/pkg/outcome"
	"github.com/hogcast/hogcast/pkg/queue"
	"github.com/hogcast/hogcast/test/natstest"
)

func TestWhatIsHeldForTooLongIsADeadLetter(t *testing.T) {
	t.Parallel()
	const holdMax = 2 * time.Second
	for name, change := range map[string]func(*destination.Destination, *health.Status){
		"a broken one":  func(_ *destination.Destination, s *health.Status) { s.LastProbe, s.Gap = time.Now(), time.Minute },
		"a paused one":  func(d *destination.Destination, s *health.Status) { d.Paused = true; s.Revision = "" },
		"a healthy one": func(_ *destination.Destination, s *health.Status) { s.State = health.Draining },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tn := newTown(t)
			to := destinationOf("acme")
			to.HoldMax = holdMax
			change(to, &health.Status{})
			tn.know(to)
			w := tn.worker(t, "a")
			tn.block(t, to, func(s *health.Status) { change(to, s) }, w)
			tn.hold(t, to.ID, "", 3)
			old := time.Now()
			<-time.After(holdMax)
			for n := range uint64(2) {
				if err := w.parker.Park(t.Context(), branch(to.ID, n+4)); err != nil {
					t.Fatal(err)
				}
			}
			tn.rouse(t, to.ID)
			natstest.Eventually(t, "the old ones are dead letters", func() bool { return len(w.sink.letters(outcome.Expired)) >= 3 })
			if time.Since(old) > 2*holdMax {
				return // this machine was too slow to tell the young from the old
			}
			if diff := cmp.Diff(texts(to.ID, 3), w.sink.letters(outcome.Expired)); diff != "" {
				t.Errorf("expired (-want +got):\n%s", diff)
			}
		})
	}
}

func TestHoldMaxHasADefaultOfTheKeeper(t *testing.T) {
	t.Parallel()
	tn := newTown(t)
	to := destinationOf("acme")
	to.Paused = true
	tn.know(to)
	tn.hold(t, to.ID, "", 2)
	w := tn.worker(t, "a", func(p *held.Params) { p.HoldMax = time.Millisecond })
	tn.rouse(t, to.ID)
	natstest.Eventually(t, "both are dead letters, and the wake-up is gone", func() bool {
		return len(w.sink.letters(outcome.Expired)) == 2 && tn.wakeupsFor(t, to.ID) == 0
	})
}

func TestWhatIsHeldForAMissingDestinationWaitsAWhile(t *testing.T) {
	t.Parallel()
	const missingFor = time.Second
	tn := newTown(t)
	id := destinationOf("acme").ID
	w := tn.worker(t, "a", func(p *held.Params) { p.MissingFor = missingFor })
	// The second time it is another that is missing: it came, and went.
	for round := range 2 {
		before := len(w.sink.letters(outcome.DestinationDeleted))
		tn.hold(t, id, "", 3)
		began := time.Now()
		tn.rouse(t, id)
		natstest.Eventually(t, "it is seen that it is missing", func() bool {
			return w.hand.Stats().Retried > int64(round) || len(w.sink.letters(outcome.DestinationDeleted)) > before
		})
		natstest.Eventually(t, "they are dead letters, and the wake-up is gone", func() bool {
			return len(w.sink.letters(outcome.DestinationDeleted)) == before+3 && tn.wakeupsFor(t, id) == 0 && w.keeper.Active() == 0
		})
		if took := time.Since(began); took < missingFor {
			t.Errorf("time %d: buried after %s, want at least %s", round+1, took, missingFor)
		}
		natstest.Eventually(t, "its mark is gone", func() bool { return len(w.board.Count()) == 0 })
	}
}

func TestADestinationThatComesInTimeGetsWhatIsHeld(t *testing.T) {
	t.Parallel()
	tn := newTown(t)
	to := destinationOf("acme")
	w := tn.worker(t, "a")
	tn.hold(t, to.ID, "", 3)
	tn.rouse(t, to.ID)
	natstest.Eventually(t, "it is missing", func() bool { return w.board.Status(to).Reason == outcome.Missing && w.hand.Stats().Retried == 1 })
	tn.know(to)
	w.board.Changed(tn.Current())
	natstest.Eventually(t, "all is delivered", func() bool { return len(w.sink.delivered()) == 3 })
	if got := w.sink.letters(outcome.DestinationDeleted); len(got) != 0 {
		t.Errorf("dead letters: %v", got)
	}
}

func TestTheSweepRepairsWhatACrashHasLeft(t *testing.T) {
	t.Parallel()
	tn := newTown(t)
	to, other := destinationOf("acme"), destinationOf("other")
	tn.know(to, other)
	tn.hold(t, to.ID, "", 3)
	tn.hold(t, other.ID, queue.HostToken(endpoint), 2)
	w := tn.worker(t, "a") // its first sweep is within 5 s
	natstest.Eventually(t, "all is delivered, and no wake-up is left", func() bool {
		return len(w.sink.delivered()) == 5 && tn.count(t, queue.StreamWakeups, ">") == 0
	})
}

func TestWhatIsHeldForAHostThatIsDownExpires(t *testing.T) {
	t.Parallel()
	tn := newTown(t)
	patient, impatient, other := destinationOf("patient"), destinationOf("impatient"), destinationOf("other")
	impatient.HoldMax, other.HoldMax = time.Millisecond, time.Millisecond
	tn.know(patient, impatient, other)
	token := queue.HostToken(endpoint)
	w := tn.idle(t, "a")
	tn.blockHost(t, token, w)
	// The oldest is held for longer than what comes after.
	tn.hold(t, patient.ID, token, 2)
	tn.hold(t, impatient.ID, token, 200)
	tn.hold(t, patient.ID, token, 1)
	tn.hold(t, other.ID, "", 3) // in its own line, of the same host
	w.sink.down.Store(true)
	w.stopKeeper = background(t, w.keeper.Run)
	if err := tn.outside.Rouse(t.Context(), queue.HostWakeupSubject(token)); err != nil {
		t.Fatal(err)
	}
	tn.rouse(t, other.ID)
	natstest.Eventually(t, "what is held for too long is buried", func() bool { return len(w.sink.letters(outcome.Expired)) == 203 })
	natstest.Eventually(t, "and gone", func() bool { return tn.count(t, queue.StreamHeldHosts, ">") == 3 && tn.heldFor(t, other.ID) == 0 })
	if got := tn.count(t, queue.StreamHeldHosts, queue.HeldHostSubject(token, "patient", "main")); got != 3 {
		t.Errorf("%d are held for the patient one, want 3", got)
	}
	natstest.Eventually(t, "no mark is left", func() bool { return w.keeper.Active() == 0 && len(tn.marks(t)) == 0 })
}

func TestWhatCantBeRoutedExpires(t *testing.T) {
	t.Parallel()
	tn := newTown(t)
	unrouted := destination.ID{Tenant: "acme", Name: queue.NoToken}
	tn.hold(t, unrouted, "", 3)
	w := tn.worker(t, "a", func(p *held.Params) { p.HoldMax = time.Millisecond })
	tn.rouse(t, unrouted)
	natstest.Eventually(t, "all are buried", func() bool { return tn.heldFor(t, unrouted) == 0 && tn.wakeupsFor(t, unrouted) == 0 })
	if got := w.sink.letters(outcome.Expired); len(got) != 3 {
		t.Errorf("expired: %v, want 3", got)
	}
}
