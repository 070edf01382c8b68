package delivery

import (
	"context"
	"sync"
	"time"

	"github.com/hogcast/hogcast/pkg/destination"
)

// Dispatcher runs the lanes.
type Dispatcher struct {
	config Config
	sender Sender
	// base ends what is under way when stopping takes too long.
	base   context.Context //nolint:containedctx // the life of the dispatcher, not of a call
	cancel context.CancelFunc

	mu       sync.Mutex
	lanes    map[destination.ID]*lane
	ready    []*lane // lanes with a batch to send, served in turn
	senders  int     // goroutines of sending
	stopping bool
	idle     *sync.Cond // with mu: a lane went, or a sender
}

// New makes a dispatcher.
func New(config Config, sender Sender) (*Dispatcher, error) {
	if err := config.Validate(); err != nil {
		return nil, err
	}
	d := &Dispatcher{config: config, sender: sender, lanes: make(map[destination.ID]*lane)}
	d.base, d.cancel = context.WithCancel(context.Background())
	d.idle = sync.NewCond(&d.mu)
	return d, nil
}

// Submit takes an item over. It never blocks: what is in hand is bounded where
// records come in.
func (d *Dispatcher) Submit(item *Item) {
	d.mu.Lock()
	defer d.mu.Unlock()
	l := d.lanes[item.To.ID]
	if l == nil {
		l = newLane(item.To.ID, d.config)
		d.lanes[item.To.ID] = l
	}
	item.arrived = time.Now()
	l.add(item)
	d.plan(l)
}

// Stats are what is in hand now.
type Stats struct{ Lanes, Waiting, Requests int }

// Stats returns what is in hand now.
func (d *Dispatcher) Stats() Stats {
	d.mu.Lock()
	defer d.mu.Unlock()
	s := Stats{Lanes: len(d.lanes)}
	for _, l := range d.lanes {
		s.Waiting += len(l.items) + l.asleep
		s.Requests += l.flying
	}
	return s
}

// Stop sends what waits at once and retries nothing any more. When ctx ends,
// what is still under way is interrupted. Every item's Done has been called
// when Stop returns.
func (d *Dispatcher) Stop(ctx context.Context) {
	stop := context.AfterFunc(ctx, d.cancel)
	defer stop()
	defer d.cancel()
	d.mu.Lock()
	defer d.mu.Unlock()
	d.stopping = true
	var asleep []*Item
	for _, l := range d.lanes {
		asleep = append(asleep, l.rouse()...)
		d.plan(l)
	}
	d.mu.Unlock() // what is told is the caller's code
	for _, item := range asleep {
		item.giveUp(Undelivered)
	}
	d.mu.Lock()
	for len(d.lanes) > 0 || d.senders > 0 {
		d.idle.Wait()
	}
}

// plan decides what a lane does next: be served, wait for more or for the end
// of a pause, or go. Called with mu held whenever the lane has changed.
func (d *Dispatcher) plan(l *lane) {
	now := time.Now()
	paused := !d.stopping && now.Before(l.pausedUntil)
	switch {
	case l.empty() && paused:
		// The pause outlives what was to be sent, or it would bind nobody.
		d.wakeAfter(l, l.pausedUntil.Sub(now))
		return
	case l.empty():
		l.stopTimer()
		delete(d.lanes, l.id)
		d.idle.Broadcast()
		return
	case len(l.items) == 0 || l.queued || l.flying >= d.config.PerLane:
		return
	}
	due := l.items[0].arrived.Add(d.config.BatchWait)
	switch {
	case d.stopping || l.hopeless(now):
		d.enqueue(l)
	case paused:
		d.wakeAfter(l, l.pausedUntil.Sub(now))
	case l.full(d.config) || !now.Before(due):
		d.enqueue(l)
	default:
		d.wakeAfter(l, due.Sub(now))
	}
}

func (d *Dispatcher) enqueue(l *lane) {
	l.stopTimer()
	l.queued = true
	d.ready = append(d.ready, l)
	d.moreSenders()
}

// wakeAfter has the lane looked at again; the first alarm that is set stands.
// An alarm that was stopped too late to keep it from ringing does nothing: the
// lane may be gone, and another in its place.
func (d *Dispatcher) wakeAfter(l *lane, wait time.Duration) {
	if l.timer != nil {
		return
	}
	var alarm *time.Timer
	alarm = time.AfterFunc(wait, func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		if l.timer != alarm {
			return
		}
		l.timer = nil
		d.plan(l)
	})
	l.timer = alarm
}

func (l *lane) stopTimer() {
	if l.timer != nil {
		l.timer.Stop()
		l.timer = nil
	}
}

func (d *Dispatcher) moreSenders() {
	if d.senders < d.config.Senders {
		d.senders++
		go d.send()
	}
}

// send serves ready lanes in turn until there is none.
func (d *Dispatcher) send() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for len(d.ready) > 0 {
		l, work := d.next()
		d.mu.Unlock()
		report := work()
		d.mu.Lock()
		givenUp := d.land(l, &report)
		d.mu.Unlock() // what is told is the caller's code
		for _, item := range givenUp {
			item.giveUp(Undelivered)
		}
		d.mu.Lock()
	}
	d.senders--
	d.idle.Broadcast()
}

// next takes work from the lane whose turn it is: a batch to deliver or, while
// the lane pauses, items for which the pause is too long. Fairness over
// tenants, by bytes, has its place here.
func (d *Dispatcher) next() (*lane, func() report) {
	l := d.ready[0]
	d.ready[0] = nil
	d.ready = d.ready[1:]
	l.queued = false
	l.flying++
	defer d.plan(l)
	if time.Now().Before(l.pausedUntil) {
		items, end := l.takeHopeless(d.stopping)
		return l, func() report {
			for _, item := range items {
				item.giveUp(end)
			}
			return report{}
		}
	}
	batch := l.take(d.config)
	return l, func() report { return d.deliver(batch) }
}

// land takes over what a batch came to: retries sleep, the lane pauses where
// the destination as a whole failed. It returns the items that are given up.
func (d *Dispatcher) land(l *lane, r *report) (givenUp []*Item) {
	l.flying--
	if r.accepted > 0 && !r.failed {
		l.backoff.Reset()
	}
	if len(r.retry) > 0 {
		givenUp = d.retryLater(l, r)
	}
	d.plan(l)
	return givenUp
}

// retryLater has items tried again after a wait with full jitter, at least what
// the answer asked for. Items that the wait would carry past their deadline are
// given up at once.
func (d *Dispatcher) retryLater(l *lane, r *report) (givenUp []*Item) {
	wait := max(l.backoff.NextBackOff(), r.retryAfter)
	until := time.Now().Add(wait)
	// Another batch may have been asked to wait longer.
	if r.failed && until.After(l.pausedUntil) {
		l.pausedUntil = until
	}
	asleep := make([]*Item, 0, len(r.retry))
	for _, item := range r.retry {
		if d.stopping || !item.Deadline.After(until) {
			givenUp = append(givenUp, item)
			continue
		}
		asleep = append(asleep, item)
	}
	if len(asleep) > 0 {
		d.sleep(l, asleep, wait)
	}
	return givenUp
}

// sleep puts items aside; unless Stop rouses them before, they come back to the
// front of their lane.
func (d *Dispatcher) sleep(l *lane, items []*Item, wait time.Duration) {
	n := &nap{items: items}
	n.timer = time.AfterFunc(wait, func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		if !l.wake(n) {
			return
		}
		l.putBack(items)
		d.plan(l)
	})
	l.naps = append(l.naps, n)
	l.asleep += len(items)
}
