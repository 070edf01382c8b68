package delivery

import (
	"slices"
	"time"

	"github.com/cenkalti/backoff/v4"
	"golang.org/x/time/rate"

	"github.com/hogcast/hogcast/pkg/destination"
)

// lane is what waits for one destination. Guarded by Dispatcher.mu.
type lane struct {
	id     destination.ID
	to     *destination.Destination // as it was given last
	tenant *tenant
	host   *host
	gone   bool // not the dispatcher's any more

	waiting [classes]queue
	turns   [classes]turn
	flying  [classes]int // batches under way
	stalled int          // requests without an answer for long
	probing int          // probes that wait or are under way
	naps    []*nap
	asleep  [classes]int // items that wait for a retry, in naps

	timer *time.Timer
	alarm time.Time // when the timer rings; zero: it is not set
	// pausedUntil: the destination as a whole asked for a pause, or failed.
	pausedUntil time.Time
	failures    int           // pauses for failing since something was accepted
	failed      time.Time     // when the last of them began
	rate        *rate.Limiter // nil: no limit
	pace        pace
	accepted    time.Time // when something was accepted last
	suspects    cohort    // of those that came as such

	revised  *destination.Destination // whose revision this is
	revision string
}

// queue is what waits in one class: in order of arrival, and so of deadlines;
// retries come back at the front.
type queue struct {
	deque[*Item]
	bytes int64
}

func (q *queue) add(item *Item) {
	q.bytes += int64(item.size())
	q.push(item)
}

func (q *queue) addFront(item *Item) {
	q.bytes += int64(item.size())
	q.pushFront(item)
}

func (q *queue) take() *Item {
	item := q.pop()
	q.bytes -= int64(item.size())
	return item
}

func (q *queue) takeBack() *Item {
	item := q.popBack()
	q.bytes -= int64(item.size())
	return item
}

// nap is a wait before a retry.
type nap struct {
	items []*Item
	timer *time.Timer
}

func (i *Item) class() class {
	if i.Background {
		return background
	}
	return live
}

// wait is the wait after so many failures in a row: exponential, with full
// jitter (a factor of 1 spreads each wait over 0 to twice its interval, so the
// intervals are half of the bounds). It has no end of its own; the items'
// deadlines have.
func wait(c Config, failures int) (d time.Duration) {
	b := backoff.NewExponentialBackOff()
	b.InitialInterval = c.RetryFirst / 2
	b.RandomizationFactor = 1
	b.Multiplier = 2
	b.MaxInterval = c.RetryMax / 2
	b.MaxElapsedTime = 0
	b.Reset()
	const enough = 20 // doublings
	for range min(max(1, failures), enough) {
		d = b.NextBackOff()
	}
	return d
}

// full reports whether a batch of the greatest size can be made.
func (l *lane) full(c class, config Config) bool {
	return l.waiting[c].len() >= l.most(config) || l.waiting[c].bytes >= int64(config.BatchBytes)
}

// empty reports whether nothing waits, flies or sleeps in the lane.
func (l *lane) empty() bool {
	return l.waiting[live].len()+l.waiting[background].len()+l.flying[live]+l.flying[background]+
		l.probing+len(l.naps) == 0
}

// room reports whether another batch may be under way: within what its pace
// allows, of which one request that stalls takes nothing, lest a single dead
// connection stop the lane; at most is the destination's own bound. Background
// gets half while live items wait.
func (l *lane) room(c class, most int) bool {
	flying := l.flying[live] + l.flying[background]
	if flying >= most || flying-min(l.stalled, 1) >= int(l.pace.limit) {
		return false
	}
	return c == live || l.waiting[live].len() == 0 || l.flying[background] < max(1, int(l.pace.limit)/2)
}

func (l *lane) paused(now time.Time) bool { return now.Before(l.pausedUntil) }

// resume ends a pause: the destination has shown that it takes events, or is
// another than the one that asked for it.
func (l *lane) resume() {
	l.pausedUntil, l.failures = time.Time{}, 0
}

// revisionOf is the revision of a destination of this lane; it is costly, and
// so kept for the latest.
func (l *lane) revisionOf(to *destination.Destination) string {
	if l.revised != to {
		l.revised, l.revision = to, to.Revision()
	}
	return l.revision
}

// wake ends a nap; false where it has ended before.
func (l *lane) wake(n *nap) bool {
	i := slices.Index(l.naps, n)
	if i < 0 {
		return false
	}
	l.naps = slices.Delete(l.naps, i, i+1)
	for _, item := range n.items {
		l.asleep[item.class()]--
	}
	return true
}

// rouse ends every nap and returns the items that slept.
func (l *lane) rouse() (items []*Item) {
	for _, n := range l.naps {
		n.timer.Stop()
		items = append(items, n.items...)
	}
	l.naps, l.asleep = nil, [classes]int{}
	return items
}
