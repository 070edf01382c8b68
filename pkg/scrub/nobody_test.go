package scrub_test

import (
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hogcast/hogcast/pkg/deadletter"
	"github.com/hogcast/hogcast/pkg/destination"
	"github.com/hogcast/hogcast/pkg/envelope"
	"github.com/hogcast/hogcast/pkg/outcome"
	"github.com/hogcast/hogcast/pkg/queue"
	"github.com/hogcast/hogcast/pkg/scrub"
	"github.com/hogcast/hogcast/test/natstest"
)

var acmeMain = []destination.ID{{Tenant: "acme", Name: "main"}}

// bury stores a letter of acme for no destination.
func (r *rig) bury(t *testing.T, n uint64, reason outcome.DeadReason, body []byte) {
	t.Helper()
	l := deadletter.Letter{Tenant: "acme", Reason: reason, Envelope: envelope.Envelope{Source: sourceOf(n), Body: body}}
	if _, err := deadletter.NewWriter(r.conn, 1<<20).Write(t.Context(), l); err != nil {
		t.Fatal(err)
	}
}

func (r *rig) none() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.set = destination.NewSet(nil)
}

func TestLettersForNoDestinationAreScrubbed(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for i, reason := range []outcome.DeadReason{outcome.NoDestination, outcome.Malformed, outcome.CrashesWorker} {
		r.bury(t, uint64(i), reason, recordOf("acme", "g")) //nolint:gosec // small
	}
	r.bury(t, 7, outcome.NoDestination, []byte(canary)) // of a version that could read it
	for i, body := range [][]byte{recordOf("acme", "h"), []byte(canary)} {
		e := envelope.Envelope{Source: sourceOf(uint64(i)), Reason: string(outcome.Guarded), Body: body} //nolint:gosec // small
		err := r.conn.Publish(t.Context(), queue.Message{Subject: queue.HeldSubject("acme", queue.NoToken), ID: string(body), Header: e.Headers(), Body: e.Body})
		if err != nil {
			t.Fatal(err)
		}
	}
	s := r.run(t)
	r.force("acme")
	s.Changed(acmeMain)
	r.done(t)
	all := r.stored(t, "acme")
	if len(all) != 6 || leaks(all) != 0 {
		t.Errorf("%d messages, %d of them leak", len(all), leaks(all))
	}
	kept := map[string]int{}
	for _, m := range all {
		e, err := envelope.Parse(m.Header, m.Body)
		if err != nil {
			t.Fatal(err)
		}
		if e.Replayable() {
			kept[m.Subject]++
			if !strings.Contains(string(e.Body), `"model":"m"`) {
				t.Errorf("%s: %s", m.Subject, e.Body)
			}
		}
	}
	if len(kept) != 2 || kept["hogcast.dead.acme._.no_destination"] != 1 || kept["hogcast.held.acme._"] != 1 {
		t.Errorf("what can be read is kept as the rules allow: %v", kept)
	}
}

func TestWhatWasStoredWhileRulesWereOffIsScrubbedWhenTheyAreOnAgain(t *testing.T) {
	t.Parallel()
	for name, gone := range map[string]bool{"off": false, "gone": true} {
		r := newRig(t)
		r.fill(t, "acme", 1)
		r.force("acme")
		s := r.run(t)
		r.done(t)
		r.force()
		if gone {
			r.none()
		}
		s.Changed(acmeMain) // which need not be looked at before the rules are back
		r.bury(t, 50, outcome.NoDestination, recordOf("acme", "g"))
		r.force("acme")
		s.Changed(acmeMain)
		natstest.Eventually(t, name, func() bool { return leaks(r.stored(t, "acme")) == 0 })
	}
}

func TestAChangeBetweenTwoLivesOfAWorkerIsNoticed(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.fill(t, "acme", 1)
	r.force("acme")
	stop := r.start(t)
	r.done(t)
	stop()
	r.force()
	stop = r.start(t) // it never saw the rules
	natstest.Eventually(t, "the job is outdated", func() bool {
		job, _, err := r.jobs(t).Get(t.Context(), acmeMain[0])
		return err == nil && len(job.Rules) == 0
	})
	stop()
	r.bury(t, 50, outcome.NoDestination, recordOf("acme", "g"))
	r.force("acme")
	r.run(t)
	natstest.Eventually(t, "the scrub", func() bool { return leaks(r.stored(t, "acme")) == 0 })
}

func TestAFullHeldStreamIsScrubbedAllTheSame(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(p *queue.Params) { p.HeldQuota = 3 })
	r.fill(t, "acme", 3)
	r.force("acme")
	r.run(t)
	r.done(t)
	all := r.stored(t, "acme")
	if len(all) != 10 || leaks(all) != 0 {
		t.Errorf("%d messages of 10, %d of them leak", len(all), leaks(all))
	}
	full := 0
	for _, m := range all {
		if strings.HasSuffix(m.Subject, string(outcome.HeldFull)) {
			full++
		}
	}
	if full != 2 { // the first of each held line makes room for the rest
		t.Errorf("%d letters for want of room, want 2", full)
	}
}

func TestOneOfTheFleetLooksForWhatIsToBeScrubbed(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.fill(t, "acme", 3)
	r.force("acme")
	var speaks atomic.Bool
	s := r.run(t, func(p *scrub.Params) { p.Speaks = speaks.Load })
	s.Changed(acmeMain)
	silent := time.After(500 * time.Millisecond) // 25 looks
	for waiting := true; waiting; {
		select {
		case <-silent:
			waiting = false
		case <-time.After(20 * time.Millisecond):
		}
		if all, err := r.jobs(t).List(t.Context()); err != nil || len(all) > 0 {
			t.Fatalf("another's work: %+v, %v", all, err)
		}
	}
	speaks.Store(true)
	r.done(t)
	if n := leaks(r.stored(t, "acme")); n != 0 {
		t.Errorf("%d messages leak", n)
	}
}

func TestAWorkerThatDoesNotSpeakHelps(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.fill(t, "acme", 3)
	r.force("acme")
	if _, err := r.jobs(t).Ask(t.Context(), acmeMain[0], "somebody"); err != nil {
		t.Fatal(err)
	}
	r.run(t, func(p *scrub.Params) { p.Speaks = func() bool { return false } })
	r.done(t)
}
