// Package delivery brings events to their destinations: lanes in memory, one a
// destination, made when there is something to send and gone after it; slots
// shared fairly by tenant, then destination, and kept from those that hang;
// batches; quick retries; splitting down to the bad event. Layer 3. It owns the
// goroutines of sending (Config.Senders and a quarter, as many again for
// requests that stall, and Config.ProbeSenders), one that tells of what was given
// up, and the timers of its lanes and requests; Stop ends them all.
//
// What can't be delivered within an item's deadline is given back undelivered:
// parking it is not this package's business, nor is a destination's health.
package delivery

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hogcast/hogcast/pkg/destination"
	"github.com/hogcast/hogcast/pkg/event"
	"github.com/hogcast/hogcast/pkg/health"
	"github.com/hogcast/hogcast/pkg/outcome"
)

// Sender makes one attempt with one batch: a verdict for each event, in their
// order. No two events of a batch have one uuid; none is read after Send returns.
type Sender interface {
	Send(ctx context.Context, to *destination.Destination, batch []*event.Event) []outcome.Verdict
}

// End is how delivery ended for an item.
type End int

// The ends.
const (
	Delivered   End = iota // PostHog said yes to this event
	Buried                 // never: dead letter
	Undelivered            // not within the deadline, or not now: somebody has to keep it
	Interrupted            // stopping; no fault of the destination, no attempt spent
)

// Result is what became of an item.
type Result struct {
	End          End
	Verdict      outcome.Verdict // of the last attempt; Cause Interrupted where none is
	Attempts     int             // 0: none was made
	FirstAttempt time.Time
	LastAttempt  time.Time
	// Failures are the attempts that failed while the destination took others:
	// something was accepted in the same request, since it began, or in the
	// 10 s before it. They are what makes a record poison.
	Failures     int
	FirstFailure time.Time
}

// Item is one event on its way.
type Item struct {
	To    *destination.Destination
	Event *event.Event
	// Make, in Event's place, makes the event for each request anew, so that
	// what waits takes no more room than its record; one call at a time. It is
	// released after the request. UUID and Bytes, about its size, stand for it.
	Make  func() *event.Event
	UUID  string
	Bytes int
	// Published is when the record was, by another clock; zero: not to be
	// considered. What it took to come here is taken off its wait for a batch, where
	// that was short.
	Published time.Time
	// Deadline ends the attempts: no request of the item outlives it.
	Deadline time.Time
	// Background: drained from what was held, and served below live traffic.
	Background bool
	// Suspect: it has failed before while the destination took others. It goes with
	// its like, which are split at once when they fail; and that is not charged to
	// the destination while it takes others.
	Suspect bool
	// Probe: goes alone and at once, whatever its lane waits for, pauses for or
	// has under way; one attempt, then Done.
	Probe bool
	// Done is called exactly once, from a goroutine of delivery; it must not
	// block for long.
	Done func(Result)

	arrived     time.Time       // or up to half of BatchWait before, see credit
	verdict     outcome.Verdict // of the last attempt
	attempts    int
	first, last time.Time

	failures     int
	firstFailure time.Time
	blamed       time.Time // when its first failure was known
	suspect      bool      // it may be what breaks its batches
	cohort       *cohort   // those that it may share a batch with; nil: all that have none
}

func (i *Item) uuid() string {
	if i.Event != nil {
		return i.Event.UUID
	}
	return i.UUID
}

func (i *Item) size() int {
	if i.Event != nil {
		return i.Event.Size()
	}
	return i.Bytes
}

func (i *Item) event() *event.Event {
	if i.Event != nil {
		return i.Event
	}
	return i.Make()
}

// Config of delivery. The functions are optional and must not block; all but
// Observe and Blocked are called with the dispatcher locked, and must not call it.
type Config struct {
	BatchEvents    int           // default 100
	BatchBytes     int           // default 400,000: with its frame below PostHog's and the SDK's limits
	BatchWait      time.Duration // from a lane's first event to its request; default 250 ms
	RequestTimeout time.Duration // default 10 s
	Senders        int           // requests at once, all lanes together, fewer while processors are short; default 256
	PerLane        int           // requests at once in one lane, at most; default 16
	RetryFirst     time.Duration // bound of the first wait before a retry; default 200 ms
	RetryMax       time.Duration // bound of the longest; default 5 s

	// BackgroundSenders bounds the requests of background items, of which there
	// are fewer while the process is short of processors; default 64.
	BackgroundSenders int
	// ProbeSenders bounds the requests of probes, which come on top of Senders;
	// default 64.
	ProbeSenders int
	// StallAfter is how long a request may have no answer, while its lane has
	// nothing accepted, before Observe is told; default 1.5 s.
	StallAfter time.Duration
	// LaneShare is how many bytes may wait in one lane, LaneWait how long, where
	// Pressed says that others need the room; defaults 8 MiB and 5 s.
	LaneShare int64
	LaneWait  time.Duration

	// Observe is told what each request came to as a whole, and of those that
	// stall.
	Observe func(to *destination.Destination, s health.Sample)
	// Blocked, asked without a lock after a batch has failed, tells that the
	// destination is not to be asked again for now: its items end. Nil: never.
	Blocked func(to *destination.Destination) bool
	// Workers is the number of workers alive, which share MaxRate and
	// MaxConcurrency of a destination; nil: 1.
	Workers func() int
	// Pressed: the window is nearly used up; nil: never.
	Pressed func() bool
}

// DefaultConfig returns the defaults.
func DefaultConfig() Config {
	return Config{
		BatchEvents: 100, BatchBytes: 400_000, BatchWait: 250 * time.Millisecond,
		RequestTimeout: 10 * time.Second, Senders: 256, PerLane: 16,
		RetryFirst: 200 * time.Millisecond, RetryMax: 5 * time.Second,
		BackgroundSenders: 64, ProbeSenders: 64, StallAfter: 1500 * time.Millisecond,
		LaneShare: 8 << 20, LaneWait: 5 * time.Second,
	}
}

// Validate reports every setting that makes no sense.
func (c Config) Validate() error {
	var errs []error
	positive := func(name string, n int64) {
		if n <= 0 {
			errs = append(errs, fmt.Errorf("%s: %d is not positive", name, n))
		}
	}
	positive("batch_events", int64(c.BatchEvents))
	positive("batch_bytes", int64(c.BatchBytes))
	positive("batch_wait", int64(c.BatchWait))
	positive("request_timeout", int64(c.RequestTimeout))
	positive("senders", int64(c.Senders))
	positive("per_lane", int64(c.PerLane))
	positive("retry_first", int64(c.RetryFirst))
	positive("background_senders", int64(c.BackgroundSenders))
	positive("probe_senders", int64(c.ProbeSenders))
	positive("stall_after", int64(c.StallAfter))
	positive("lane_wait", int64(c.LaneWait))
	if c.LaneShare < 2*int64(c.BatchBytes) {
		errs = append(errs, fmt.Errorf("lane_share: %d is less than two batches of batch_bytes, %d", c.LaneShare, c.BatchBytes))
	}
	if c.RetryMax < c.RetryFirst {
		errs = append(errs, fmt.Errorf("retry_max: %s is less than retry_first, %s", c.RetryMax, c.RetryFirst))
	}
	return errors.Join(errs...)
}
