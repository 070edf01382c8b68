package delivery

import (
	"slices"
	"time"
)

// work is one batch on its way.
type work struct {
	lane    *lane
	host    *host
	class   class
	items   []*Item
	vacated bool // its slot is given back
	stuck   bool // it was given back early
}

// cohort is a part of a batch that failed, kept apart from the other part until
// it is known which of them holds the event at fault.
type cohort struct{ _ byte } // of some size, so that each has its own address

// lookAhead bounds how many items are looked at to make one batch, as a multiple
// of its greatest number: a thousand copies of one uuid, each of which has to go
// in a batch of its own, must not be walked through a thousand times.
const lookAhead = 4

// batch is a batch in the making.
type batch struct {
	items []*Item
	bytes int
	// most events, and room for bytes.
	most, room int
	now        time.Time
	hurry      time.Duration
	hurried    bool // the kind of its items: little time left
	seen       map[string]struct{}
}

// take cuts a batch off what waits: at most BatchEvents, BatchBytes (one larger
// event goes alone) and what the rate lets through, for one revision of the
// destination, no uuid twice, and none with little time left beside others, for
// it would shorten their request. What is passed over keeps its place. Live
// items come first; background ones fill the rest, and have a batch of their own
// only where it is their turn and a whole batch of live ones waits anyway.
func (d *Dispatcher) take(l *lane, c class, now time.Time) ([]*Item, int) {
	clear(d.seen)
	b := &batch{
		most: min(l.most(d.config), max(1, l.affords(d.config, now))), room: d.config.BatchBytes,
		now: now, hurry: d.hurry(), seen: d.seen,
	}
	b.items = make([]*Item, 0, min(b.most, l.waiting[live].len()+l.waiting[background].len()))
	if c == live || !l.full(live, d.config) {
		d.fill(b, &l.waiting[live])
	}
	d.fill(b, &l.waiting[background])
	if len(b.items) > 0 {
		l.spend(len(b.items), now)
	}
	return b.items, b.bytes
}

// fill moves what fits from a queue to a batch.
func (d *Dispatcher) fill(b *batch, q *queue) {
	passed := d.passed[:0]
	for look := lookAhead * b.most; look > 0 && q.len() > 0 && b.fits(q.front()); look-- {
		item := q.take()
		switch {
		case item.tooLate(b.now, b.hurry):
			d.giveUp(item, Undelivered)
		case b.admits(item):
			b.add(item)
		default:
			passed = append(passed, item)
		}
	}
	for _, item := range slices.Backward(passed) {
		q.addFront(item)
	}
	clear(passed)
	d.passed = passed
}

func (b *batch) fits(item *Item) bool {
	return len(b.items) < b.most && (len(b.items) == 0 || b.bytes+item.size() <= b.room)
}

func (b *batch) admits(item *Item) bool {
	if len(b.items) == 0 {
		return true
	}
	_, twice := b.seen[item.uuid()]
	return !twice && item.cohort == b.items[0].cohort && item.To == b.items[0].To && item.hurried(b.now, b.hurry) == b.hurried
}

func (b *batch) add(item *Item) {
	if len(b.items) == 0 {
		b.hurried = item.hurried(b.now, b.hurry)
	}
	b.seen[item.uuid()] = struct{}{}
	b.items = append(b.items, item)
	b.bytes += item.size()
}

// hurry is how much time is little.
func (d *Dispatcher) hurry() time.Duration { return min(2*time.Second, d.config.RequestTimeout/4) }

func (i *Item) hurried(now time.Time, hurry time.Duration) bool {
	return i.Deadline.Sub(now) < hurry
}

// tooLate reports whether an item gets no attempt any more: its time is over or,
// where it had one before, nearly.
func (i *Item) tooLate(now time.Time, hurry time.Duration) bool {
	return !i.Deadline.After(now) || i.attempts > 0 && i.hurried(now, hurry)
}
