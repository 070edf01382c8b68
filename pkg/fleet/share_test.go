package fleet_test

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hogcast/hogcast/pkg/destination"
	"github.com/hogcast/hogcast/pkg/fleet"
	"github.com/hogcast/hogcast/pkg/health"
	"github.com/hogcast/hogcast/pkg/outcome"
	"github.com/hogcast/hogcast/pkg/queue"
)

func TestAStateIsInForceOnTheOtherWorkers(t *testing.T) {
	t.Parallel()
	tn := newTown(t)
	a, b := tn.worker(t, "a"), tn.worker(t, "b")
	to := destinationOf("acme")
	a.Observe(to, unauthorized())
	if got := a.Standing(to); got.Gate != fleet.Park || got.Reason != "unauthorized" {
		t.Fatalf("where it was seen: %+v", got)
	}
	within(t, promptly, "the other worker holds its events", func() bool { return gate(b, to) == fleet.Park })
	got := b.Status(to)
	if got.State != health.Held || got.Reason != "unauthorized" || got.Code != 401 || got.Worker != "a" || got.Revision != to.Revision() {
		t.Errorf("status = %+v", got)
	}
	if other := destinationOf("other"); gate(b, other) != fleet.Pass || gate(a, other) != fleet.Pass {
		t.Error("another destination's events are held as well")
	}
	if got := b.Count(); got[health.Held] != 1 || len(got) != 1 {
		t.Errorf("count = %v, want one held", got)
	}
	late := tn.worker(t, "c")
	if gate(late, to) != fleet.Park {
		t.Error("a worker that has caught up does not know of it")
	}
}

func TestSuccessOnOneWorkerClearsOnTheOther(t *testing.T) {
	t.Parallel()
	tn := newTown(t)
	a, b := tn.worker(t, "a"), tn.worker(t, "b")
	to := destinationOf("acme")
	key := to.String()
	for round := range 20 {
		a.Observe(to, unauthorized())
		within(t, promptly, "the other worker holds its events", func() bool { return gate(b, to) == fleet.Park })
		from, seen := b, a
		if round%2 == 1 {
			from, seen = a, b
		}
		from.Observe(to, accepted())
		if gate(from, to) != fleet.Pass {
			t.Fatal("it is not healthy at once where it accepted something")
		}
		within(t, promptly, "it is healthy on the other worker", func() bool { return gate(seen, to) == fleet.Pass })
		within(t, promptly, "the bucket says nothing of it", func() bool { return tn.stored(t, key).State == "" })
	}
	within(t, promptly, "what is held for it is woken", func() bool {
		return tn.wakeups(t)[queue.WakeupSubject("acme", "main")] == 1
	})
	for _, w := range []worker{a, b} {
		within(t, promptly, "nothing is remembered of it", func() bool { return len(w.Count()) == 0 })
	}
}

func TestASuccessfulTurnWakesNobody(t *testing.T) {
	t.Parallel()
	tn := newTown(t)
	a := tn.worker(t, "a")
	to, other := destinationOf("acme"), destinationOf("other")
	tn.write(t, to.String(), long(to))
	tn.write(t, other.String(), long(other))
	within(t, promptly, "the states are known", func() bool { return gate(a, to) == fleet.Park && gate(a, other) == fleet.Park })
	if !a.ClaimTurn(t.Context(), to.ID, "") || !a.Claim(t.Context(), fleet.Key{ID: other.ID}) {
		t.Fatal("a claim that nobody else wants was lost")
	}
	a.Probed(fleet.Key{ID: to.ID}, health.Probe{Sample: accepted(), Held: true}, true)
	a.Probed(fleet.Key{ID: other.ID}, health.Probe{Sample: accepted()}, true)
	within(t, promptly, "what is held for the other is woken", func() bool {
		return tn.wakeups(t)[queue.WakeupSubject("other", "main")] == 1
	})
	within(t, promptly, "both are healthy", func() bool { return len(a.Count()) == 0 })
	if got := tn.wakeups(t); len(got) != 1 {
		t.Errorf("wake-ups = %v; the turn goes on by itself", got)
	}
}

func TestAStateOfAnotherVersionIsLeftAlone(t *testing.T) {
	t.Parallel()
	tn := newTown(t)
	a := tn.worker(t, "a")
	to := destinationOf("acme")
	if err := tn.bucket(t, queue.BucketState).Set(t.Context(), to.String(), []byte("{not json")); err != nil {
		t.Fatal(err)
	}
	tn.write(t, "other.main", long(destinationOf("other")))
	within(t, promptly, "the next state is known", func() bool { return gate(a, destinationOf("other")) == fleet.Park })
	if gate(a, to) != fleet.Pass {
		t.Error("a state that can't be read holds events")
	}
}

func TestWorkersInConflictConverge(t *testing.T) {
	t.Parallel()
	tn := newTown(t)
	a, b := tn.worker(t, "a"), tn.worker(t, "b")
	all := tenants(40)
	for _, to := range all {
		one, other := unauthorized(), unauthorized()
		other.Cause, other.Status = outcome.PaymentRequired, 402
		a.Observe(to, one)
		b.Observe(to, other)
	}
	for _, to := range all {
		agree(t, tn, to, a, b)
		if a.Status(to).State != health.Held {
			t.Errorf("%s: status %+v", to.ID, a.Status(to))
		}
	}
}

// agree waits until both workers say of a destination what the bucket says.
func agree(t *testing.T, tn *town, to *destination.Destination, workers ...worker) {
	t.Helper()
	same := func() (diff string) {
		want := plain(tn.stored(t, to.String()))
		for _, w := range workers {
			diff += cmp.Diff(want, plain(w.Status(to)))
		}
		return diff
	}
	var diff string
	late := time.Now().Add(5 * time.Second)
	for diff = same(); diff != "" && time.Now().Before(late); diff = same() {
		<-time.After(2 * time.Millisecond)
	}
	if diff != "" {
		t.Errorf("%s: the bucket and the workers differ (-bucket +worker):\n%s", to.ID, diff)
	}
}

// plain is a status without what does not survive the bucket.
func plain(s health.Status) health.Status {
	if s.State == health.Healthy {
		return health.Status{}
	}
	for _, at := range []*time.Time{&s.Since, &s.LastProbe, &s.NotBefore} {
		*at = at.UTC().Round(0)
	}
	return s
}

// Whatever workers do at the same time: in the end all say what the bucket says.
func TestWhateverHappensWorkersConverge(t *testing.T) {
	t.Parallel()
	tn := newTown(t)
	workers := []worker{tn.worker(t, "a"), tn.worker(t, "b"), tn.worker(t, "c")}
	all := tenants(6)
	seed := uint64(time.Now().UnixNano()) //nolint:gosec // any number will do
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 1)) //nolint:gosec // a test's dice
	for range 2000 {
		w, to := workers[random.IntN(len(workers))], all[random.IntN(len(all))]
		switch random.IntN(9) {
		case 0, 1:
			w.Observe(to, unauthorized())
		case 2:
			w.Observe(to, timedOut())
		case 3, 4:
			w.Observe(to, accepted())
		case 5:
			w.Mark(to.ID, to.Revision(), outcome.OwnerPaused)
		case 6:
			w.Unmark(to.ID)
		case 7:
			w.Draining(to.ID, random.IntN(2) == 0)
		case 8:
			if w.Claim(t.Context(), fleet.Key{ID: to.ID}) {
				w.Probed(fleet.Key{ID: to.ID}, health.Probe{Sample: timedOut()}, random.IntN(2) == 0)
			}
		}
	}
	for _, to := range all {
		agree(t, tn, to, workers...)
	}
}

func TestWorkersAreCountedWhileTheyLive(t *testing.T) {
	t.Parallel()
	tn := newTown(t)
	names := []string{"host.example:8080 (1)", "b", "c"}
	var workers []worker
	for _, name := range names {
		workers = append(workers, tn.worker(t, name))
	}
	living := func() int {
		n, err := tn.bucket(t, queue.BucketWorkers).Count(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	within(t, promptly, "three workers are counted", func() bool { return living() == 3 })
	next := tn.worker(t, "d")
	within(t, promptly, "a new worker counts all four", func() bool { return next.Workers() == 4 })
	for _, w := range workers {
		w.stop()
	}
	if got := living(); got != 1 {
		t.Errorf("%d workers are counted after three of four have stopped", got)
	}
	last := tn.worker(t, "e")
	within(t, promptly, "a new worker counts those that are left", func() bool { return last.Workers() == 2 })
}

func TestWorkersKnowWhoLives(t *testing.T) {
	t.Parallel()
	tn := newTown(t)
	b, a := tn.worker(t, "b.1"), tn.worker(t, "a.1")
	if b.Me() != "b_1" {
		t.Errorf("it calls itself %q", b.Me())
	}
	within(t, promptly, "each names both, in their order", func() bool {
		return slices.Equal(a.Living(), []string{"a_1", "b_1"}) && slices.Equal(b.Living(), a.Living())
	})
	b.stop()
	within(t, promptly, "the one that is left names itself alone", func() bool { return slices.Equal(a.Living(), []string{"a_1"}) })
}

func TestTheKeysOfWorkersAreKeys(t *testing.T) {
	t.Parallel()
	tn := newTown(t)
	tn.worker(t, "höst/1 *.>")
	within(t, promptly, "it is counted", func() bool {
		keys, err := tn.outside.CountBySubject(t.Context(), "KV_"+queue.BucketWorkers, ">")
		if err != nil {
			t.Fatal(err)
		}
		for key := range keys {
			return strings.Count(key, ".") == 2 && !slices.ContainsFunc([]byte(key), func(b byte) bool { return b > '~' })
		}
		return false
	})
}
