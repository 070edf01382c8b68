package delivery

import "time"

// sweepEvery is how often lanes that hold more than they can send are looked at
// when nothing else happens to them.
const sweepEvery = 500 * time.Millisecond

// sweepSoon sees to it that lanes are swept while there are any.
func (d *Dispatcher) sweepSoon() {
	if d.sweeper == nil {
		d.sweeper = time.AfterFunc(sweepEvery, d.sweep)
	}
}

// sweep looks at every lane: what will be too late before the next time, and
// can't be sent now, is given up, and what crowds others is.
func (d *Dispatcher) sweep() {
	d.mu.Lock()
	defer d.unlock()
	now := time.Now()
	pressed := d.config.Pressed != nil && d.config.Pressed()
	for _, l := range d.lanes {
		look := pressed
		for c := range classes {
			for q := &l.waiting[c]; q.len() > 0 && d.misses(l, c, now); {
				d.giveUp(q.take(), Undelivered)
				look = true
			}
		}
		if look {
			d.plan(l, now)
		}
	}
	d.dispatch(now)
	d.sweeper = nil
	if len(d.lanes) > 0 && !d.stopping {
		d.sweepSoon()
	}
}

// misses reports whether the first of a lane will be too late before the next
// sweep, and has no prospect of being sent.
func (d *Dispatcher) misses(l *lane, c class, now time.Time) bool {
	deadline := l.waiting[c].front().Deadline
	if deadline.After(now.Add(sweepEvery)) {
		return false
	}
	at := d.readyAt(l, c, now)
	return at.IsZero() || l.turns[c].queued || !at.Before(deadline)
}
