package pipeline

import (
	"cmp"
	"context"
	"time"

	"github.com/hogcast/hogcast/pkg/deadletter"
	"github.com/hogcast/hogcast/pkg/delivery"
	"github.com/hogcast/hogcast/pkg/destination"
	"github.com/hogcast/hogcast/pkg/envelope"
	"github.com/hogcast/hogcast/pkg/mapping"
	"github.com/hogcast/hogcast/pkg/outcome"
	"github.com/hogcast/hogcast/pkg/privacy"
	"github.com/hogcast/hogcast/pkg/queue"
	"github.com/hogcast/hogcast/pkg/record"
)

// LetterWriter stores a dead letter and tells the reason it was stored for;
// only a nil error means that it is stored.
type LetterWriter interface {
	Write(context.Context, deadletter.Letter) (outcome.DeadReason, error)
}

// bury stores a letter and then ends the branch.
func (h *Handler) bury(j *job, l deadletter.Letter) {
	h.keep.until(h.writing(l, h.live(j.message), func(err error) {
		j.stored(l.Destination, outcome.DeadLettered, string(l.Reason), err)
	}))
}

// writing is the storing of a letter.
func (h *Handler) writing(l deadletter.Letter, live func() bool, done func(error)) storing {
	return storing{
		live: live,
		what: "dead letter", tenant: l.Tenant, destination: l.Destination,
		store: func(ctx context.Context) error {
			reason, err := h.Letters.Write(ctx, l)
			if err != nil {
				h.Metrics.LetterFailures.Inc()
				return err
			}
			h.Metrics.Dead.WithLabelValues(string(reason)).Inc()
			return nil
		},
		done: done,
	}
}

// letter makes a letter of the whole record, for no destination.
func (j *job) letter(reason outcome.DeadReason, body []byte) deadletter.Letter {
	m := j.message
	tenant := queue.TenantOf(m.Subject)
	if !record.ValidTenant(tenant) {
		tenant = ""
	}
	e := j.envelope()
	e.Body = body
	return deadletter.Letter{Tenant: tenant, Reason: reason, Envelope: e}
}

// envelope is what an envelope says of the record, whatever happens to it.
func (j *job) envelope() envelope.Envelope {
	m := j.message
	return envelope.Envelope{
		Source: j.source, MsgID: m.MsgID, RecordID: j.recordID,
		Mapping: mapping.Version, Worker: j.handler.Worker, Traceparent: cmp.Or(j.span.Traceparent(), m.Traceparent),
	}
}

// unreadable makes the letter of a record that can't be read. What can't be
// read can't be made private: where a destination of its tenant has privacy rules, the
// letter keeps size and SHA-256, not the bytes.
func (h *Handler) unreadable(j *job, err error) deadletter.Letter {
	l := j.letter(outcome.Malformed, j.message.Data)
	describe(&l.Envelope, err)
	id, err := record.Identify(j.message.Data)
	if err == nil && len(id.ID) <= record.MaxIDBytes {
		l.Envelope.RecordID = id.ID
	}
	// A record that names another tenant than its subject may be that one's.
	all := h.Registry.Current()
	if all.AnyPrivate(l.Tenant) || all.AnyPrivate(id.Tenant) {
		l.Envelope.Withhold()
	}
	return l
}

// undeliverable makes the letter of a branch that PostHog will never take. The
// record passes the privacy rules before it is kept.
func (h *Handler) undeliverable(j *job, to *destination.Destination, result delivery.Result) deadletter.Letter {
	rules := h.rulesOf(to)
	l := j.letter(outcome.DeadReasonFor(result.Verdict.Cause), nil)
	l.Destination = to.Name
	note(&l.Envelope, rules, result)
	j.store(&l.Envelope, rules)
	return l
}

// note writes what the attempts came to into an envelope. The answers of a
// destination with privacy rules are not kept: they may echo the prompt.
func note(e *envelope.Envelope, rules privacy.Rules, result delivery.Result) {
	v := result.Verdict
	e.Status = v.Status
	e.Attempts += result.Attempts
	e.Failures += result.Failures
	e.FirstAttempt = earlier(e.FirstAttempt, result.FirstAttempt)
	e.FirstFailure = earlier(e.FirstFailure, result.FirstFailure)
	if !result.LastAttempt.IsZero() {
		e.LastAttempt = result.LastAttempt
	}
	e.Detail = string(v.Cause)
	if v.Detail != "" && rules.Empty() {
		e.Detail += ": " + v.Detail
	}
}

func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// store puts the record into an envelope, after the privacy rules.
func (j *job) store(e *envelope.Envelope, rules privacy.Rules) {
	e.Body = j.message.Data
	if rules.Empty() {
		return
	}
	r, err := record.Decode(j.message.Data)
	if err != nil { // can't be: it was read when it came
		e.Withhold()
		return
	}
	privacy.Keep(e, j.message.Data, r, rules)
}
