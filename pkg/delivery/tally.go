package delivery

import (
	"time"

	"github.com/hogcast/hogcast/pkg/health"
	"github.com/hogcast/hogcast/pkg/outcome"
)

// tally is what a request came to as a whole.
type tally struct {
	accepted   int
	retry      int // verdicts that ask for another try of the whole
	hold       int // verdicts that ask to hold the destination
	single     int // verdicts about single events, by the destination
	cause      outcome.Cause
	status     int
	rank       rank
	retryAfter time.Duration
}

// rank orders verdicts by how much they say of the destination as a whole; the
// highest names the cause of a mixed answer.
type rank int

const (
	rankInterrupted rank = iota
	rankSingle           // about one event: dropped, asked again, left out
	rankAccepted
	rankRetry
	rankHold
)

func rankOf(v outcome.Verdict) rank {
	switch v.Cause {
	case outcome.Interrupted:
		return rankInterrupted
	case outcome.RetryAsked, outcome.NoVerdict, outcome.UnexpectedResult, outcome.Unencodable:
		return rankSingle
	}
	switch v.Action {
	case outcome.Accept:
		return rankAccepted
	case outcome.Retry:
		return rankRetry
	case outcome.Hold, outcome.NextEncoding, outcome.NextPath:
		return rankHold
	case outcome.Split, outcome.Bury:
		return rankSingle
	}
	return rankSingle
}

// add counts one verdict.
func (t *tally) add(v outcome.Verdict, first bool) {
	r := rankOf(v)
	if first || r > t.rank {
		t.rank, t.cause, t.status = r, v.Cause, v.Status
	}
	t.retryAfter = max(t.retryAfter, v.RetryAfter)
	switch {
	case v.Action == outcome.Accept:
		t.accepted++
	case r == rankHold:
		t.hold++
	case r == rankRetry, v.Cause == outcome.NoVerdict, v.Cause == outcome.UnexpectedResult:
		t.retry++
	case v.Cause == outcome.EventTooLarge, v.Cause == outcome.Unencodable:
		// Never sent: says nothing of the destination.
	default:
		t.single++
	}
}

// failed reports whether the destination as a whole failed.
func (t *tally) failed() bool { return t.accepted == 0 && t.single == 0 && t.retry+t.hold > 0 }

// again reports whether all that was sent is to be tried again, for no fault of
// single events.
func (t *tally) again() bool { return t.failed() && t.hold == 0 }

// sample is what health is told.
func (t *tally) sample(revision string, took time.Duration) health.Sample {
	return health.Sample{
		Revision: revision, Cause: t.cause, Status: t.status, Accepted: t.accepted, Failed: t.failed(),
		Took: took, RetryAfter: t.retryAfter,
	}
}

// stalledSample tells of a request that has no answer yet.
func stalledSample(revision string, took time.Duration) health.Sample {
	return health.Sample{Revision: revision, Cause: outcome.Timeout, Took: took, Stalled: true}
}

// breaks reports whether a cause may be the work of one event that breaks the
// destination, or the way to it: 5xx, reset, timeout.
func breaks(c outcome.Cause) bool {
	switch c {
	case outcome.ServerError, outcome.Connection, outcome.Timeout, outcome.RequestTimeout:
		return true
	}
	return false
}
