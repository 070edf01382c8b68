package fleet

import (
	"time"

	"github.com/hogcast/hogcast/pkg/destination"
	"github.com/hogcast/hogcast/pkg/health"
)

// Known calls use with each destination of which the fleet knows anything, and
// when that was last looked at; hosts and causes left out. use must not call the
// board.
func (b *Board) Known(use func(id destination.ID, at time.Time)) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	for _, e := range b.entries {
		if !e.ofDestination() {
			continue
		}
		at := e.status.Since
		for _, t := range []time.Time{e.status.LastProbe, e.status.NotBefore} {
			if t.After(at) {
				at = t
			}
		}
		use(e.id, at)
	}
}

// Forget drops what the fleet knows of a destination that is no more. Where
// another worker has just written of it that stays.
func (b *Board) Forget(id destination.ID) {
	b.mu.Lock()
	defer b.mu.Unlock()
	key := id.String()
	e := b.entries[key]
	if e == nil || e.probing {
		return
	}
	delete(b.trackers, id)
	b.set(key, e, health.Status{State: health.Healthy})
}
