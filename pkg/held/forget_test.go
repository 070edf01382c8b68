package held_test

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hogcast/hogcast/pkg/destination"
	"github.com/hogcast/hogcast/pkg/health"
	"github.com/hogcast/hogcast/pkg/held"
	"github.com/hogcast/hogcast/pkg/queue"
	"github.com/hogcast/hogcast/test/natstest"
)

func TestTheStateOfADestinationThatIsNoMoreIsDropped(t *testing.T) {
	t.Parallel()
	const after = 500 * time.Millisecond
	tn := newTown(t)
	gone, known, unread, holds, probed := destinationOf("gone"), destinationOf("known"), destinationOf("unread"), destinationOf("holds"), destinationOf("probed")
	sibling := destinationOf("unread")
	sibling.Name = "sibling"
	all := []*destination.Destination{gone, known, unread, holds, probed, sibling}
	tn.set.Store(destination.NewSet([]*destination.Destination{known}).With(destination.Change{ID: unread.ID, Unreadable: true}))
	w := tn.idle(t, "a", func(p *held.Params) { p.ForgetAfter = after })
	for _, to := range all {
		tn.block(t, to, nil, w)
	}
	tn.blockHost(t, "other", w)
	tn.hold(t, holds.ID, "", 1)
	sweep := func() {
		t.Helper()
		// Another worker knows it, and probes it.
		tn.block(t, probed, func(s *health.Status) { s.LastProbe = time.Now() }, w)
		if err := w.keeper.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	sweep()
	if got := tn.states(t); len(got) != len(all)+1 {
		t.Fatalf("states after the first sweep: %v", got)
	}
	<-time.After(after)
	sweep()
	want := []string{"_host.other", "holds.main", "known.main", "probed.main", "unread.main", "unread.sibling"}
	natstest.Eventually(t, "what is gone is dropped", func() bool { return !slices.Contains(tn.states(t), "gone.main") })
	if diff := cmp.Diff(want, tn.states(t)); diff != "" {
		t.Errorf("states (-want +got):\n%s", diff)
	}
}

func TestADestinationThatComesAgainKeepsItsState(t *testing.T) {
	t.Parallel()
	const after = 300 * time.Millisecond
	tn := newTown(t)
	to := destinationOf("acme")
	w := tn.idle(t, "a", func(p *held.Params) { p.ForgetAfter = after })
	tn.block(t, to, nil, w)
	for _, there := range []bool{false, true, false} { // it is gone twice, for no time each
		if tn.know(); there {
			tn.know(to)
		}
		if err := w.keeper.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		<-time.After(after)
	}
	if got := tn.states(t); !slices.Equal(got, []string{"acme.main"}) {
		t.Errorf("states: %v", got)
	}
}

// states are the keys that have one.
func (tn *town) states(t *testing.T) (keys []string) {
	t.Helper()
	b, err := tn.outside.Bucket(t.Context(), queue.BucketState)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Each(t.Context(), func(e queue.Entry) { keys = append(keys, e.Key) }); err != nil {
		t.Fatal(err)
	}
	slices.Sort(keys)
	return keys
}
