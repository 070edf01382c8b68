package delivery

import (
	"time"

	"github.com/hogcast/hogcast/pkg/destination"
)

// lane finds, or makes, the lane of a destination, as it is now.
func (d *Dispatcher) lane(to *destination.Destination, now time.Time) *lane {
	l := d.lanes[to.ID]
	if l == nil {
		l = d.newLane(to.ID, now)
	}
	if l.to != to {
		d.aim(l, to, now)
	}
	return l
}

func (d *Dispatcher) newLane(id destination.ID, now time.Time) *lane {
	t := d.tenants[id.Tenant]
	if t == nil {
		t = &tenant{name: id.Tenant}
		d.tenants[id.Tenant] = t
	}
	t.lanes++
	l := &lane{id: id, tenant: t, pace: pace{limit: firstPace}}
	if r, ok := d.memory.get(id, now); ok {
		l.pace, l.accepted, l.revised, l.revision = r.pace, r.accepted, r.to, r.revision
	}
	d.lanes[id] = l
	d.sweepSoon()
	return l
}

// aim has a lane follow a change of its destination. A pause was asked for by
// the revision before.
func (d *Dispatcher) aim(l *lane, to *destination.Destination, now time.Time) {
	if l.to != nil && l.paused(now) && l.revisionOf(l.to) != l.revisionOf(to) {
		l.resume()
	}
	if l.host == nil || l.host.endpoint != to.Endpoint {
		d.quit(l.host)
		l.host = d.hostOf(to.Endpoint)
		l.host.lanes++
	}
	l.to = to
	d.limit(l, now)
}

// plan decides what a lane does next: give items up, be served, wait for more
// or for the end of a pause, or go. Called with mu held whenever the lane has
// changed; dispatch is to follow.
func (d *Dispatcher) plan(l *lane, now time.Time) {
	if l.gone {
		return
	}
	if l.to != nil && l.to.MaxRate > 0 {
		d.limit(l, now) // the fleet may have grown
	}
	d.relieve(l, now)
	if l.empty() {
		d.rest(l, now)
		return
	}
	for c := range classes {
		if l.turns[c].queued {
			continue
		}
		switch at := d.readyAt(l, c, now); {
		case at.IsZero():
		case at.After(now):
			d.wakeAt(l, at)
		default:
			d.rings[c].add(l)
		}
	}
}

// readyAt is when a lane has a batch to send in a class, as far as time decides
// that; zero: something else has to happen first.
func (d *Dispatcher) readyAt(l *lane, c class, now time.Time) time.Time {
	q := &l.waiting[c]
	if q.len() == 0 || !l.room(c, d.most(l, now)) {
		return time.Time{}
	}
	at, want := now, min(q.len(), l.most(d.config))
	switch {
	case d.stopping:
		want = 1
	case !l.full(c, d.config):
		at = q.front().arrived.Add(d.config.BatchWait)
	}
	for _, other := range [...]time.Time{l.pausedUntil, l.affordsAt(want, now)} {
		if other.After(at) {
			at = other
		}
	}
	return at
}

// most is how many requests at once a destination may have, of this worker's.
func (d *Dispatcher) most(l *lane, now time.Time) int {
	if l.to.MaxConcurrency == 0 {
		return d.config.PerLane
	}
	return min(d.config.PerLane, max(1, l.to.MaxConcurrency/d.workers(now)))
}

// relieve gives up what can't be sent in time: what is too late, or would be
// when the lane's pause ends. When stopping, nothing waits for a pause or for
// the rate, and somebody else may have more luck.
func (d *Dispatcher) relieve(l *lane, now time.Time) {
	late := now
	if l.paused(now) {
		late = l.pausedUntil
	}
	for c := range classes {
		q := &l.waiting[c]
		if d.stopping && (l.paused(now) || l.affords(d.config, now) < 1) {
			for q.len() > 0 {
				d.giveUp(q.take(), Interrupted)
			}
		}
		for q.len() > 0 && !q.front().Deadline.After(late) {
			d.giveUp(q.take(), Undelivered)
		}
	}
	d.overflow(l, now)
}

// rest lets an empty lane go, once it has nothing to remember: a pause outlives
// what was to be sent, or it would bind nobody, and so does a rate.
func (d *Dispatcher) rest(l *lane, now time.Time) {
	until := l.pausedUntil
	if l.rate != nil {
		if full := l.affordsAt(l.rate.Burst(), now); full.After(until) {
			until = full
		}
	}
	if until.After(now) && !d.stopping {
		d.wakeAt(l, until)
		return
	}
	l.gone = true
	if l.timer != nil {
		l.timer.Stop()
	}
	d.memory.put(l.id, remembered{l.pace, l.accepted, l.revised, l.revision}, now)
	d.quit(l.host)
	if l.tenant.lanes--; l.tenant.lanes == 0 {
		delete(d.tenants, l.tenant.name)
	}
	delete(d.lanes, l.id)
	d.idle.Broadcast()
}

// quit notes that an endpoint has a lane less.
func (d *Dispatcher) quit(h *host) {
	if h == nil {
		return
	}
	if h.lanes--; h.lanes == 0 && d.hosts[h.endpoint] == h {
		delete(d.hosts, h.endpoint)
	}
}

// wakeAt has the lane looked at again; the earliest alarm stands. One that rings
// too late or for nothing does no harm.
func (d *Dispatcher) wakeAt(l *lane, at time.Time) {
	switch {
	case l.timer == nil:
		l.timer = time.AfterFunc(time.Until(at), func() { d.ring(l) })
	case l.alarm.IsZero() || at.Before(l.alarm):
		l.timer.Reset(time.Until(at))
	default:
		return
	}
	l.alarm = at
}

func (d *Dispatcher) ring(l *lane) {
	d.mu.Lock()
	defer d.unlock()
	if l.gone {
		return
	}
	l.alarm = time.Time{}
	now := time.Now()
	d.plan(l, now)
	d.dispatch(now)
}
