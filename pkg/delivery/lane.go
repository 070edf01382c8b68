package delivery

import (
	"time"

	"github.com/cenkalti/backoff/v4"

	"github.com/hogcast/hogcast/pkg/destination"
)

// lane is what waits for one destination. Guarded by Dispatcher.mu.
type lane struct {
	id     destination.ID
	items  []*Item // in order of arrival; retries come back at the front
	bytes  int
	flying int  // requests under way
	asleep int  // items that wait for a retry
	due    bool // the first item has waited for BatchWait
	queued bool // in the dispatcher's ready list
	timer  *time.Timer
	// pausedUntil: the destination as a whole asked for a pause, or failed.
	pausedUntil time.Time
	backoff     *backoff.ExponentialBackOff
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
