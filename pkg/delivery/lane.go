package delivery

import (
	"slices"
	"time"

	"github.com/cenkalti/backoff/v4"

	"github.com/hogcast/hogcast/pkg/destination"
)

// lane is what waits for one destination. Guarded by Dispatcher.mu.
type lane struct {
	id     destination.ID
	items  []*Item // in order of arrival; retries come back at the front
	bytes  int
	flying int // requests under way
	asleep int // items that wait for a retry, in naps
	naps   []*nap
	queued bool // in the dispatcher's ready list
	timer  *time.Timer
	// pausedUntil: the destination as a whole asked for a pause, or failed.
	pausedUntil time.Time
	backoff     *backoff.ExponentialBackOff
}

// nap is a wait before a retry.
type nap struct {
	items []*Item
	timer *time.Timer
}

func newLane(id destination.ID, c Config) *lane { return &lane{id: id, backoff: newBackoff(c)} }

// newBackoff: exponential, with full jitter (a factor of 1 spreads each wait
// over 0 to twice its interval, so the intervals are half of the bounds). It
// has no end of its own; the items' deadlines have.
func newBackoff(c Config) *backoff.ExponentialBackOff {
	b := backoff.NewExponentialBackOff()
	b.InitialInterval = c.RetryFirst / 2
	b.RandomizationFactor = 1
	b.Multiplier = 2
	b.MaxInterval = c.RetryMax / 2
	b.MaxElapsedTime = 0
	b.Reset()
	return b
}

// full reports whether a batch of the greatest size can be made.
func (l *lane) full(c Config) bool { return len(l.items) >= c.BatchEvents || l.bytes >= c.BatchBytes }

// empty reports whether nothing waits, flies or sleeps in the lane.
func (l *lane) empty() bool { return len(l.items) == 0 && l.flying == 0 && l.asleep == 0 }

// hopeless reports whether the lane pauses beyond the deadline of its first
// item; items stand in order of arrival, and so of their deadlines.
func (l *lane) hopeless(now time.Time) bool {
	return now.Before(l.pausedUntil) && !l.items[0].Deadline.After(l.pausedUntil)
}

// takeHopeless cuts off the items that a pausing lane can't send in time; all
// of them when stopping, and then somebody else may have more luck.
func (l *lane) takeHopeless(stopping bool) ([]*Item, End) {
	if stopping {
		items := l.items
		l.items, l.bytes = nil, 0
		return items, Interrupted
	}
	var items []*Item
	kept := l.items[:0]
	for _, item := range l.items {
		if item.Deadline.After(l.pausedUntil) {
			kept = append(kept, item)
			continue
		}
		items = append(items, item)
		l.bytes -= item.Event.Size()
	}
	clear(l.items[len(kept):])
	l.items = kept
	return items, Undelivered
}

// wake ends a nap; false where it has ended before.
func (l *lane) wake(n *nap) bool {
	i := slices.Index(l.naps, n)
	if i < 0 {
		return false
	}
	l.naps = slices.Delete(l.naps, i, i+1)
	l.asleep -= len(n.items)
	return true
}

// rouse ends every nap and returns the items that slept.
func (l *lane) rouse() (items []*Item) {
	for _, n := range l.naps {
		n.timer.Stop()
		items = append(items, n.items...)
	}
	l.naps, l.asleep = nil, 0
	return items
}

// take cuts the next batch off: at most BatchEvents and BatchBytes (one larger
// event goes alone), for one revision of the destination, no uuid twice. What
// is passed over keeps its place.
func (l *lane) take(c Config) []*Item {
	batch := make([]*Item, 0, min(len(l.items), c.BatchEvents))
	seen := make(map[string]struct{}, cap(batch))
	bytes := 0
	kept := l.items[:0]
	for i, item := range l.items {
		size := item.Event.Size()
		if len(batch) == c.BatchEvents || len(batch) > 0 && bytes+size > c.BatchBytes {
			kept = append(kept, l.items[i:]...)
			break
		}
		_, twice := seen[item.Event.UUID]
		if twice || len(batch) > 0 && item.To != batch[0].To {
			kept = append(kept, item)
			continue
		}
		seen[item.Event.UUID] = struct{}{}
		batch = append(batch, item)
		bytes += size
	}
	clear(l.items[len(kept):])
	l.items = kept
	l.bytes -= bytes
	return batch
}

func (l *lane) add(items ...*Item) {
	for _, item := range items {
		l.bytes += item.Event.Size()
	}
	l.items = append(l.items, items...)
}

// putBack puts items at the front: they have waited longest.
func (l *lane) putBack(items []*Item) {
	for _, item := range items {
		l.bytes += item.Event.Size()
	}
	l.items = append(append(make([]*Item, 0, len(items)+len(l.items)), items...), l.items...)
}
