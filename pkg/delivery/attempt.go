package delivery

import (
	"context"
	"time"

	"github.com/hogcast/hogcast/pkg/destination"
	"github.com/hogcast/hogcast/pkg/event"
	"github.com/hogcast/hogcast/pkg/outcome"
)

// report is what a batch came to, once what is decided has been told.
type report struct {
	accepted int
	// failed: the destination as a whole failed, or asked for a pause.
	failed     bool
	retryAfter time.Duration
	// retry are the items to try again, with their verdicts.
	retry    []*Item
	verdicts []outcome.Verdict
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
	verdicts := d.request(items)
	var split []*Item
	sameFailure := true
	for i, item := range items {
		v := verdicts[i]
		switch v.Action {
		case outcome.Accept:
			r.accepted++
			item.finish(Delivered, v)
		case outcome.Split:
			split = append(split, item)
		case outcome.Bury:
			item.finish(Buried, v)
		case outcome.Retry:
			r.retry = append(r.retry, item)
			r.verdicts = append(r.verdicts, v)
			r.retryAfter = max(r.retryAfter, v.RetryAfter)
		case outcome.Hold, outcome.NextEncoding, outcome.NextPath:
			// The sender has tried every encoding and path that there is.
			item.finish(undelivered(v), v)
		}
		sameFailure = sameFailure && v.Action == outcome.Retry && v.Cause != outcome.RetryAsked
	}
	r.failed = r.failed || sameFailure
	switch len(split) {
	case 0:
	case 1:
		split[0].finish(Buried, verdictOf(split[0], items, verdicts))
	default:
		d.attempt(split[:len(split)/2], r)
		d.attempt(split[len(split)/2:], r)
	}
}

func undelivered(v outcome.Verdict) End {
	if v.Cause == outcome.Interrupted {
		return Interrupted
	}
	return Undelivered
}

func verdictOf(item *Item, items []*Item, verdicts []outcome.Verdict) outcome.Verdict {
	for i := range items {
		if items[i] == item {
			return verdicts[i]
		}
	}
	return outcome.Verdict{}
}

// inTime ends the items whose deadline has passed, and returns the others.
func (d *Dispatcher) inTime(items []*Item) []*Item {
	now := time.Now()
	kept := items[:0:0]
	for _, item := range items {
		switch {
		case d.base.Err() != nil:
			item.finish(Interrupted, outcome.Verdict{Action: outcome.Retry, Cause: outcome.Interrupted})
		case !item.Deadline.After(now):
			item.finish(Undelivered, outcome.Verdict{Action: outcome.Retry, Cause: outcome.Timeout})
		default:
			kept = append(kept, item)
		}
	}
	return kept
}

// request makes one attempt. Its deadline is the smaller of its timeout and
// the stay that is left to the item which has been here longest.
func (d *Dispatcher) request(items []*Item) []outcome.Verdict {
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
	verdicts := d.sender.Send(ctx, to(items), events)
	for i, item := range items {
		if verdicts[i].Cause != outcome.Interrupted {
			item.attempted(now)
		}
	}
	return verdicts
}

func to(items []*Item) *destination.Destination { return items[0].To }

func (i *Item) attempted(at time.Time) {
	i.attempts++
	i.last = at
	if i.first.IsZero() {
		i.first = at
	}
}

func (i *Item) finish(end End, v outcome.Verdict) {
	i.Done(Result{End: end, Verdict: v, Attempts: i.attempts, FirstAttempt: i.first, LastAttempt: i.last})
}
