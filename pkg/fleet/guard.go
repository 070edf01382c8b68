package fleet

import (
	"context"
	"time"

	"go.uber.org/zap"

	"github.com/hogcast/hogcast/pkg/destination"
	"github.com/hogcast/hogcast/pkg/health"
	"github.com/hogcast/hogcast/pkg/outcome"
	"github.com/hogcast/hogcast/pkg/queue"
)

// A cause for which nothing is buried while the guard is on is an entry of the
// state bucket beside the destinations'.
const guardPrefix = "_guard."

func guardKey(cause string) string { return guardPrefix + queue.HostToken(cause) }

// GuardCause keeps records that would be buried for a cause from that, in the
// whole fleet. false: an operator has released the guard for it.
func (b *Board) GuardCause(cause string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	key := guardKey(cause)
	e := b.entries[key]
	switch {
	case e == nil:
		e = b.entry(key, destination.ID{}, "")
	case e.status.Blocked():
		return true
	case e.status.Pardoned(time.Now()):
		return false
	}
	b.log.Error("POISON GUARD: records of several tenants would be dead-lettered for one cause; they are held instead. Find out why, then `hogcast guard release`",
		zap.String("cause", cause))
	b.set(key, e, guarded("", cause))
	return true
}

// GuardDestination holds a destination most of whose records would be buried
// for one cause. false: an operator has released it.
func (b *Board) GuardDestination(to *destination.Destination, cause string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	key := to.String()
	e := b.entry(key, to.ID, "")
	switch {
	case e.status.Pardoned(time.Now()):
		return false
	case e.status.Blocked() && e.status.Reason == outcome.Guarded:
		return true
	}
	b.log.Error("POISON GUARD: most of a destination's records would be dead-lettered for one cause; it is held instead. Find out why, then `hogcast guard release`",
		zap.String("tenant", to.Tenant), zap.String("destination", to.Name), zap.String("cause", cause))
	b.set(key, e, guarded(to.Revision(), cause))
	return true
}

func guarded(revision, cause string) health.Status {
	now := time.Now()
	return health.Status{
		State: health.Held, Reason: outcome.Guarded, Detail: cause, Revision: revision,
		Since: now, LastProbe: now, Gap: health.GuardGap,
	}
}

// Guarded reports whether the guard is on for a cause.
func (b *Board) Guarded(cause string) bool {
	if b.blocked.Load() == 0 {
		return false
	}
	b.mu.RLock()
	defer b.mu.RUnlock()
	e := b.entries[guardKey(cause)]
	return e != nil && e.status.Blocked()
}

// GuardTry makes the caller the one, of all workers, that tries one record of a
// guarded cause: one in health.GuardGap. GuardTried is to follow.
func (b *Board) GuardTry(ctx context.Context, cause string) bool {
	key := guardKey(cause)
	b.mu.Lock()
	e := b.entries[key]
	ready := e != nil && e.status.Blocked() && !e.probing && !time.Now().Before(e.status.NextProbe())
	if ready {
		e.probing = true
	}
	b.mu.Unlock()
	return ready && b.claimKey(ctx, key)
}

// GuardTried tells what the try came to; one that passed ends the guard.
func (b *Board) GuardTried(cause string, passed bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	key := guardKey(cause)
	e := b.entries[key]
	if e == nil {
		return
	}
	e.probing = false
	if passed && e.status.Blocked() {
		b.log.Info("poison guard: a record has passed; the guard is off", zap.String("cause", cause))
		b.set(key, e, health.Status{State: health.Healthy})
	}
}

// Guards is how many guards are on: causes and destinations.
func (b *Board) Guards() (n int) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	for _, e := range b.entries {
		if e.status.Blocked() && e.status.Reason == outcome.Guarded {
			n++
		}
	}
	return n
}
