package held_test

import (
	"slices"
	"testing"
	"time"

	"github.com/hogcast/hogcast/pkg/destination"
	"github.com/hogcast/hogcast/pkg/held"
	"github.com/hogcast/hogcast/pkg/outcome"
	"github.com/hogcast/hogcast/test/natstest"
)

func TestWhatIsHeldForAnEntryThatCantBeReadIsNotBuried(t *testing.T) {
	t.Parallel()
	tn := newTown(t)
	to := destinationOf("acme")
	tn.set.Store(destination.NewSet(nil).With(destination.Change{ID: to.ID, Unreadable: true}))
	w := tn.worker(t, "a", func(p *held.Params) { p.MissingFor = time.Millisecond })
	tn.hold(t, to.ID, "", 3)
	tn.rouse(t, to.ID)
	natstest.Eventually(t, "it is known why it waits", func() bool { return w.board.Status(to).Reason == outcome.Missing })
	tn.rouse(t, to.ID) // MissingFor is over
	throughout(t, time.Second, "it waits", func() bool { return tn.heldFor(t, to.ID) == 3 && len(w.sink.letters(outcome.DestinationDeleted)) == 0 })
	tn.know(to)
	w.board.Changed(tn.Current(), to.ID)
	natstest.Eventually(t, "it is delivered when the entry is mended", func() bool { return slices.Equal(w.sink.delivered(), texts(to.ID, 3)) })
}

func TestWhatIsHeldWaitsForASecretThatCanBeDecrypted(t *testing.T) {
	t.Parallel()
	tn := newTown(t)
	to := destinationOf("acme")
	sealed := *to
	sealed.SecretUnreadable, sealed.APIKey = true, destination.Secret{}
	tn.know(&sealed)
	w := tn.worker(t, "a")
	tn.hold(t, to.ID, "", 3)
	tn.rouse(t, to.ID)
	natstest.Eventually(t, "it is known why it waits", func() bool { return w.board.Status(&sealed).Reason == outcome.SecretUnreadable })
	if got := w.sink.delivered(); len(got) != 0 {
		t.Errorf("delivered without a key: %v", got)
	}
	tn.know(to)
	w.board.Changed(tn.Current(), to.ID)
	natstest.Eventually(t, "it is delivered with the key", func() bool { return slices.Equal(w.sink.delivered(), texts(to.ID, 3)) })
	natstest.Eventually(t, "nothing is said of it any more", func() bool { return len(w.board.Count()) == 0 })
}
