package fleet

import (
	"slices"
	"time"

	"github.com/hogcast/hogcast/pkg/destination"
	"github.com/hogcast/hogcast/pkg/health"
	"github.com/hogcast/hogcast/pkg/outcome"
)

// Mark notes why what is held for a destination waits, where that is not for
// what its requests came to: paused, disabled, missing, secret_unreadable,
// entry_unreadable.
func (b *Board) Mark(id destination.ID, revision string, reason health.Reason) {
	b.mu.Lock()
	defer b.mu.Unlock()
	key := id.String()
	e := b.entry(key, id, "")
	if e.status.State == health.Held && e.status.Reason == reason && e.status.Revision == revision {
		return
	}
	now := time.Now()
	b.set(key, e, health.Status{
		State: health.Held, Reason: reason, Revision: revision, Since: now, LastProbe: now, Gap: health.MaxGap,
	})
}

// Unmark takes back what Mark has noted: nothing is held any more.
func (b *Board) Unmark(id destination.ID) {
	b.mu.Lock()
	defer b.mu.Unlock()
	key := id.String()
	e := b.entries[key]
	if e == nil || e.status.State != health.Held {
		return
	}
	switch e.status.Reason {
	case outcome.OwnerPaused, outcome.OwnerDisabled, outcome.Missing, outcome.SecretUnreadable, outcome.EntryUnreadable:
		b.set(key, e, health.Status{State: health.Healthy})
	}
}

// Draining notes that what was held for a healthy destination is being
// delivered, or that it has been.
func (b *Board) Draining(id destination.ID, yes bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	key := id.String()
	e := b.entries[key]
	switch {
	case yes && (e == nil || e.status.State == health.Healthy && !e.status.Pardoned(time.Now())):
		b.set(key, b.entry(key, id, ""), health.Status{State: health.Draining, Since: time.Now()})
	case !yes && e != nil && e.status.State == health.Draining:
		b.set(key, e, health.Status{State: health.Healthy})
	}
}

// Changed puts a new configuration in force: what is known about another
// revision of a destination is known no more, and what is held for it is woken.
// ids are those of the destinations that have changed, which alone are looked
// at; none: any may have. One of AnyTenant stands for all that it is the
// default of.
func (b *Board) Changed(now *destination.Set, ids ...destination.ID) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.current = now
	if len(ids) == 0 || slices.ContainsFunc(ids, func(id destination.ID) bool { return id.Tenant == destination.AnyTenant }) {
		for key, e := range b.entries {
			b.renew(key, e, now)
		}
		return
	}
	for _, id := range ids {
		if e := b.entries[id.String()]; e != nil {
			b.renew(id.String(), e, now)
		}
	}
}

// renew clears the state of a destination that is another now.
func (b *Board) renew(key string, e *entry, now *destination.Set) {
	if !e.ofDestination() || !e.status.Blocked() {
		return
	}
	to := now.Get(e.id)
	if to == nil || e.status.About(to.Revision()) && e.status.Reason != outcome.Missing {
		return
	}
	b.clear(key, e)
}
