package delivery

import (
	"time"

	"github.com/hogcast/hogcast/pkg/outcome"
)

// probe is a probe on its way.
type probe struct {
	lane *lane
	item *Item
}

// probe sends an item alone and at once, whatever its lane does; only beyond
// ProbeSenders probes wait.
func (d *Dispatcher) probe(l *lane, item *Item) {
	l.probing++
	l.spend(1, item.arrived)
	d.probes.push(&probe{l, item})
	if d.probing < d.config.ProbeSenders {
		d.probing++
		go d.sendProbes()
	}
}

func (d *Dispatcher) sendProbes() {
	d.mu.Lock()
	for d.probes.len() > 0 {
		p := d.probes.pop()
		d.mu.Unlock()
		end := d.tryProbe(p)
		d.mu.Lock()
		d.landProbe(p.lane, end == Delivered)
		d.unlock()
		p.item.finish(end)
		d.mu.Lock()
	}
	d.probing--
	d.idle.Broadcast()
	d.mu.Unlock()
}

// landProbe: what took a probe takes more.
func (d *Dispatcher) landProbe(l *lane, accepted bool) {
	l.probing--
	if accepted {
		l.resume()
	}
	now := time.Now()
	d.plan(l, now)
	d.dispatch(now)
}

// tryProbe makes the one attempt of a probe. It is alone, so that what asks for
// a split is itself the bad event.
func (d *Dispatcher) tryProbe(p *probe) End {
	w := &work{lane: p.lane, items: []*Item{p.item}, vacated: true}
	if d.base.Err() != nil || p.item.tooLate(time.Now(), d.hurry()) {
		return d.late(p.item)
	}
	d.request(w, w.items)
	switch v := p.item.verdict; {
	case v.Action == outcome.Accept:
		return Delivered
	case v.Action == outcome.Bury, v.Action == outcome.Split:
		return Buried
	case v.Cause == outcome.Interrupted && d.base.Err() != nil:
		return Interrupted
	}
	return Undelivered
}
