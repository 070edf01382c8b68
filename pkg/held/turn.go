package held

import (
	"context"
	"errors"
	"time"

	"go.uber.org/zap"

	"github.com/hogcast/hogcast/pkg/destination"
	"github.com/hogcast/hogcast/pkg/health"
	"github.com/hogcast/hogcast/pkg/outcome"
	"github.com/hogcast/hogcast/pkg/queue"
)

// soon is the sleep after what may be over in a moment.
const soon = 5 * time.Second

// turn does what can be done for the holder of a wake-up, and puts the wake-up
// to sleep, passes it on, or ends it.
func (k *Keeper) turn(ctx context.Context, wake *queue.Delivery) {
	held, host, tenant, name, ok := queue.ParseWakeupSubject(wake.Subject)
	if !ok {
		k.log.Error("a wake-up with a strange subject was dropped", zap.String("subject", wake.Subject))
		k.Hand.Settle(wake, queue.Ack())
		return
	}
	if !k.begin(held) {
		// Somebody was woken while the turn is under way: it looks again itself.
		k.Hand.Settle(wake, queue.Again(jittered(soon)))
		return
	}
	defer k.end(held)
	t := turn{k, held, destination.ID{Tenant: tenant, Name: name}, host, &mark{keeper: k, held: held, wake: wake.Sequence}}
	next, err := t.take(ctx)
	t.mark.close(ctx) // before the wake-up is another's
	k.log.Debug("turn", zap.String("subject", held), zap.Duration("next", time.Duration(next)), zap.Error(err))
	switch {
	case ctx.Err() != nil:
		k.Hand.Settle(wake, queue.HandBack())
	case errors.Is(err, queue.ErrGone):
		// Another turn has come to the end of it, and ended its consumer.
		k.Hand.Settle(wake, queue.Again(jittered(time.Second)))
	case err != nil:
		k.log.Warn("held work: a turn failed; trying again", zap.String("subject", held), zap.Error(err))
		k.Hand.Settle(wake, queue.Again(jittered(soon)))
	case next == empty:
		t.over()
		// What slipped in after the last look has found a wake-up, this one.
		k.Hand.Settle(wake, queue.AckConfirmed())
		k.recheck(ctx, held, wake.Subject)
	case next == passOn:
		k.Hand.Settle(wake, queue.HandBack())
	default:
		k.Hand.Settle(wake, queue.Again(time.Duration(next)))
	}
}

// over forgets what was remembered while something was held.
func (t turn) over() {
	t.mu.Lock()
	delete(t.oldest, t.held)
	delete(t.told, t.held)
	delete(t.missing, t.id) // the next time that it is missing is another
	t.mu.Unlock()
	if t.host == "" {
		t.Board.Unmark(t.id)
		t.Board.Draining(t.id, false) // who drained it may have died before it said so
	}
}

// begin claims a held subject's turn within this process.
func (k *Keeper) begin(held string) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.active[held] {
		return false
	}
	k.active[held] = true
	return true
}

func (k *Keeper) end(held string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.active, held)
}

func (k *Keeper) recheck(ctx context.Context, held, wakeup string) {
	n, err := k.Conn.HeldCount(ctx, held)
	if err == nil && n == 0 {
		return
	}
	k.Waker.Wake(wakeup)
}

// next is what becomes of a wake-up: how long it sleeps, or one of these.
type next time.Duration

const (
	empty  next = -1 // nothing is held
	passOn next = -2 // the budget is used up; another may go on
)

func sleep(d time.Duration) next { return next(max(d, 50*time.Millisecond)) }

// turn is one turn at one held subject.
type turn struct {
	*Keeper
	held string
	id   destination.ID // the zero ID for a host's
	host string         // token
	mark *mark
}

func (t turn) take(ctx context.Context) (next, error) {
	if t.host != "" {
		return t.takeHost(ctx)
	}
	to := t.Registry.Current().Get(t.id)
	switch {
	case t.id.Name == queue.NoToken:
		return t.reroute(ctx)
	case to == nil:
		return t.orphan(ctx)
	case !to.Enabled:
		return t.wait(ctx, to, outcome.OwnerDisabled)
	case to.Paused:
		return t.wait(ctx, to, outcome.OwnerPaused)
	case to.SecretUnreadable:
		return t.wait(ctx, to, Unreadable(to))
	}
	t.found(to.ID)
	if t.Board.HostStatus(queue.HostToken(to.Endpoint)).Blocked() {
		if err := t.expire(ctx, to); err != nil {
			return 0, err
		}
		return t.asleep(ctx, jittered(health.MaxGap)) // its host is probed for all
	}
	status := func() health.Status { return t.Board.Status(to) }
	if !status().Blocked() {
		return t.drain(ctx)
	}
	if err := t.expire(ctx, to); err != nil {
		return 0, err
	}
	return t.revive(ctx, status, func(ctx context.Context) (queue.StoredMessage, *destination.Destination, error) {
		m, err := t.candidate(ctx)
		return m, to, err
	})
}

// revive probes what counts as broken when it is time, and drains it where it
// answers. probe finds the branch to probe with, and its destination, or nil
// where there is none just now.
func (t turn) revive(ctx context.Context, status func() health.Status, probe func(context.Context) (queue.StoredMessage, *destination.Destination, error)) (next, error) {
	if wait := time.Until(status().NextProbe()); wait > 0 {
		return t.asleep(ctx, min(wait, health.MaxGap)+jittered(wait/8))
	}
	m, to, err := probe(ctx)
	if err == nil && to != nil {
		err = t.mark.begin(ctx, m.Sequence, m.Sequence)
	}
	switch {
	case errors.Is(err, queue.ErrNoMessage), err == nil && to == nil:
		return t.asleep(ctx, soon)
	case err != nil:
		return 0, err
	case t.mark.buried == m.Sequence:
		return t.asleep(ctx, 0)
	case t.mark.careful():
		return t.probeAlone(ctx, m, status)
	case !t.Board.ClaimTurn(ctx, t.id, t.host):
		return sleep(soon), nil
	case !t.Deliverer.Probe(ctx, m, ProbeOf{To: to, Host: t.host}):
		return t.asleep(ctx, status().Gap)
	}
	return t.drain(ctx)
}

// asleep has the wake-up sleep, or ends it where nothing is held any more.
func (t turn) asleep(ctx context.Context, wait time.Duration) (next, error) {
	n, err := t.Conn.HeldCount(ctx, t.held)
	if err != nil {
		return 0, err
	}
	if n == 0 {
		return empty, nil
	}
	return sleep(max(wait, 100*time.Millisecond)), nil
}

// wait is the turn while nothing is sent whatever its requests came to: the owner
// wants it so, or its key can't be decrypted.
func (t turn) wait(ctx context.Context, to *destination.Destination, reason health.Reason) (next, error) {
	t.Board.Mark(to.ID, to.Revision(), reason)
	if err := t.expire(ctx, to); err != nil {
		return 0, err
	}
	return t.asleep(ctx, jittered(health.MaxGap))
}

// orphan is the turn where there is no such destination. Its branches wait for
// a while, in case this worker does not know it yet; and as long as there is an
// entry of it that can't be read.
func (t turn) orphan(ctx context.Context) (next, error) {
	if t.Registry.Current().Unreadable(t.id) {
		t.found(t.id)
		t.Board.Mark(t.id, "", outcome.Missing)
		return t.asleep(ctx, jittered(health.MaxGap))
	}
	if since := t.lost(t.id); time.Since(since) < t.MissingFor {
		t.Board.Mark(t.id, "", outcome.Missing)
		return t.asleep(ctx, min(t.MissingFor, soon))
	}
	return t.buryAll(ctx, outcome.DestinationDeleted, func(time.Time) bool { return true })
}

// lost notes since when a destination is missing.
func (k *Keeper) lost(id destination.ID) time.Time {
	k.mu.Lock()
	defer k.mu.Unlock()
	since, ok := k.missing[id]
	if !ok {
		since = time.Now()
		k.missing[id] = since
	}
	return since
}

func (k *Keeper) found(id destination.ID) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.missing, id)
}

// candidate reads the held branch that is to be the probe: the oldest and the
// newest in turn, so that one bad record can't hide that the destination is
// well again.
func (t turn) candidate(ctx context.Context) (queue.StoredMessage, error) {
	t.mu.Lock()
	oldest := !t.oldest[t.held]
	t.oldest[t.held] = oldest
	t.mu.Unlock()
	if oldest {
		return t.Conn.Oldest(ctx, t.held)
	}
	return t.Conn.Newest(ctx, t.held)
}
