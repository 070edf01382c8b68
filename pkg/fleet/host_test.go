package fleet_test

import (
	"testing"

	"github.com/hogcast/hogcast/pkg/fleet"
	"github.com/hogcast/hogcast/pkg/health"
	"github.com/hogcast/hogcast/pkg/outcome"
	"github.com/hogcast/hogcast/pkg/queue"
)

func TestAHostIsDownWhenTwentyOfItsDestinationsAre(t *testing.T) {
	t.Parallel()
	tn := newTown(t)
	a, b := tn.worker(t, "a"), tn.worker(t, "b")
	all := tenants(health.HostDestinations)
	other, elsewhere := destinationOf("other"), destinationOf("elsewhere")
	elsewhere.Endpoint = "https://eu.example.com"
	for _, to := range all[1:] {
		a.Observe(to, timedOut())
	}
	if gate(a, other) != fleet.Pass {
		t.Fatal("a host is down with 19 destinations")
	}
	a.Observe(all[0], timedOut())
	token := a.Token(other)
	for name, w := range map[string]worker{"a": a, "b": b} {
		within(t, promptly, name+" holds what goes to the host", func() bool { return gate(w, other) == fleet.Park })
		if got := w.Standing(other); got.Host != token || got.Reason != "timeout" {
			t.Errorf("%s: standing = %+v", name, got)
		}
		if got := w.Standing(all[3]); got.Host != token {
			t.Errorf("%s: one of the twenty is not held with its host: %+v", name, got)
		}
		if gate(w, elsewhere) != fleet.Pass {
			t.Errorf("%s: another host's events are held", name)
		}
		if got := w.HostStatus(token); got.State != health.Open || got.Host != endpoint {
			t.Errorf("%s: status = %+v", name, got)
		}
		within(t, promptly, "all are counted", func() bool { return w.Count()[health.Open] == health.HostDestinations })
	}
	// Some wait for their owner: not for the host.
	a.Observe(all[5], unauthorized())
	within(t, promptly, "the owner's fault is known", func() bool { return b.Status(all[5]).State == health.Held })
	b.Observe(other, accepted())
	for name, w := range map[string]worker{"a": a, "b": b} {
		within(t, promptly, name+" knows that all is well but one", func() bool {
			return gate(w, other) == fleet.Pass && len(w.Count()) == 1 && w.Count()[health.Held] == 1
		})
	}
	within(t, promptly, "what is held for the host is woken, and for the destinations", func() bool {
		n := tn.wakeups(t)
		return n[queue.HostWakeupSubject(token)] == 1 && n[queue.WakeupSubject("t3", "main")] == 1
	})
	if tn.wakeups(t)[queue.WakeupSubject("t5", "main")] != 0 {
		t.Error("what waits for its owner was woken")
	}
}

func TestAHostThatTakesSomethingIsNotDown(t *testing.T) {
	t.Parallel()
	tn := newTown(t)
	a := tn.worker(t, "a")
	other := destinationOf("other")
	a.Observe(other, accepted())
	for _, to := range tenants(health.HostDestinations + 5) {
		a.Observe(to, timedOut())
	}
	if gate(a, other) != fleet.Pass {
		t.Error("a host that accepted something a moment ago is down")
	}
}

func TestOwnersFaultsPutNoHostDown(t *testing.T) {
	t.Parallel()
	tn := newTown(t)
	a := tn.worker(t, "a")
	for _, to := range tenants(health.HostDestinations + 5) {
		a.Observe(to, unauthorized())
	}
	if gate(a, destinationOf("other")) != fleet.Pass {
		t.Error("25 wrong keys put a host down")
	}
}

// A worker that learns of states before it has sent anything to their host
// counts them all the same.
func TestStatesOfOthersCountForAHost(t *testing.T) {
	t.Parallel()
	tn := newTown(t)
	a, b := tn.worker(t, "a"), tn.worker(t, "b")
	all := tenants(2*health.HostDestinations + 10)
	first, second := all[:10], all[10:20]
	for _, to := range first {
		a.Observe(to, timedOut())
	}
	within(t, promptly, "b knows of the first ten", func() bool { return b.Count()[health.Open] == len(first) })
	for _, to := range second {
		b.Observe(to, timedOut())
	}
	if gate(b, destinationOf("other")) != fleet.Park {
		t.Error("twenty destinations of a host are open, ten of them by others' word; it is not down")
	}
}

func TestStatesThatEndAreNotCountedTwice(t *testing.T) {
	t.Parallel()
	tn := newTown(t)
	a, b := tn.worker(t, "a"), tn.worker(t, "b")
	all := tenants(2 * health.HostDestinations)
	for _, to := range all[:10] {
		a.Observe(to, timedOut())
	}
	within(t, promptly, "b knows of them", func() bool { return b.Count()[health.Open] == 10 })
	interrupted := health.Sample{Cause: outcome.Interrupted}
	b.Observe(destinationOf("other"), interrupted) // b has now heard of the host
	for _, to := range all[:10] {
		a.Observe(to, accepted())
	}
	within(t, promptly, "they are healthy again", func() bool { return len(b.Count()) == 0 && len(a.Count()) == 0 })
	for _, to := range all[10 : 10+health.HostDestinations] {
		b.Observe(to, timedOut())
	}
	if gate(b, destinationOf("other")) != fleet.Park {
		t.Error("twenty destinations of a host are open; it is not down")
	}
}

func TestAHostIsProbedOnceForAll(t *testing.T) {
	t.Parallel()
	tn := newTown(t)
	a, b := tn.worker(t, "a"), tn.worker(t, "b")
	to, other := destinationOf("acme"), destinationOf("other")
	token := a.Token(to)
	down := long(to)
	down.Revision, down.Host = "", endpoint
	tn.write(t, "_host."+token, down)
	tn.write(t, to.String(), long(to))
	within(t, promptly, "both know of it", func() bool { return gate(a, other) == fleet.Park && gate(b, other) == fleet.Park })
	got := a.Admit(other)
	if got.Gate != fleet.Probe || got.Host != token {
		t.Fatalf("admission = %+v, want a probe of the host", got)
	}
	if got := a.Admit(to); got.Gate != fleet.Park {
		t.Errorf("admission of another at the host = %+v, want park", got)
	}
	key := fleet.Key{ID: other.ID, Host: token}
	if !a.Claim(t.Context(), key) || b.Claim(t.Context(), key) || b.Claim(t.Context(), fleet.Key{ID: to.ID, Host: token}) {
		t.Fatal("one probe of a host at a time")
	}
	a.Probed(key, health.Probe{Sample: timedOut()}, false)
	if gate(a, other) != fleet.Park {
		t.Error("a failed probe ended the outage")
	}
	within(t, promptly, "b knows of the failed probe", func() bool { return b.HostStatus(token).Reason == "timeout" })
	if !b.ClaimTurn(t.Context(), other.ID, token) {
		t.Fatal("a claim that nobody else wants was lost")
	}
	b.Probed(key, health.Probe{Sample: accepted(), Held: true}, true)
	for name, w := range map[string]worker{"a": a, "b": b} {
		within(t, promptly, name+" passes all", func() bool { return gate(w, other) == fleet.Pass && gate(w, to) == fleet.Pass })
	}
}

// The destination that stands in for its host may be broken for itself: its
// own answer shows that the host is there.
func TestAHostThatAnswersTheProbeIsNotDown(t *testing.T) {
	t.Parallel()
	tn := newTown(t)
	a := tn.worker(t, "a")
	other := destinationOf("other")
	token := a.Token(other)
	down := long(other)
	down.Revision, down.Host = "", endpoint
	tn.write(t, "_host."+token, down)
	within(t, promptly, "the host is down", func() bool { return gate(a, other) == fleet.Park })
	key := fleet.Key{ID: destinationOf("acme").ID, Host: token}
	if !a.Claim(t.Context(), key) {
		t.Fatal("a claim that nobody else wants was lost")
	}
	a.Probed(key, health.Probe{Sample: unauthorized(), Held: true}, false)
	if got := a.Standing(other); got.Gate != fleet.Pass {
		t.Errorf("one destination's wrong key holds its whole host: %+v", a.HostStatus(token))
	}
}
