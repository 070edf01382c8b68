package delivery

import (
	"slices"
	"time"

	"github.com/hogcast/hogcast/pkg/destination"
	"github.com/hogcast/hogcast/pkg/outcome"
)

// report is what a batch came to, once what is decided has been told.
type report struct {
	to       *destination.Destination
	began    time.Time // of the latest request that failed as a whole
	accepted int
	// failed: the destination as a whole failed, or asked for a pause.
	failed     bool
	retryAfter time.Duration
	retry      []*Item // to try again
	blocked    bool    // but not now: the destination is known not to take it
}

// again has items tried again later.
func (r *report) again(items []*Item) {
	for _, item := range items {
		r.retryAfter = max(r.retryAfter, item.verdict.RetryAfter)
	}
	r.retry = append(r.retry, items...)
}

// deliver sends a batch, and its parts where it has to be split, and tells
// every item that is decided.
func (d *Dispatcher) deliver(w *work) report {
	r := report{to: w.items[0].To}
	failed := d.attempt(w, w.items, &r)
	if slices.ContainsFunc(failed, func(i *Item) bool { return i.suspect }) {
		d.isolate(w, failed, &r)
	} else {
		d.giveBack(w, failed, &r)
	}
	r.blocked = d.config.Blocked != nil && len(r.retry) > 0 && d.config.Blocked(r.to)
	return r
}

// attempt sends items in one request and sorts them by their verdicts. Those
// that ask for a split are halved until the bad event is alone, so that it
// costs the others no more than a retry. Where the request failed as a whole,
// what is to be tried again is returned instead of reported.
func (d *Dispatcher) attempt(w *work, items []*Item, r *report) (failed []*Item) {
	items = d.inTime(items)
	if len(items) == 0 {
		return nil
	}
	t := d.request(w, items)
	r.accepted += t.accepted
	var split, retry []*Item
	for _, item := range items {
		switch item.verdict.Action {
		case outcome.Accept:
			item.finish(Delivered)
		case outcome.Split:
			split = append(split, item)
		case outcome.Bury:
			item.finish(Buried)
		case outcome.Retry:
			if item.verdict.Cause == outcome.Interrupted && d.base.Err() != nil {
				item.finish(Interrupted) // it was we who broke off
				continue
			}
			retry = append(retry, item)
		case outcome.Hold, outcome.NextEncoding, outcome.NextPath:
			// The sender has tried every encoding and path that there is.
			item.finish(Undelivered)
		}
	}
	if t.again() {
		return retry
	}
	r.again(retry)
	d.split(w, split, r)
	return nil
}

// giveBack reports what failed as a whole: its lane pauses, unless the
// destination has taken something else meanwhile and asks for no pause.
func (d *Dispatcher) giveBack(w *work, failed []*Item, r *report) {
	if len(failed) == 0 {
		return
	}
	r.again(failed)
	r.began = failed[0].last
	r.failed = r.failed || r.retryAfter > 0 || failed[0].verdict.Cause == outcome.RateLimited || !d.acceptedSince(w.lane, failed[0].last)
}

// split sends items in halves; one that is alone is the bad one.
func (d *Dispatcher) split(w *work, items []*Item, r *report) {
	switch len(items) {
	case 0:
	case 1:
		items[0].finish(Buried)
	default:
		d.giveBack(w, d.attempt(w, items[:len(items)/2], r), r)
		rest := items[len(items)/2:]
		if r.failed {
			// What failed as a whole, or asked for a pause, is not asked again
			// at once; the rest is split when its turn comes.
			r.again(rest)
			return
		}
		d.giveBack(w, d.attempt(w, rest, r), r)
	}
}

// isolate looks for the event that makes its batches fail while others of its
// destination succeed: it sends them in halves, and goes on with the half that
// fails. Where both do, either each holds such an event or it is the
// destination's fault after all: they wait, and are tried apart. The event that
// is found goes alone from now on, and costs nobody but itself.
func (d *Dispatcher) isolate(w *work, items []*Item, r *report) {
	for len(items) > 1 && !r.failed {
		first := d.attempt(w, items[:len(items)/2], r)
		second := d.attempt(w, items[len(items)/2:], r)
		if len(first) > 0 && len(second) > 0 {
			keepApart(first)
			keepApart(second)
			d.giveBack(w, append(first, second...), r)
			return
		}
		items = append(first, second...)
	}
	keepApart(items)
	r.again(items)
}

func keepApart(items []*Item) {
	c := &cohort{}
	for _, item := range items {
		item.cohort = c
	}
}

// inTime ends the items whose time is over, and returns the others.
func (d *Dispatcher) inTime(items []*Item) []*Item {
	now, hurry := time.Now(), d.hurry()
	if d.base.Err() == nil && !slices.ContainsFunc(items, func(i *Item) bool { return i.tooLate(now, hurry) }) {
		return items
	}
	kept := items[:0:0]
	for _, item := range items {
		if d.base.Err() == nil && !item.tooLate(now, hurry) {
			kept = append(kept, item)
			continue
		}
		item.finish(d.late(item))
	}
	return kept
}

// late is the end of an item for which there is no time any more.
func (d *Dispatcher) late(item *Item) End {
	stopped := d.base.Err() != nil
	if item.attempts == 0 || stopped {
		item.verdict = outcome.Verdict{Action: outcome.Retry, Cause: outcome.Interrupted}
	}
	if stopped {
		return Interrupted
	}
	return Undelivered
}

func (i *Item) finish(end End) {
	i.Done(Result{
		End: end, Verdict: i.verdict, Attempts: i.attempts, FirstAttempt: i.first, LastAttempt: i.last,
		Failures: i.failures, FirstFailure: i.firstFailure,
	})
}
