package delivery

import (
	"time"

	"github.com/hogcast/hogcast/pkg/destination"
)

// Release gives back what waits for the destinations that match, as
// Undelivered: they are known not to take it now. Requests under way go on.
func (d *Dispatcher) Release(match func(*destination.Destination) bool) {
	now := time.Now()
	d.mu.Lock()
	defer d.unlockForCaller()
	for _, l := range d.lanes {
		if l.to == nil || !match(l.to) {
			continue
		}
		for _, item := range l.rouse() {
			d.giveUp(item, Undelivered)
		}
		for c := range classes {
			for l.waiting[c].len() > 0 {
				d.giveUp(l.waiting[c].take(), Undelivered)
			}
		}
		d.plan(l, now)
	}
}
