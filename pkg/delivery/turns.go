package delivery

import "time"

// class is a class of service.
type class int

const (
	live class = iota
	background
	classes
)

// backgroundEvery: where both classes have work without end, one turn in this
// many is the background's.
const backgroundEvery = 8

// requestCost is what a request costs its tenant beside its bytes, in bytes:
// about what the fixed work of a request takes the time of. Without it, a
// tenant of many tiny requests would get more than its share.
const requestCost = 4 << 10

// turn is the standing of a tenant, or of a lane within its tenant, in a deficit
// round robin. It is served while its deficit is positive, pays what it takes,
// and may go below 0 by one batch: a batch's size is known when it is made.
type turn struct {
	queued  bool // in its ring, or blocked
	deficit int
}

// enter is called when there is something to serve; it reports whether the turn
// that was begun goes on.
func (t *turn) enter(quantum int) bool {
	t.queued = true
	if t.deficit > 0 {
		return true
	}
	t.deficit += quantum
	return false
}

// leave is called when there is nothing to serve: debts stay, savings don't.
func (t *turn) leave() { t.queued, t.deficit = false, min(t.deficit, 0) }

// tenant is what the lanes of one tenant share. It exists while there is one.
type tenant struct {
	share
	name  string
	lanes int
	turns [classes]turn
	ready [classes]deque[*lane] // lanes with a batch to send
}

// ring holds the tenants that have something to serve in one class. Tenants
// and lanes that have nothing any more are dropped when they are met, so that
// each step costs the same whatever the number of tenants.
type ring struct {
	class   class
	quantum int // bytes that a turn is good for: about one batch
	tenants deque[*tenant]
}

func (r *ring) empty() bool { return r.tenants.len() == 0 }

// add puts a lane in, at the front of its tenant's where its turn goes on.
func (r *ring) add(l *lane) {
	t, q := l.tenant, &l.tenant.ready[r.class]
	if l.turns[r.class].enter(r.quantum) {
		q.pushFront(l)
	} else {
		q.push(l)
	}
	if !t.turns[r.class].queued {
		t.turns[r.class].enter(r.quantum)
		r.tenants.push(t)
	}
}

// next takes the lane whose turn it is out of the ring; nil where there is none.
// Its tenant stays until settle is called.
func (r *ring) next() *lane {
	for r.tenants.len() > 0 {
		t := r.tenants.front()
		own, q := &t.turns[r.class], &t.ready[r.class]
		switch {
		case q.len() == 0:
			r.tenants.pop()
			own.leave()
		case own.deficit <= 0:
			own.deficit += r.quantum
			r.tenants.rotate()
		case q.front().turns[r.class].deficit <= 0:
			q.front().turns[r.class].deficit += r.quantum
			q.rotate()
		default:
			return q.pop()
		}
	}
	return nil
}

// pay charges a lane and its tenant for what was taken.
func (r *ring) pay(l *lane, bytes int) {
	l.turns[r.class].deficit -= bytes + requestCost
	l.tenant.turns[r.class].deficit -= bytes + requestCost
}

// class chooses whose turn it is; false where nobody may be served.
func (d *Dispatcher) class() (class, bool) {
	drain := !d.rings[background].empty() && d.drains < int(d.yield.limit[background])
	switch {
	case drain && (d.rings[live].empty() || d.sinceBackground >= backgroundEvery-1):
		return background, true
	case !d.rings[live].empty():
		return live, true
	}
	return live, false
}

// next makes the next batch: of the class, tenant and lane whose turn it is.
// nil: nothing is ready, or every slot is taken.
func (d *Dispatcher) next(now time.Time) *work {
	d.yield.turn(now, d.config, d.drains > 0 || !d.rings[background].empty())
	for d.slots() > 0 {
		c, ok := d.class()
		if !ok {
			return nil
		}
		l := d.rings[c].next()
		if l == nil {
			continue // what stood in the ring had gone
		}
		if d.blocked(l, c) {
			continue
		}
		l.turns[c].queued = false
		if at := d.readyAt(l, c, now); at.IsZero() || at.After(now) {
			// Something has changed since it was put in.
			l.turns[c].leave()
			d.plan(l, now)
			continue
		}
		if w := d.serve(l, c, now); w != nil {
			return w
		}
	}
	return nil
}

// serve makes a batch of a lane; nil where all that it found was too late.
func (d *Dispatcher) serve(l *lane, c class, now time.Time) *work {
	items, bytes := d.take(l, c, now)
	if len(items) > 0 {
		d.rings[c].pay(l, bytes)
	}
	var w *work
	if len(items) > 0 {
		w = &work{lane: l, class: c, items: items}
		d.occupy(w)
	}
	if c == background {
		d.sinceBackground = 0
	} else {
		d.sinceBackground++
	}
	d.plan(l, now)
	if !l.turns[c].queued {
		l.turns[c].leave()
	}
	return w
}
