package health

import (
	"time"

	"github.com/hogcast/hogcast/pkg/outcome"
)

// Class is what a cause says about a destination.
type Class int

// The classes.
const (
	Fine    Class = iota // nothing against it: accepted, or about one event
	Failing              // it fails, perhaps not for long
	Asking               // it asks for a pause
	Owner                // its owner has to act
)

// Classify tells a cause's class. The table is outcome's; this adds what each
// means for the destination as a whole.
func Classify(c outcome.Cause) Class {
	switch c {
	case outcome.Connection, outcome.Timeout, outcome.RequestTimeout, outcome.ServerError,
		outcome.NoVerdict, outcome.UnexpectedBody, outcome.UnexpectedResult:
		return Failing
	case outcome.RateLimited:
		return Asking
	case outcome.Unauthorized, outcome.PaymentRequired, outcome.Forbidden, outcome.NotServed, outcome.Gone,
		outcome.Redirected, outcome.NotImplemented, outcome.EncodingRefused, outcome.OverQuota, outcome.TLS,
		outcome.EgressRefused, outcome.UnexpectedStatus:
		return Owner
	}
	return Fine
}

func stateFor(c Class) State {
	switch c {
	case Failing:
		return Open
	case Asking:
		return Paced
	case Owner:
		return Held
	case Fine:
	}
	return Healthy
}

// When a destination that fails is taken for broken: by the number of its
// failures in a row, or by the time that was spent on them.
const (
	tripFailures = 5
	tripSpan     = time.Second // the failures' least span: a blip of many requests at once is one
	tripSpent    = 9 * time.Second
	// A request without an answer weighs more where answers usually come within
	// usual: a destination that is slow is not for that one that hangs.
	usual       = time.Second
	stallWeight = 6
	// A pause that was asked for is kept by the sending lane itself, unless it
	// is long, or asked for again and again.
	longPause    = 2 * time.Second
	tripPacings  = 3
	forgetFailed = time.Minute // failures that old don't count
)

// Tracker counts what speaks against one healthy destination, for one of its
// revisions. The zero Tracker is ready to use.
type Tracker struct {
	revision string
	failures int
	pacings  int
	spent    time.Duration
	typical  time.Duration // of a request that was accepted; 0: not known
	first    time.Time
	lastGap  time.Duration // of the outage before
	closed   time.Time     // when that ended
}

// Closed notes the end of an outage: where the next begins before Steady has
// passed, its gap goes on from this one's.
func (t *Tracker) Closed(now time.Time, was Status) {
	*t = Tracker{lastGap: was.Gap, closed: now}
}

// Observe takes a sample of a destination that counts as healthy, and returns
// the status that follows: the zero Status, or a blocked one.
func (t *Tracker) Observe(now time.Time, s Sample) Status {
	if t.revision != s.Revision {
		*t = Tracker{revision: s.Revision, lastGap: t.lastGap, closed: t.closed}
	}
	if s.Accepted > 0 {
		t.failures, t.pacings, t.spent = 0, 0, 0
		if t.typical == 0 {
			t.typical = s.Took
		}
		t.typical = (3*t.typical + s.Took) / 4
		return Status{}
	}
	class := Classify(s.Cause)
	if !s.Failed && !s.Stalled || class == Fine && !s.Stalled {
		return Status{}
	}
	if t.failures == 0 && t.spent == 0 || now.Sub(t.first) > forgetFailed {
		t.failures, t.pacings, t.spent, t.first = 0, 0, 0, now.Add(-s.Took)
	}
	t.spent += s.Took
	switch {
	case !s.Stalled:
		t.failures++
	case t.typical > 0 && t.typical < usual:
		t.spent += (stallWeight - 1) * s.Took
	}
	if class == Asking {
		t.pacings++
	}
	if !t.trips(now, s, class) {
		return Status{}
	}
	return t.status(now, s, class)
}

func (t *Tracker) trips(now time.Time, s Sample, class Class) bool {
	switch {
	case class == Owner:
		return true
	case class == Asking && (s.RetryAfter >= longPause || t.pacings >= tripPacings):
		return true
	}
	return t.spent >= tripSpent || t.failures >= tripFailures && now.Sub(t.first) >= tripSpan
}

func (t *Tracker) status(now time.Time, s Sample, class Class) Status {
	gap := FirstGap
	if now.Sub(t.closed) < Steady {
		gap = max(gap, t.lastGap)
	}
	state, reason := stateFor(class), Reason(s.Cause)
	if s.Stalled {
		state, reason = Open, Reason(outcome.Timeout)
	}
	return Status{
		State: state, Reason: reason, Code: s.Status, Revision: s.Revision, Since: now,
		LastProbe: now, Gap: gap, NotBefore: now.Add(s.RetryAfter),
	}
}
