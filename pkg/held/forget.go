package held

import (
	"time"

	"go.uber.org/zap"

	"github.com/hogcast/hogcast/pkg/destination"
)

// forgets drops the states of destinations that are no more: deleted past
// hogcast, with nothing held, nobody else would. held are those for which
// something is. One must be gone, and its state untouched, for ForgetAfter, since
// a worker may not know all destinations yet; whose entry can't be read is not
// gone.
func (k *Keeper) forgets(held map[destination.ID]bool) {
	now, all := time.Now(), k.Registry.Current()
	var idle []destination.ID
	k.Board.Known(func(id destination.ID, at time.Time) {
		if all.Get(id) == nil && !mayBe(all, id) && !held[id] && now.Sub(at) >= k.ForgetAfter {
			idle = append(idle, id)
		}
	})
	for _, id := range k.gone(idle, now) {
		k.log.Info("the state of a destination that is no more was dropped",
			zap.String("tenant", id.Tenant), zap.String("destination", id.Name))
		k.Board.Forget(id)
	}
}

// mayBe reports whether a destination may be among the entries that can't be
// read, its default's included.
func mayBe(all *destination.Set, id destination.ID) bool {
	return all.Unreadable(id) || all.AnyUnreadable(id.Tenant) || all.AnyUnreadable(destination.AnyTenant)
}

// gone returns those of idle that have been so at every sweep for ForgetAfter.
func (k *Keeper) gone(idle []destination.ID, now time.Time) (gone []destination.ID) {
	k.mu.Lock()
	defer k.mu.Unlock()
	since := make(map[destination.ID]time.Time, len(idle))
	for _, id := range idle {
		first, known := k.idle[id]
		if !known {
			first = now
		}
		if known && now.Sub(first) >= k.ForgetAfter {
			gone = append(gone, id)
			continue
		}
		since[id] = first
	}
	k.idle = since
	return gone
}
