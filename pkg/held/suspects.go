package held

import (
	"context"
	"errors"
	"time"

	"github.com/hogcast/hogcast/pkg/destination"
	"github.com/hogcast/hogcast/pkg/health"
	"github.com/hogcast/hogcast/pkg/queue"
)

const (
	// aloneWait is how long the process may take to have nothing else in hand,
	// and aloneMost how long a turn keeps it so, beside what the last record takes.
	aloneWait = 20 * time.Second
	aloneMost = 10 * time.Second
)

// use does with a branch what a turn is for; more: it may be given others.
type use func(context.Context, handling) (more bool)

// suspects opens the turn's mark, and where workers have died over what is held
// handles that in groups, or one by one with nothing else in hand. over: there is
// nothing suspicious any more, and the turn goes on.
func (t turn) suspects(ctx context.Context, use use) (over bool, n next, err error) {
	if err := t.mark.begin(ctx, 0, 0); err != nil {
		return false, 0, err
	}
	if !t.mark.careful() {
		return true, 0, nil
	}
	via := t.Deliverer
	if t.mark.now.Size == 1 {
		alone, release := t.alone(ctx)
		if alone == nil {
			return false, sleep(jittered(soon)), nil
		}
		defer release()
		via = alone
	}
	source, err := t.Conn.DrainSource(ctx, t.Hand, t.Window, t.held)
	if err != nil {
		return false, 0, err
	}
	for end := time.Now().Add(t.suspectBudget()); ctx.Err() == nil && time.Now().Before(end); {
		more, err := t.group(ctx, source, trying{via, use})
		if err != nil {
			return false, 0, err
		}
		switch {
		case !t.mark.careful():
			return true, 0, nil
		case !more:
			n, err := t.asleep(ctx, soon)
			return false, n, err
		}
	}
	return false, sleep(jittered(soon)), nil
}

// suspectBudget is how long a turn tries suspects.
func (t turn) suspectBudget() time.Duration {
	if t.mark.now.Size == 1 {
		return aloneMost
	}
	return drainBudget
}

// alone has the process put everything else off.
func (t turn) alone(ctx context.Context) (Deliverer, func()) {
	ctx, cancel := context.WithTimeout(ctx, aloneWait)
	defer cancel()
	return t.Deliverer.Alone(ctx)
}

// trying is how suspects are tried.
type trying struct {
	via Deliverer
	use use
}

// group tries the next few suspects. What is in hand is written before.
func (t turn) group(ctx context.Context, source *queue.Source, how trying) (more bool, err error) {
	var taken []*queue.Delivery
	if _, err = source.Pull(ctx, t.mark.now.Size, drainWait, func(d *queue.Delivery) { taken = append(taken, d) }); err == nil {
		switch {
		case len(taken) == 0 || taken[0].Sequence > t.mark.now.Last:
			err = t.mark.clear(ctx)
			more = true
		default:
			from, to := span(taken)
			if err = t.mark.hold(ctx, from, to, t.mark.now.Size == 1); err == nil {
				return t.handle(ctx, taken, how), nil
			}
		}
	}
	for _, d := range taken {
		t.Hand.Settle(d, queue.Again(backSoon))
	}
	return more, err
}

func (t turn) handle(ctx context.Context, taken []*queue.Delivery, how trying) (more bool) {
	f := newFlight()
	more = true
	for _, d := range taken {
		more = how.use(ctx, handling{how.via, d, f}) && more
	}
	f.below(1)
	t.mark.survived()
	return more && !f.refused.Load()
}

func span(all []*queue.Delivery) (from, to uint64) {
	for _, d := range all {
		if from == 0 || d.Sequence < from {
			from = d.Sequence
		}
		to = max(to, d.Sequence)
	}
	return from, to
}

// probeAlone probes with a record that a worker may have died of, and nothing
// else in hand: with the one that has been in hand already, where there is one.
func (t turn) probeAlone(ctx context.Context, m queue.StoredMessage, status func() health.Status) (next, error) {
	if again, err := t.suspect(ctx); err != nil {
		return 0, err
	} else if again.Sequence != 0 {
		m = again
	}
	via, release := t.alone(ctx)
	if via == nil {
		return sleep(jittered(soon)), nil
	}
	defer release()
	to := t.whose(m)
	if to == nil {
		return sleep(soon), nil
	}
	if err := t.mark.hold(ctx, m.Sequence, m.Sequence, true); err != nil {
		return 0, err
	}
	if !t.Board.ClaimTurn(ctx, t.id, t.host) {
		return sleep(soon), nil
	}
	alive := via.Probe(ctx, m, ProbeOf{To: to, Host: t.host})
	t.mark.survived()
	if err := t.mark.clear(ctx); err != nil {
		return 0, err
	}
	if !alive {
		return t.asleep(ctx, status().Gap)
	}
	return sleep(0), nil // the drain is to have others beside it
}

// suspect reads the record that workers have died with, or the first that they
// may have died of.
func (t turn) suspect(ctx context.Context) (queue.StoredMessage, error) {
	sequence := t.mark.now.Suspect
	if sequence == 0 && t.mark.now.Size == 1 {
		sequence = t.mark.now.Last
	}
	store, err := t.Conn.Store(ctx, queue.StreamOfHeld(t.held))
	if err != nil {
		return queue.StoredMessage{}, err
	}
	m, err := store.Get(ctx, sequence)
	if errors.Is(err, queue.ErrNoMessage) || err == nil && t.whose(m) == nil {
		return queue.StoredMessage{}, nil
	}
	return m, err
}

// whose is the destination that a probe with a held branch asks.
func (t turn) whose(m queue.StoredMessage) *destination.Destination {
	_, tenant, name, _ := queue.ParseHeldSubject(m.Subject)
	to := t.Registry.Current().Get(destination.ID{Tenant: tenant, Name: name})
	if t.host != "" && !t.standsIn(to) {
		return nil
	}
	return to
}
