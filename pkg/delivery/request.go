package delivery

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/hogcast/hogcast/pkg/destination"
	"github.com/hogcast/hogcast/pkg/event"
	"github.com/hogcast/hogcast/pkg/outcome"
	"github.com/hogcast/hogcast/pkg/posthog"
)

// neighbourhood is how long before a failed request something may have been
// accepted to show that the destination was not to blame.
const neighbourhood = 10 * time.Second

// flight is one request under way.
type flight struct {
	work     *work
	to       *destination.Destination
	began    time.Time
	suspects bool // and nobody else

	mu      sync.Mutex // orders what Observe is told of this request
	done    bool
	stalled bool
}

// request makes one attempt, notes the verdicts and tells what it came to. Its
// deadline is the smaller of its timeout and the stay that is left to the item
// which has been here longest.
func (d *Dispatcher) request(w *work, items []*Item) tally {
	events := d.events(w.class, items)
	f := &flight{work: w, to: items[0].To, began: time.Now(), suspects: !slices.ContainsFunc(items, blameless)}
	deadline := f.began.Add(d.config.RequestTimeout)
	for _, item := range items {
		if item.Deadline.Before(deadline) {
			deadline = item.Deadline
		}
	}
	ctx, cancel := context.WithDeadline(d.base, deadline)
	defer cancel()
	if w.class == background {
		ctx = posthog.Through(ctx, d.gate)
	}
	alarm := time.AfterFunc(d.config.StallAfter, func() { d.stalls(f) })
	verdicts := d.sender.Send(ctx, f.to, events)
	alarm.Stop()
	for i, item := range items {
		if item.Event == nil {
			events[i].Release()
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.done = true
	return d.note(f, items, verdicts)
}

// events makes the events of items; those of background ones through the gate.
func (d *Dispatcher) events(c class, items []*Item) []*event.Event {
	if c == background {
		d.gate <- struct{}{}
		defer func() { <-d.gate }()
	}
	events := make([]*event.Event, len(items))
	for i, item := range items {
		events[i] = item.event()
	}
	return events
}

// note takes over the verdicts of a request.
func (d *Dispatcher) note(f *flight, items []*Item, verdicts []outcome.Verdict) tally {
	var t tally
	stopped := d.base.Err() != nil
	for i, item := range items {
		v := verdicts[i]
		if stopped && v.Action == outcome.Retry && v.Status == 0 {
			// To the sender a request that we broke off may look like any that
			// got no answer.
			v.Cause = outcome.Interrupted
		}
		item.attempted(f.began, v)
		t.add(v, i == 0)
	}
	d.mu.Lock()
	now := time.Now()
	neighbours := d.answered(f, &t, now)
	for _, item := range items {
		item.blame(f.began, now, neighbours)
	}
	charged := d.config.Observe != nil && (!t.failed() || !f.atFault(neighbours))
	revision := ""
	if charged {
		revision = f.work.lane.revisionOf(f.to)
	}
	d.mu.Unlock()
	if charged {
		d.config.Observe(f.to, t.sample(revision, now.Sub(f.began)))
	}
	return t
}

func blameless(i *Item) bool { return !i.suspect }

// atFault reports whether a request that fails does so for what is in it, as far
// as the destination's other answers tell, of which the last was at a time.
func (f *flight) atFault(neighbours time.Time) bool {
	return f.suspects && neighbours.After(f.began.Add(-neighbourhood))
}

// answered has a lane learn from a request. It returns when something of its
// destination was accepted last.
func (d *Dispatcher) answered(f *flight, t *tally, now time.Time) time.Time {
	l := f.work.lane
	if f.stalled {
		l.stalled--
	}
	switch {
	case t.accepted > 0:
		l.accepted = now
		l.pace.accepted(f.began, now, l.flying[live]+l.flying[background] >= int(l.pace.limit))
		l.pace.limit = min(l.pace.limit, float64(d.config.PerLane))
	case t.again():
		l.pace.shrink(f.began, now)
	}
	return l.accepted
}

// stalls is called when a request has had no answer for StallAfter.
func (d *Dispatcher) stalls(f *flight) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.done {
		return
	}
	d.mu.Lock()
	l, now := f.work.lane, time.Now()
	if l.accepted.After(f.began) {
		d.mu.Unlock()
		return
	}
	charged := d.config.Observe != nil && !f.atFault(l.accepted)
	f.stalled = true
	l.stalled++
	l.pace.shrink(f.began, now)
	d.stall(f.work)
	revision := l.revisionOf(f.to)
	d.plan(l, now)
	d.unblock()
	d.dispatch(now)
	d.unlock()
	if charged {
		d.config.Observe(f.to, stalledSample(revision, now.Sub(f.began)))
	}
}

func (d *Dispatcher) acceptedSince(l *lane, at time.Time) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return l.accepted.After(at)
}

// attempted notes an attempt. What was interrupted is none.
func (i *Item) attempted(at time.Time, v outcome.Verdict) {
	i.verdict = v
	if v.Cause == outcome.Interrupted {
		return
	}
	i.attempts++
	i.last = at
	if i.first.IsZero() {
		i.first = at
	}
}

// blame notes whether the attempt that lasted from began to now failed while
// neighbours succeeded, of which the last did at another time. An item is
// suspected of breaking its batch when that happens the second time, and
// neighbours have succeeded since the first: where everything begins to fail,
// they have not. A rate limit is nobody's fault.
func (i *Item) blame(began, now, neighbours time.Time) {
	v := i.verdict
	if v.Action != outcome.Retry || v.Cause == outcome.Interrupted || v.Cause == outcome.RateLimited ||
		!neighbours.After(began.Add(-neighbourhood)) {
		return
	}
	if i.failures == 0 {
		i.firstFailure, i.blamed = began, now
	}
	i.failures++
	i.suspect = i.Suspect || breaks(v.Cause) && i.failures >= 2 && neighbours.After(i.blamed)
}
