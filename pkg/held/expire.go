package held

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/hogcast/hogcast/pkg/destination"
	"github.com/hogcast/hogcast/pkg/outcome"
	"github.com/hogcast/hogcast/pkg/queue"
)

const (
	// expireLook bounds what a turn reads of what has not expired, some 2 KB each,
	// and expireBytes what it has read and not buried yet.
	expireLook  = 5000
	expireBytes = 8 << 20
	// expireAtOnce are buried side by side.
	expireAtOnce = 32
)

// holdMax is how long a destination's branches are held.
func (k *Keeper) holdMax(to *destination.Destination) time.Duration {
	if to != nil && to.HoldMax > 0 {
		return to.HoldMax
	}
	return k.HoldMax
}

// expire buries what has been held for too long. Age counts from the message's
// own timestamp, so that a replay starts anew.
func (t turn) expire(ctx context.Context, to *destination.Destination) error {
	limit := t.holdMax(to)
	if is, err := t.olderThan(ctx, limit); err != nil || !is {
		return err
	}
	_, err := t.buryAll(ctx, outcome.Expired, func(at time.Time) bool { return time.Since(at) >= limit })
	return err
}

// olderThan reports whether the oldest of what is held is at least so old.
func (t turn) olderThan(ctx context.Context, limit time.Duration) (bool, error) {
	oldest, err := t.Conn.Oldest(ctx, t.held)
	if errors.Is(err, queue.ErrNoMessage) {
		return false, nil
	}
	return err == nil && time.Since(oldest.Time) >= limit, err
}

// expireHost is expire for what is held for a host, of destinations with limits
// of their own. It reads beside the drain, since one that is held for longer
// would keep from it what comes after; where it has read enough, the next turn
// goes on.
func (t turn) expireHost(ctx context.Context) error {
	shortest, err := t.shortest(ctx)
	if err != nil {
		return err
	}
	if is, err := t.olderThan(ctx, shortest); err != nil || !is {
		return err
	}
	store, err := t.Conn.Store(ctx, queue.StreamOfHeld(t.held))
	if err != nil {
		return err
	}
	e := expiry{turn: t, shortest: shortest, end: time.Now().Add(drainBudget)}
	t.mu.Lock()
	from := t.expiring[t.held]
	t.mu.Unlock()
	if err = store.Scan(ctx, queue.ScanParams{Filter: t.held, From: from}, func(m queue.StoredMessage) error { return e.look(ctx, m) }); err == nil {
		err = e.bury(ctx)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if delete(t.expiring, t.held); e.goOn != 0 {
		t.expiring[t.held] = e.goOn
	}
	return err
}

// shortest is the shortest time that anything of the line is held for.
func (t turn) shortest(ctx context.Context) (time.Duration, error) {
	bySubject, err := t.Conn.CountBySubject(ctx, queue.StreamOfHeld(t.held), t.held)
	if err != nil {
		return 0, err
	}
	limit := t.HoldMax
	for subject := range bySubject {
		limit = min(limit, t.limitOf(subject))
	}
	return limit, nil
}

func (t turn) limitOf(subject string) time.Duration {
	_, tenant, name, _ := queue.ParseHeldSubject(subject)
	return t.holdMax(t.Registry.Current().Get(destination.ID{Tenant: tenant, Name: name}))
}

// expiry is one look for what has expired.
type expiry struct {
	turn
	shortest time.Duration
	end      time.Time
	looked   int
	due      []queue.StoredMessage
	bytes    int
	goOn     uint64 // sequence; 0: it has come to the end
}

func (e *expiry) look(ctx context.Context, m queue.StoredMessage) error {
	age := time.Since(m.Time)
	if age < e.shortest {
		return queue.ErrStop // so are all that follow
	}
	if age < e.limitOf(m.Subject) {
		e.looked++
	} else {
		e.due, e.bytes = append(e.due, m), e.bytes+m.Size
	}
	if len(e.due) == groupSize || e.bytes >= expireBytes {
		if err := e.bury(ctx); err != nil {
			return err
		}
	}
	if e.looked >= expireLook || time.Now().After(e.end) {
		e.goOn = m.Sequence + 1
		return queue.ErrStop
	}
	return nil
}

// bury buries what is due. It says what it has in hand before, like all that
// looks at records; where workers may have died of it, each is alone.
func (e *expiry) bury(ctx context.Context) error {
	due := e.due
	e.due, e.bytes = nil, 0
	if len(due) == 0 {
		return nil
	}
	from, to := due[0].Sequence, due[len(due)-1].Sequence
	if err := e.mark.begin(ctx, from, to); err != nil {
		return err
	}
	if e.mark.now.Size == 1 {
		return e.buryAlone(ctx, due)
	}
	slots := make(chan struct{}, expireAtOnce)
	var burying sync.WaitGroup
	for _, m := range due {
		slots <- struct{}{}
		burying.Go(func() {
			defer func() { <-slots }()
			e.Deliverer.BuryStored(ctx, m, outcome.Expired) // what is not buried is met again
		})
	}
	burying.Wait()
	e.mark.survived()
	return nil
}

func (e *expiry) buryAlone(ctx context.Context, due []queue.StoredMessage) error {
	via, release := e.alone(ctx)
	if via == nil {
		return nil // the next turn meets them again
	}
	defer release()
	for _, m := range due {
		if err := e.mark.hold(ctx, m.Sequence, m.Sequence, true); err != nil {
			return err
		}
		via.BuryStored(ctx, m, outcome.Expired)
		e.mark.survived()
	}
	return e.mark.clear(ctx)
}
