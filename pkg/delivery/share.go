package delivery

import "slices"

// share is what a tenant, or an endpoint, has of the slots: requests at once
// that may be under way. One whose requests hang would soon hold them all.
//
// So a tenant may have as many as are left free, but always leastShare: one that
// hangs ends up with half, two with a third each. Beyond Config.Senders lies a
// reserve of a quarter, for endpoints which hold fewer than what is left of it:
// when all that goes to one endpoint hangs, the others still have slots. And a
// request that stalls gives its slot back (see stall), at most Config.Senders of
// them.
type share struct {
	slots   int
	blocked deque[blockedLane] // lanes that are ready, and must wait for a slot
	host    bool               // an endpoint's
}

// host is what the lanes of one endpoint share.
type host struct {
	share
	endpoint string
	lanes    int
}

// leastShare is what a tenant may always have, while there are slots.
const leastShare = 2

type blockedLane struct {
	lane  *lane
	class class
}

// sendersNow is Config.Senders, or less while processors are short.
func (d *Dispatcher) sendersNow() int { return int(d.yield.limit[live]) }

// slots is how many slots are left, the reserve included.
func (d *Dispatcher) slots() int { return d.sendersNow() + d.sendersNow()/4 - d.taken }

// left is how many more slots a share may have now.
func (d *Dispatcher) left(s *share) int {
	free := d.sendersNow() - d.taken
	switch {
	case !s.host:
		return max(leastShare, d.slots()) - s.slots
	case free > 0:
		return free
	}
	return d.slots() - s.slots
}

// blocked puts a lane aside where its tenant or its endpoint may have no slot.
func (d *Dispatcher) blocked(l *lane, c class) bool {
	for _, s := range [...]*share{&l.tenant.share, &l.host.share} {
		if d.left(s) > 0 {
			continue
		}
		if s.blocked.len() == 0 {
			d.crowded = append(d.crowded, s)
		}
		l.turns[c].leave()
		l.turns[c].queued = true
		s.blocked.push(blockedLane{l, c})
		return true
	}
	return false
}

// unblock brings back as many lanes as may have a slot now.
func (d *Dispatcher) unblock() {
	if len(d.crowded) == 0 {
		return
	}
	for _, s := range d.crowded {
		for n := min(d.left(s), s.blocked.len()); n > 0; n-- {
			b := s.blocked.pop()
			b.lane.turns[b.class].queued = false
			if !b.lane.gone {
				d.rings[b.class].add(b.lane)
			}
		}
	}
	d.crowded = slices.DeleteFunc(d.crowded, func(s *share) bool { return s.blocked.len() == 0 })
}

// occupy takes a slot for a batch.
func (d *Dispatcher) occupy(w *work) {
	l := w.lane
	w.host = l.host
	l.flying[w.class]++
	d.taken++
	l.tenant.slots++
	w.host.slots++
	if w.class == background {
		d.drains++
	}
}

// vacate gives the slot back, once.
func (d *Dispatcher) vacate(w *work) {
	if w.vacated {
		return
	}
	w.vacated = true
	d.taken--
	w.lane.tenant.slots--
	w.host.slots--
}

// stall lets a request that has had no answer for long give its slot to others.
func (d *Dispatcher) stall(w *work) {
	if w.vacated || d.stuck >= d.config.Senders {
		return
	}
	d.stuck++
	w.stuck = true
	d.vacate(w)
}

// leave ends a batch's time in its lane.
func (d *Dispatcher) leave(w *work) {
	if w.stuck {
		d.stuck--
	}
	d.vacate(w)
	w.lane.flying[w.class]--
	if w.class == background {
		d.drains--
	}
}

// hostOf finds, or makes, what an endpoint's lanes share.
func (d *Dispatcher) hostOf(endpoint string) *host {
	h := d.hosts[endpoint]
	if h == nil {
		h = &host{share: share{host: true}, endpoint: endpoint}
		d.hosts[endpoint] = h
	}
	return h
}
