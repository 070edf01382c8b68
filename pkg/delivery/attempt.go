package delivery

import (
	"context"
	"time"

	"github.com/hogcast/hogcast/pkg/event"
	"github.com/hogcast/hogcast/pkg/outcome"
)

// report is what a batch came to, once what is decided has been told.
type report struct {
	accepted int
	// failed: the destination as a whole failed, or asked for a pause.
	failed     bool
	retryAfter time.Duration
	retry      []*Item // to try again
}

// deliver sends a batch, and its parts where it has to be split, and tells
// every item that is decided.
func (d *Dispatcher) deliver(batch []*Item) report {
	var r report
	d.attempt(batch, &r)
	return r
}

// attempt sends items in one request and sorts them by their verdicts. Those
// that ask for a split are halved until the bad event is alone, so that it
// costs the others no more than a retry.
func (d *Dispatcher) attempt(items []*Item, r *report) {
	items = d.inTime(items)
	if len(items) == 0 {
		return
	}
	d.request(items)
	var split []*Item
	failed := true
	for _, item := range items {
		v := item.verdict
		switch v.Action {
		case outcome.Accept:
			r.accepted++
			item.finish(Delivered)
		case outcome.Split:
			split = append(split, item)
		case outcome.Bury:
			item.finish(Buried)
		case outcome.Retry:
			d.again(item, r)
		case outcome.Hold, outcome.NextEncoding, outcome.NextPath:
			// The sender has tried every encoding and path that there is.
			item.finish(Undelivered)
		}
		failed = failed && v.Action == outcome.Retry && v.Cause != outcome.RetryAsked && v.Cause != outcome.Interrupted
	}
	r.failed = r.failed || failed
	d.split(split, r)
}

// again has an item tried again later, unless it was we who broke off.
func (d *Dispatcher) again(item *Item, r *report) {
	if d.base.Err() != nil && item.verdict.Cause == outcome.Interrupted {
		item.finish(Interrupted)
		return
	}
	r.retry = append(r.retry, item)
	r.retryAfter = max(r.retryAfter, item.verdict.RetryAfter)
}

// split sends items in halves; one that is alone is the bad one.
func (d *Dispatcher) split(items []*Item, r *report) {
	switch len(items) {
	case 0:
	case 1:
		items[0].finish(Buried)
	default:
		d.attempt(items[:len(items)/2], r)
		rest := items[len(items)/2:]
		if r.failed {
			// What failed as a whole, or asked for a pause, is not asked again
			// at once; the rest is split when its turn comes.
			r.retry = append(r.retry, rest...)
			return
		}
		d.attempt(rest, r)
	}
}

// inTime ends the items whose deadline has passed, and returns the others.
func (d *Dispatcher) inTime(items []*Item) []*Item {
	now := time.Now()
	kept := items[:0:0]
	for _, item := range items {
		switch {
		case d.base.Err() != nil:
			item.giveUp(Interrupted)
		case !item.Deadline.After(now):
			item.giveUp(Undelivered)
		default:
			kept = append(kept, item)
		}
	}
	return kept
}

// request makes one attempt and notes the verdicts. Its deadline is the smaller
// of its timeout and the stay that is left to the item which has been here
// longest.
func (d *Dispatcher) request(items []*Item) {
	now := time.Now()
	deadline := now.Add(d.config.RequestTimeout)
	events := make([]*event.Event, len(items))
	for i, item := range items {
		events[i] = item.Event
		if item.Deadline.Before(deadline) {
			deadline = item.Deadline
		}
	}
	ctx, cancel := context.WithDeadline(d.base, deadline)
	defer cancel()
	verdicts := d.sender.Send(ctx, items[0].To, events)
	stopped := d.base.Err() != nil
	for i, item := range items {
		v := verdicts[i]
		if stopped && v.Action == outcome.Retry && v.Status == 0 {
			// To the sender a request that we broke off may look like any that
			// got no answer.
			v.Cause = outcome.Interrupted
		}
		item.attempted(now, v)
	}
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

// giveUp ends an item that gets no attempt any more. Without one before, there
// is no verdict but that there was no time.
func (i *Item) giveUp(end End) {
	if i.attempts == 0 || end == Interrupted {
		i.verdict = outcome.Verdict{Action: outcome.Retry, Cause: outcome.Interrupted}
	}
	i.finish(end)
}

func (i *Item) finish(end End) {
	i.Done(Result{End: end, Verdict: i.verdict, Attempts: i.attempts, FirstAttempt: i.first, LastAttempt: i.last})
}
