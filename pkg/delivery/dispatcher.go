package delivery

import (
	"context"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/hogcast/hogcast/pkg/destination"
)

// Dispatcher runs the lanes.
//
//	Submit ─▶ lane ─▶ plan ─▶ ring of tenants ─▶ next ─▶ attempt ─▶ land ─▶ Done
//	           ▲        │      live, background    │        │          │
//	           │     alarm      share: slots     batch   sample      nap
//	           └──────────────────────────────────────────────────────┘
type Dispatcher struct {
	config Config
	sender Sender
	// base ends what is under way when stopping takes too long.
	base   context.Context //nolint:containedctx // the life of the dispatcher, not of a call
	cancel context.CancelFunc

	mu       sync.Mutex
	lanes    map[destination.ID]*lane
	tenants  map[string]*tenant
	hosts    map[string]*host
	memory   memory // of lanes that are gone
	stopping bool
	idle     *sync.Cond // with mu: a lane went, or a goroutine

	rings           [classes]ring
	sinceBackground int // live turns since a background one
	taken           int // slots
	stuck           int // batches that gave theirs back early
	drains          int // background batches under way
	yield           yield
	crowded         []*share // with lanes blocked

	probes  deque[*probe] // wait for one of ProbeSenders
	probing int           // probes under way

	senders int      // goroutines of sending
	telling int      // goroutines that call Done of what was given up
	teller  bool     // one that does nothing else is under way
	ended   []ending // given up and not told yet

	sweeper *time.Timer // nil: nothing to sweep
	fleet   int         // workers, as of fleetAt
	fleetAt time.Time

	// gate: background requests make their events and bodies on half of the
	// processors at most, so that live ones find one soon.
	gate chan struct{}

	seen   map[string]struct{} // scratch of take
	passed []*Item
}

// New makes a dispatcher.
func New(config Config, sender Sender) (*Dispatcher, error) {
	if err := config.Validate(); err != nil {
		return nil, err
	}
	d := &Dispatcher{
		config: config, sender: sender, memory: newMemory(), seen: make(map[string]struct{}),
		gate:  make(chan struct{}, max(1, runtime.GOMAXPROCS(0)/2)),
		lanes: make(map[destination.ID]*lane), tenants: make(map[string]*tenant), hosts: make(map[string]*host),
	}
	for c := range classes {
		d.rings[c].class, d.rings[c].quantum = c, config.BatchBytes
	}
	d.yield = newYield(config)
	d.base, d.cancel = context.WithCancel(context.Background())
	d.idle = sync.NewCond(&d.mu)
	return d, nil
}

// Submit takes an item over. It never blocks: what is in hand is bounded where
// records come in.
func (d *Dispatcher) Submit(item *Item) {
	now := time.Now()
	d.mu.Lock()
	defer d.unlockForCaller()
	l := d.lane(item.To, now)
	item.arrived = now.Add(-d.credit(item, now))
	if item.Probe {
		d.probe(l, item)
		return
	}
	if item.Suspect {
		item.suspect, item.cohort = true, &l.suspects
	}
	l.waiting[item.class()].add(item)
	d.plan(l, now)
	d.dispatch(now)
}

// credit is what an item waits less for its batch, for its way was long: up to
// half of it, and none where that was so long that it is of a backlog, whose
// batches are worth waiting for.
func (d *Dispatcher) credit(item *Item, now time.Time) time.Duration {
	if item.Published.IsZero() {
		return 0
	}
	const backlog = 4 // times the wait
	wait, age := d.config.BatchWait, now.Sub(item.Published)
	return max(0, min(age, wait/2, backlog*wait-age))
}

// Pause has a destination left alone until a time, as another worker learned
// that it wants. It never shortens a pause. A probe that succeeds ends it, and
// so does an item for another revision of the destination.
func (d *Dispatcher) Pause(id destination.ID, until time.Time) {
	now := time.Now()
	d.mu.Lock()
	defer d.unlockForCaller()
	if d.stopping || !until.After(now) {
		return
	}
	l := d.lanes[id]
	if l == nil {
		l = d.newLane(id, now)
	}
	if until.After(l.pausedUntil) {
		l.pausedUntil = until
	}
	d.plan(l, now)
}

// Stats are what is in hand now. Waiting are live items; Requests count probes
// too.
type Stats struct{ Lanes, Waiting, Background, Requests int }

// Stats returns what is in hand now.
func (d *Dispatcher) Stats() Stats {
	d.mu.Lock()
	defer d.mu.Unlock()
	s := Stats{Lanes: len(d.lanes), Waiting: d.probes.len(), Requests: d.probing}
	for _, l := range d.lanes {
		s.Waiting += l.waiting[live].len() + l.asleep[live]
		s.Background += l.waiting[background].len() + l.asleep[background]
		s.Requests += l.flying[live] + l.flying[background]
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
	now := time.Now()
	d.mu.Lock()
	d.stopping = true
	for _, l := range d.lanes {
		for _, item := range l.rouse() {
			d.giveUp(item, Undelivered)
		}
		d.plan(l, now)
	}
	d.dispatch(now)
	d.unlock()
	d.mu.Lock()
	defer d.mu.Unlock()
	for len(d.lanes) > 0 || d.senders > 0 || d.probing > 0 || d.telling > 0 || d.teller {
		d.idle.Wait()
	}
	if d.sweeper != nil {
		d.sweeper.Stop()
	}
}

// dispatch starts as many batches as there may be. Called with mu held when
// something may have become ready.
func (d *Dispatcher) dispatch(now time.Time) {
	for w := d.next(now); w != nil; w = d.next(now) {
		d.senders++
		go d.send(w)
	}
}

// send delivers a batch, and then others while there are any.
func (d *Dispatcher) send(w *work) {
	for w != nil {
		r := d.deliver(w)
		d.mu.Lock()
		now := time.Now()
		d.land(w, &r, now)
		if w = d.next(now); w == nil {
			d.senders--
			d.idle.Broadcast()
		} else {
			d.dispatch(now)
		}
		d.unlock()
	}
}

// land takes over what a batch came to: retries sleep, the lane pauses where
// the destination as a whole failed.
func (d *Dispatcher) land(w *work, r *report, now time.Time) {
	l := w.lane
	d.leave(w)
	if r.accepted > 0 && !r.failed {
		l.failures = 0
	}
	if len(r.retry) > 0 {
		d.retryLater(l, r, now)
	}
	d.plan(l, now)
	d.unblock()
}

// retryLater has items tried again after a wait with full jitter, at least what
// the answer asked for. Of requests that fail together only the first makes the
// next wait longer; the others wait for the same time. Items that the wait would
// carry past their deadline, or too near to it, are given up at once.
func (d *Dispatcher) retryLater(l *lane, r *report, now time.Time) {
	wait := max(d.backOff(l, r, now), r.retryAfter)
	until := now.Add(wait)
	// Another batch may have been asked to wait longer; and what the
	// destination said before it was changed binds nobody.
	if r.failed && until.After(l.pausedUntil) && (l.to == r.to || l.revisionOf(l.to) == r.to.Revision()) {
		l.pausedUntil = until
	}
	asleep := make([]*Item, 0, len(r.retry))
	for _, item := range r.retry {
		if d.stopping || r.blocked || item.tooLate(until, d.hurry()) {
			d.giveUp(item, Undelivered)
			continue
		}
		asleep = append(asleep, item)
	}
	if len(asleep) > 0 {
		d.sleep(l, asleep, wait)
	}
}

func (d *Dispatcher) backOff(l *lane, r *report, now time.Time) time.Duration {
	switch {
	case !r.failed: // its items' own matter
		most := 0
		for _, item := range r.retry {
			most = max(most, item.attempts)
		}
		return wait(d.config, most)
	case r.began.Before(l.failed):
		return l.pausedUntil.Sub(now)
	}
	l.failed = now
	l.failures++
	return wait(d.config, l.failures)
}

// sleep puts items aside; unless Stop rouses them before, they come back to the
// front of their lane.
func (d *Dispatcher) sleep(l *lane, items []*Item, wait time.Duration) {
	n := &nap{items: items}
	n.timer = time.AfterFunc(wait, func() { d.wakeUp(l, n) })
	l.naps = append(l.naps, n)
	for _, item := range items {
		l.asleep[item.class()]++
	}
}

func (d *Dispatcher) wakeUp(l *lane, n *nap) {
	d.mu.Lock()
	defer d.unlock()
	if !l.wake(n) {
		return
	}
	for _, item := range slices.Backward(n.items) {
		l.waiting[item.class()].addFront(item)
	}
	now := time.Now()
	d.plan(l, now)
	d.dispatch(now)
}
