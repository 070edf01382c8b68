package held_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hogcast/hogcast/pkg/destination"
	"github.com/hogcast/hogcast/pkg/queue"
	"github.com/hogcast/hogcast/test/natstest"
)

// holdForHost parks n records of each destination, taking turns, and returns
// their texts in order.
func (tn *town) holdForHost(t *testing.T, token string, n int, all ...*destination.Destination) []string {
	t.Helper()
	p := tn.idle(t, "parker").parker
	var order []string
	for i := range uint64(n) { //nolint:gosec // small
		for _, to := range all {
			b := branch(to.ID, i+1)
			b.Host = token
			b.From.Stream += to.Tenant // another message each
			if err := p.Park(t.Context(), b); err != nil {
				t.Fatal(err)
			}
			order = append(order, text(to.ID, i+1))
		}
	}
	return order
}

func (tn *town) rouseHost(t *testing.T, token string) {
	t.Helper()
	if err := tn.outside.Rouse(t.Context(), queue.HostWakeupSubject(token)); err != nil {
		t.Fatal(err)
	}
}

func of(all []string, to *destination.Destination) []string {
	var own []string
	for _, s := range all {
		if len(s) > len(to.Tenant) && s[:len(to.Tenant)+1] == to.Tenant+" " {
			own = append(own, s)
		}
	}
	return own
}

func TestAHostIsProbedOnceAndDrainsInSequence(t *testing.T) {
	t.Parallel()
	const n = 150
	tn := newTown(t)
	x, y, z := destinationOf("x"), destinationOf("y"), destinationOf("z")
	tn.know(x, y, z)
	token := queue.HostToken(endpoint)
	w := tn.worker(t, "a")
	w.sink.down.Store(true)
	tn.blockHost(t, token, w)
	want := tn.holdForHost(t, token, n, x, y, z)
	natstest.Eventually(t, "a failed probe", func() bool { return len(w.sink.probes()) == 1 && w.keeper.Active() == 0 })
	if got := w.sink.delivered(); len(got) != 0 {
		t.Fatalf("delivered while the host is down: %v", got)
	}
	w.sink.down.Store(false)
	natstest.Eventually(t, "the failed probe is known", func() bool { return w.board.HostStatus(token).Gap > 0 })
	tn.blockHost(t, token)
	natstest.Eventually(t, "a probe is due", func() bool {
		return !w.board.HostStatus(token).NextProbe().After(w.board.HostStatus(token).Since.Add(patience))
	})
	tn.rouseHost(t, token)
	natstest.Eventually(t, "all is delivered, and the wake-up is gone", func() bool {
		return tn.count(t, queue.StreamHeldHosts, ">") == 0 && tn.count(t, queue.StreamWakeups, ">") == 0
	})
	if diff := cmp.Diff(want, w.sink.delivered()); diff != "" {
		t.Errorf("delivered (-want +got):\n%s", diff)
	}
	if got := w.sink.probes(); len(got) != 2 || got[0] != "x 1" || got[1] != "x 1" {
		t.Errorf("probes = %v, want the oldest twice", got)
	}
}

func TestBranchesThatMayNotBeSentLeaveTheHostsStream(t *testing.T) {
	t.Parallel()
	const n = 20
	tn := newTown(t)
	ok, paused, disabled, broken, missing := destinationOf("ok"), destinationOf("paused"), destinationOf("disabled"), destinationOf("broken"), destinationOf("missing")
	paused.Paused, disabled.Enabled = true, false
	tn.know(ok, paused, disabled, broken)
	token := queue.HostToken(endpoint)
	w := tn.worker(t, "a")
	tn.block(t, broken, nil, w)
	w.sink.down.Store(true) // its own probes fail
	tn.blockHost(t, token, w)
	all := tn.holdForHost(t, token, n, paused, missing, disabled, broken, ok)
	tn.rouseHost(t, token)
	natstest.Eventually(t, "the head of the stream is out of the way of the probe", func() bool { return slices.Contains(w.sink.got(&w.sink.moved), "paused 1") })
	w.sink.down.Store(false)
	w.sink.refuses.Store(&broken.ID)
	natstest.Eventually(t, "the host's stream is empty, and its wake-up is gone", func() bool {
		return tn.count(t, queue.StreamHeldHosts, ">") == 0 && tn.count(t, queue.StreamWakeups, queue.HostWakeupSubject(token)) == 0
	})
	for _, to := range []*destination.Destination{paused, disabled, missing} {
		if got := tn.heldFor(t, to.ID); got != n {
			t.Errorf("%s: %d are held for it alone, want %d", to.Tenant, got, n)
		}
		natstest.Eventually(t, to.Tenant+" has a wake-up of its own", func() bool { return tn.wakeupsFor(t, to.ID) == 1 })
	}
	sent := of(w.sink.delivered(), ok)
	slices.Sort(sent)
	want := of(all, ok)
	slices.Sort(want)
	if diff := cmp.Diff(want, sent); diff != "" {
		t.Errorf("delivered (-want +got):\n%s", diff)
	}
}
