package replay_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/hogcast/hogcast/pkg/deadletter"
	"github.com/hogcast/hogcast/pkg/queue"
	"github.com/hogcast/hogcast/pkg/replay"
	"github.com/hogcast/hogcast/test/natstest"
)

// A job is cut at every step, at its beginning, in its middle and near its end,
// and resumed by another process: each letter is held once for each of its
// destinations, and is deleted or stays as it should.
func TestAJobThatIsCutAnywhereLosesNothingAndSendsNothingTwice(t *testing.T) {
	t.Parallel()
	const letters = 12
	for name, tt := range map[string]struct {
		to         string
		move       bool
		dest       string
		held, dead []string
	}{
		"back to their own": {held: lines("main g", letters), dest: "main"},
		"routed anew":       {held: append(lines("main g", letters), lines("other g", letters)...)},
		"copied to another": {to: "other", held: lines("other g", letters), dest: "main", dead: lines("main g", letters)},
		"moved to another":  {to: "other", move: true, held: lines("other g", letters), dest: "main"},
	} {
		all := newWorld(t)
		for i, step := range []string{
			"before publish", "after publish", "before wake-up", "after wake-up", "before delete", "after delete",
			"before page", "after page", "before get", "after get", "before save", "after save",
		} {
			for _, n := range []int{1, 3, letters} {
				w := all.as(fmt.Sprintf("t%d-%d", i, n))
				spec := replay.Spec{Filter: deadletter.Filter{Tenant: w.tenant}, To: tt.to, Move: tt.move}
				t.Run(fmt.Sprintf("%s, cut %s, the %d.", name, step, n), func(t *testing.T) {
					t.Parallel()
					w.buryMany(t, letters, tt.dest)
					both := knowing(w.to(nil, "main", "other"))
					ctx, mortal := w.die(t, step, n, both)
					job, err := mortal.Start(ctx, spec)
					if err == nil && ctx.Err() != nil {
						t.Fatalf("it died and says that all is well: %+v", job)
					}
					w.finish(t, spec, both)
					if diff := cmp.Diff(tt.held, w.held(t)); diff != "" {
						t.Errorf("held (-want +got):\n%s", diff)
					}
					if diff := cmp.Diff(tt.dead, w.dead(t), cmpopts.EquateEmpty()); diff != "" {
						t.Errorf("dead (-want +got):\n%s", diff)
					}
				})
			}
		}
	}
}

func TestALetterStaysUntilItIsHeldAndItsDestinationIsWoken(t *testing.T) {
	t.Parallel()
	all := newWorld(t)
	for i, step := range []string{"before publish", "after publish", "before wake-up", "before delete"} {
		w := all.as(fmt.Sprintf("t%d", i))
		w.buryMany(t, 20, "main")
		ctx, mortal := w.die(t, step, 1)
		if _, err := mortal.Start(ctx, replay.Spec{Filter: deadletter.Filter{Tenant: w.tenant}}); err == nil {
			t.Errorf("cut %s: it says that all is well", step)
		}
		differ(t, "letters after it was cut "+step, lines("main g", 20), w.dead(t))
	}
}

// finish resumes what job there is, as soon as its lease allows; where the dead
// process did not come to make one, it starts another.
func (w *world) finish(t *testing.T, spec replay.Spec, change ...func(*replay.Params)) {
	t.Helper()
	runner := w.runner("second", change...)
	jobs, err := w.jobs.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	jobs = slices.DeleteFunc(jobs, func(j replay.Job) bool { return j.Filter.Tenant != w.tenant })
	if len(jobs) == 0 {
		if _, err := runner.Start(t.Context(), spec); err != nil {
			t.Fatal(err)
		}
		return
	}
	natstest.Eventually(t, "the dead runner's lease runs out", func() bool {
		job, err := runner.Resume(t.Context(), jobs[0].ID)
		switch {
		case errors.Is(err, replay.ErrBusy):
			return false
		case errors.Is(err, replay.ErrOver): // its end was written, the answer lost
		case err != nil || job.State != replay.Done:
			t.Fatalf("%v: %+v", err, job)
		}
		return true
	})
	if subjects := w.wakeups(t); len(subjects) == 0 {
		t.Error("nobody was woken")
	}
}

// Whoever resumes long after, outside the window in which the server knows ids,
// sends again what was on its way, and no more: what was saved is behind it.
func TestOutsideTheDuplicateWindowOnlyTheCrashWindowIsSentTwice(t *testing.T) {
	t.Parallel()
	const letters = 500
	w := newWorld(t)
	w.buryMany(t, letters, "main")
	both := w.to(nil, "main", "other")
	spec := replay.Spec{Filter: deadletter.Filter{Tenant: "acme"}, To: "other"}
	ctx, mortal := w.die(t, "after publish", 300, knowing(both))
	if _, err := mortal.Start(ctx, spec); err == nil {
		t.Fatal("it should have died")
	}
	first := len(w.held(t))
	w.forgetIDs(t)
	w.finish(t, spec, knowing(both))
	seen := map[string]bool{}
	for _, one := range w.held(t) {
		seen[one] = true
	}
	if len(seen) != letters {
		t.Errorf("%d of %d letters are held", len(seen), letters)
	}
	const crashWindow = 128 + 8 // a turn, and what was on its way
	if twice := len(w.held(t)) - letters; first < 300 || twice > crashWindow {
		t.Errorf("%d were held when it died; %d were sent twice", first, twice)
	}
}

// forgetIDs has the server forget the ids of what HELD took.
func (w *world) forgetIDs(t *testing.T) {
	t.Helper()
	stream, err := w.conn.JS.Stream(t.Context(), queue.StreamHeld)
	if err != nil {
		t.Fatal(err)
	}
	config := stream.CachedInfo().Config
	config.Duplicates = 1e8 // the least that the server takes
	if _, err := w.conn.JS.UpdateStream(t.Context(), config); err != nil {
		t.Fatal(err)
	}
	const id = "a probe"
	w.idForgotten(t, id) // stores it
	natstest.Eventually(t, "an id is forgotten", func() bool { return w.idForgotten(t, id) })
}

// idForgotten publishes with an id again and tells whether it was stored.
func (w *world) idForgotten(t *testing.T, id string) bool {
	t.Helper()
	subject := queue.HeldSubject("probe", "probe")
	if err := w.conn.Publish(t.Context(), queue.Message{Subject: subject, ID: id}); err != nil {
		t.Fatal(err)
	}
	counts, err := w.conn.CountBySubject(t.Context(), queue.StreamHeld, subject)
	if err != nil {
		t.Fatal(err)
	}
	if counts[subject] == 0 {
		return false
	}
	if err := w.store(t, queue.StreamHeld).Purge(t.Context(), subject, 1<<60); err != nil {
		t.Fatal(err)
	}
	return true
}
