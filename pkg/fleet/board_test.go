package fleet_test

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hogcast/hogcast/pkg/destination"
	"github.com/hogcast/hogcast/pkg/fleet"
	"github.com/hogcast/hogcast/pkg/health"
	"github.com/hogcast/hogcast/pkg/outcome"
)

func TestAnUnknownDestinationPasses(t *testing.T) {
	t.Parallel()
	b := fleet.New(fleet.Params{Worker: "w1"})
	to := destinationOf("acme")
	if got := b.Admit(to); got.Gate != fleet.Pass {
		t.Errorf("admission = %+v, want pass", got)
	}
	if got := b.Workers(); got != 1 {
		t.Errorf("workers = %d, want 1: this one", got)
	}
}

func TestOneProbeAtATimeFleetWide(t *testing.T) {
	t.Parallel()
	tn := newTown(t)
	a, b := tn.worker(t, "a"), tn.worker(t, "b")
	to := destinationOf("acme")
	key := fleet.Key{ID: to.ID}
	tn.write(t, to.String(), long(to))
	for range 150 {
		within(t, promptly, "both may probe", func() bool {
			one, other := a.Status(to), b.Status(to)
			return one.Blocked() && other.Blocked() && one.NotBefore.Equal(other.NotBefore) && time.Now().After(one.NotBefore)
		})
		var won atomic.Int32
		var racing sync.WaitGroup
		winner := make(chan worker, 2)
		for _, w := range []worker{a, b} {
			racing.Go(func() {
				if w.Claim(t.Context(), key) {
					won.Add(1)
					winner <- w
				}
			})
		}
		racing.Wait()
		if got := won.Load(); got != 1 {
			t.Fatalf("%d of two workers may probe, want 1", got)
		}
		if a.Claim(t.Context(), key) || b.Claim(t.Context(), key) {
			t.Fatal("a second probe while one is under way")
		}
		w := <-winner
		w.Probed(key, health.Probe{Sample: timedOut()}, false)
	}
}

func TestTheProbeOfADeadWorkerIsTakenOver(t *testing.T) {
	t.Parallel()
	tn := newTown(t)
	short := func(p *fleet.Params) { p.ProbeLimit = 300 * time.Millisecond }
	a, b := tn.worker(t, "a", short), tn.worker(t, "b", short)
	to := destinationOf("acme")
	key := fleet.Key{ID: to.ID}
	tn.write(t, to.String(), long(to))
	within(t, promptly, "both know of it", func() bool { return gate(a, to) == fleet.Park && gate(b, to) == fleet.Park })
	if !a.Claim(t.Context(), key) {
		t.Fatal("a claim that nobody else wants was lost")
	}
	claimed := time.Now()
	a.stop()
	within(t, patience, "the other may probe", func() bool { return b.Claim(t.Context(), key) })
	if waited := time.Since(claimed); waited < 200*time.Millisecond {
		t.Errorf("taken over after %s, before the probe's limit", waited)
	}
}

func TestAFreshEventIsTheProbe(t *testing.T) {
	t.Parallel()
	tn := newTown(t)
	a := tn.worker(t, "a")
	to := destinationOf("acme")
	key := fleet.Key{ID: to.ID}
	tn.write(t, to.String(), long(to))
	within(t, promptly, "the state is known", func() bool { return gate(a, to) == fleet.Park })
	if got := a.Admit(to); got.Gate != fleet.Probe || got.Reason != "server_error" {
		t.Fatalf("admission = %+v, want a probe", got)
	}
	if got := a.Admit(to); got.Gate != fleet.Park {
		t.Fatalf("admission while one is to be the probe = %+v, want park", got)
	}
	if !a.Claim(t.Context(), key) {
		t.Fatal("a claim that nobody else wants was lost")
	}
	probed := time.Now()
	a.Probed(key, health.Probe{Sample: timedOut()}, false)
	within(t, 4*time.Second, "the next is a probe again", func() bool { return a.Admit(to).Gate == fleet.Probe })
	if gap := time.Since(probed); gap < health.FreshGapMin-100*time.Millisecond || gap > health.FreshGapMax+200*time.Millisecond {
		t.Errorf("the next probe %s after the last; want 1 to 3 s", gap)
	}
	if !a.Claim(t.Context(), key) {
		t.Fatal("a claim that nobody else wants was lost")
	}
	a.Probed(key, health.Probe{Sample: accepted()}, true)
	if got := a.Admit(to); got.Gate != fleet.Pass {
		t.Errorf("admission after a successful probe = %+v, want pass", got)
	}
}

func TestALostClaimLetsTheNextTry(t *testing.T) {
	t.Parallel()
	tn := newTown(t)
	a, b := tn.worker(t, "a"), tn.worker(t, "b")
	to := destinationOf("acme")
	key := fleet.Key{ID: to.ID}
	tn.write(t, to.String(), long(to))
	within(t, promptly, "both know of it", func() bool { return gate(a, to) == fleet.Park && gate(b, to) == fleet.Park })
	if a.Admit(to).Gate != fleet.Probe || !b.Claim(t.Context(), key) || a.Claim(t.Context(), key) {
		t.Fatal("b should have won")
	}
	b.Probed(key, health.Probe{Sample: timedOut()}, false)
	within(t, 5*time.Second, "the loser is asked to probe later", func() bool { return a.Admit(to).Gate == fleet.Probe })
}

func TestNobodyClaimsWhatIsHealthy(t *testing.T) {
	t.Parallel()
	tn := newTown(t)
	a := tn.worker(t, "a")
	to := destinationOf("acme")
	if a.Claim(t.Context(), fleet.Key{ID: to.ID}) || a.ClaimTurn(t.Context(), to.ID, "") {
		t.Error("claimed a destination that nothing is known of")
	}
	asked := long(to)
	asked.NotBefore = time.Now().Add(time.Hour)
	tn.write(t, to.String(), asked)
	within(t, promptly, "the state is known", func() bool { return gate(a, to) == fleet.Park })
	if a.Claim(t.Context(), fleet.Key{ID: to.ID}) {
		t.Error("claimed before the time that it asked for")
	}
	if got := a.Admit(to); got.Gate != fleet.Park {
		t.Errorf("admission = %+v before the time that it asked for, want park", got)
	}
	if got := tn.stored(t, to.String()); got.Worker != "w0" {
		t.Errorf("a claim that was refused was written: %+v", got)
	}
}

func TestAProbeOfWhatIsClearedElsewhereLeavesNoTrace(t *testing.T) {
	t.Parallel()
	tn := newTown(t)
	a, b := tn.worker(t, "a"), tn.worker(t, "b")
	to := destinationOf("acme")
	key := fleet.Key{ID: to.ID}
	tn.write(t, to.String(), long(to))
	within(t, promptly, "both know of it", func() bool { return gate(a, to) == fleet.Park && gate(b, to) == fleet.Park })
	if !a.Claim(t.Context(), key) {
		t.Fatal("a claim that nobody else wants was lost")
	}
	within(t, promptly, "the other knows of the claim", func() bool { return b.Status(to).Worker == "a" })
	b.Observe(to, accepted())
	within(t, promptly, "it is healthy", func() bool { return gate(a, to) == fleet.Pass })
	a.Probed(key, health.Probe{Sample: timedOut()}, false)
	if gate(a, to) != fleet.Pass {
		t.Error("a failed probe from before the success counts")
	}
	if got := a.Count(); len(got) != 0 {
		t.Errorf("count = %v of destinations that are not healthy, want none", got)
	}
}

func TestOneFailedProbeOnlyDelaysTheNext(t *testing.T) {
	t.Parallel()
	tn := newTown(t)
	a := tn.worker(t, "a")
	to := destinationOf("acme")
	key := fleet.Key{ID: to.ID}
	tn.write(t, to.String(), long(to))
	within(t, promptly, "the state is known", func() bool { return gate(a, to) == fleet.Park })
	if !a.ClaimTurn(t.Context(), to.ID, "") {
		t.Fatal("a claim that nobody else wants was lost")
	}
	a.Probed(key, health.Probe{Sample: timedOut(), Held: true}, false)
	within(t, promptly, "the bucket knows of the longer gap", func() bool { return tn.stored(t, to.String()).Gap == 2*health.FirstGap })
	got := a.Status(to)
	if !got.Blocked() || got.Reason != "timeout" || !got.Since.Equal(long(to).Since) && time.Since(got.Since) < 9*time.Minute {
		t.Errorf("status = %+v", got)
	}
}

// told are the matches that Blocked was called with.
type told struct {
	mu  sync.Mutex
	all []func(*destination.Destination) bool
}

func (b *told) blocked(match func(*destination.Destination) bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.all = append(b.all, match)
}

func (b *told) get() []func(*destination.Destination) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]func(*destination.Destination) bool(nil), b.all...)
}

func TestWhoeverSendsIsToldOnceOfWhatIsBlocked(t *testing.T) {
	t.Parallel()
	tn := newTown(t)
	var atA, atB told
	a := tn.worker(t, "a", func(p *fleet.Params) { p.Blocked = atA.blocked })
	b := tn.worker(t, "b", func(p *fleet.Params) { p.Blocked = atB.blocked })
	to := destinationOf("acme")
	a.Observe(to, unauthorized())
	a.Observe(to, unauthorized())
	within(t, promptly, "the other worker is told", func() bool { return gate(b, to) == fleet.Park && len(atB.get()) > 0 })
	news := long(to) // still blocked, for another reason
	news.State, news.Reason = health.Held, "forbidden"
	tn.write(t, to.String(), news)
	within(t, promptly, "both know the news", func() bool {
		return a.Status(to).Reason == "forbidden" && b.Status(to).Reason == "forbidden"
	})
	for name, got := range map[string][]func(*destination.Destination) bool{"a": atA.get(), "b": atB.get()} {
		if len(got) != 1 {
			t.Errorf("%s was told %d times, want once", name, len(got))
			continue
		}
		if match := got[0]; !match(to) || match(mended(to)) || match(destinationOf("other")) {
			t.Errorf("%s was told of: itself %t, its next revision %t, another %t; want it alone",
				name, match(to), match(mended(to)), match(destinationOf("other")))
		}
	}
	tn.write(t, "_host."+a.Token(to), long(to))
	within(t, promptly, "a host that is down is told of", func() bool { return len(atA.get()) == 2 })
	elsewhere := destinationOf("elsewhere")
	elsewhere.Endpoint = "https://eu.example.com"
	if match := atA.get()[1]; !match(destinationOf("other")) || match(elsewhere) {
		t.Errorf("told of: another at the host %t, one elsewhere %t; want true, false", match(destinationOf("other")), match(elsewhere))
	}
	if got := outcome.HoldReason("forbidden"); a.Standing(to).Reason != got {
		t.Errorf("its own state comes before its host's: %+v", a.Standing(to))
	}
}
