package delivery

import "time"

// overflow makes room where others are starved: live items that have waited for
// LaneWait, and the newest beyond LaneShare, are given up.
func (d *Dispatcher) overflow(l *lane, now time.Time) {
	q := &l.waiting[live]
	long := now.Add(-d.config.LaneWait)
	crowds := q.len() > 0 && (q.bytes > d.config.LaneShare || !q.front().arrived.After(long)) || len(l.naps) > 0
	if !crowds || d.config.Pressed == nil || d.stopping || !d.config.Pressed() {
		return
	}
	for q.len() > 0 && !q.front().arrived.After(long) {
		d.crowdOut(q.take())
	}
	for q.bytes > d.config.LaneShare {
		d.crowdOut(q.takeBack())
	}
	d.overflowNaps(l, long)
}

// overflowNaps gives up what has waited for long and sleeps before a retry.
func (d *Dispatcher) overflowNaps(l *lane, long time.Time) {
	for _, n := range l.naps {
		kept := n.items[:0]
		for _, item := range n.items {
			if item.Background || item.arrived.After(long) {
				kept = append(kept, item)
				continue
			}
			l.asleep[live]--
			d.crowdOut(item)
		}
		clear(n.items[len(kept):])
		n.items = kept // an empty nap wakes like any other
	}
}
