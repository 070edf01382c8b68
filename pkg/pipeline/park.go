package pipeline

import (
	"context"
	"errors"
	"time"

	"github.com/hogcast/hogcast/pkg/deadletter"
	"github.com/hogcast/hogcast/pkg/delivery"
	"github.com/hogcast/hogcast/pkg/destination"
	"github.com/hogcast/hogcast/pkg/fleet"
	"github.com/hogcast/hogcast/pkg/health"
	"github.com/hogcast/hogcast/pkg/held"
	"github.com/hogcast/hogcast/pkg/outcome"
	"github.com/hogcast/hogcast/pkg/queue"
	"github.com/hogcast/hogcast/pkg/record"
)

// Parker holds a branch; only a nil error means that it is held.
type Parker interface {
	Park(context.Context, held.Branch) error
}

// park holds a branch that can't be delivered now, and then ends it here.
func (h *Handler) park(j *job, to *destination.Destination, why fleet.Admission, result delivery.Result) {
	rules := h.rulesOf(to)
	e := j.envelope()
	if why.Gate == fleet.Park {
		result = blameless(result)
	}
	if result.Attempts > 0 {
		note(&e, rules, result)
	}
	e.Reason = string(why.Reason)
	if why.Detail != "" {
		e.Detail = why.Detail
	}
	j.store(&e, rules)
	b := held.Branch{To: to.ID, Host: why.Host, From: j.source, Envelope: e}
	h.hold(b, h.live(j.message), func(end outcome.End, err error) { j.stored(to.Name, end, e.Reason, err) })
}

// blameless takes back that a branch failed while its neighbours succeeded: the
// destination has turned out to be broken.
func blameless(result delivery.Result) delivery.Result {
	result.Failures, result.FirstFailure = 0, time.Time{}
	return result
}

// hold stores a branch in HELD, or where that has no room for it in DEAD.
func (h *Handler) hold(b held.Branch, live func() bool, done func(outcome.End, error)) {
	end := outcome.Held
	var letter *storing // once a letter was tried it may be stored: no way back
	bury := func(reason outcome.DeadReason) {
		end = outcome.DeadLettered
		s := h.writing(letterOf(b, reason), live, nil)
		letter = &s
	}
	h.keep.until(storing{
		what: "held branch", tenant: b.To.Tenant, destination: b.To.Name, live: live,
		store: func(ctx context.Context) error {
			if letter == nil {
				err := h.Parker.Park(ctx, b)
				switch {
				case err == nil:
					h.Metrics.Held.WithLabelValues(b.Envelope.Reason).Inc()
					return nil
				case errors.Is(err, queue.ErrQueueFull):
					bury(outcome.HeldFull)
				case errors.Is(err, queue.ErrTooLarge):
					bury(outcome.TooLargeToKeep)
				default:
					return err
				}
			}
			return letter.store(ctx)
		},
		done: func(err error) { done(end, err) },
	})
}

// letterOf makes a letter of a branch that can't be held. The reason that it
// was to be held for is kept with it.
func letterOf(b held.Branch, reason outcome.DeadReason) deadletter.Letter {
	e := b.Envelope
	if e.Detail == "" {
		e.Detail = e.Reason
	}
	return deadletter.Letter{Tenant: b.To.Tenant, Destination: b.To.Name, Reason: reason, Envelope: e, From: b.From}
}

// probe sends a fresh event to a destination that is not healthy, alone, if no
// other worker probes it; else the branch is held.
func (h *Handler) probe(j *job, r *record.Record, to *destination.Destination, a fleet.Admission) {
	key := fleet.Key{ID: to.ID, Host: a.Host}
	h.alone.done.Go(func() {
		if !h.Health.Claim(h.keep.base, key) {
			h.park(j, to, a, delivery.Result{})
			return
		}
		item := &delivery.Item{
			To: to, Deadline: j.received.Add(h.MainLaneMax), Probe: true,
			Done: func(result delivery.Result) {
				h.Health.Probed(key, sampleOf(result, false), h.answered(to, result))
				h.probed(j, to, a, result)
			},
		}
		h.load(item, cargo{record: r, bytes: len(j.message.Data), span: j.span})
		h.Deliverer.Submit(item)
	})
}

// probed is delivered, but that a failed probe is held as its neighbours are.
func (h *Handler) probed(j *job, to *destination.Destination, a fleet.Admission, result delivery.Result) {
	if result.End == delivery.Undelivered {
		a.Gate = fleet.Park
		h.park(j, to, a, result)
		return
	}
	h.delivered(j, to, result)
}

// answered: the destination took the event, or refused this very one, unless
// that is what the guard holds it for.
func (h *Handler) answered(to *destination.Destination, result delivery.Result) bool {
	switch result.End {
	case delivery.Delivered:
		return true
	case delivery.Buried:
		return result.Verdict.Status != 0 && h.Health.Standing(to).Reason != outcome.Guarded
	case delivery.Undelivered, delivery.Interrupted:
	}
	return false
}

func sampleOf(result delivery.Result, ofHeld bool) health.Probe {
	return health.Probe{Held: ofHeld, Sample: health.Sample{
		Cause: result.Verdict.Cause, Status: result.Verdict.Status, RetryAfter: result.Verdict.RetryAfter,
		Failed: result.End == delivery.Undelivered,
	}}
}
