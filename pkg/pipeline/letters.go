package pipeline

import (
	"context"
	"errors"
	"sync"
	"time"

	"go.uber.org/zap"

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

const (
	// letterWriters bounds the letters that are written at once.
	letterWriters = 64
	// letterTimeout bounds the writing of one; then its record comes again.
	letterTimeout = 15 * time.Second
)

// undertaker bounds the goroutines that write letters.
type undertaker struct {
	slots   chan struct{}
	writing sync.WaitGroup
}

func (u *undertaker) init(Params) { u.slots = make(chan struct{}, letterWriters) }

// bury writes a letter and then ends the branch. How many wait is bounded by
// the window of what is in hand.
func (h *Handler) bury(j *job, l deadletter.Letter) {
	h.letters.writing.Go(func() {
		h.letters.slots <- struct{}{}
		defer func() { <-h.letters.slots }()
		ctx, cancel := context.WithTimeout(context.Background(), letterTimeout)
		defer cancel()
		reason, err := h.Letters.Write(ctx, l)
		if err != nil {
			h.Metrics.LetterFailures.Inc()
			h.Logger.Error("dead letter not written; the record will come again",
				zap.String("tenant", l.Tenant), zap.String("destination", l.Destination),
				zap.String("reason", string(l.Reason)), zap.String("record_id", l.Envelope.RecordID), zap.Error(err))
			j.finish(branchLater)
			return
		}
		h.Metrics.Outcomes.WithLabelValues(string(outcome.DeadLettered)).Inc()
		h.Metrics.Dead.WithLabelValues(string(reason)).Inc()
		h.done.add(j, l.Destination)
		j.finish(branchDone)
	})
}

// Wait returns when no letter is being written.
func (h *Handler) Wait() { h.letters.writing.Wait() }

// letter makes a letter of the whole record, for no destination.
func (j *job) letter(reason outcome.DeadReason, body []byte) deadletter.Letter {
	m := j.message
	tenant := queue.TenantOf(m.Subject)
	if !record.ValidTenant(tenant) {
		tenant = ""
	}
	return deadletter.Letter{
		Tenant: tenant, Reason: reason,
		Envelope: envelope.Envelope{
			Source: j.source, MsgID: m.MsgID(), RecordID: j.recordID,
			Mapping: mapping.Version, Worker: j.handler.Worker, Traceparent: first(m.Header[envelope.HeaderTraceparent]),
			Body: body,
		},
	}
}

func first(values []string) string {
	if len(values) == 0 {
		return ""
	}
	return values[0]
}

// unreadable makes the letter of a record that can't be read. What can't be
// read can't be made private: where a destination of its tenant is private, the
// letter keeps size and SHA-256, not the bytes.
func (h *Handler) unreadable(j *job, err error) deadletter.Letter {
	l := j.letter(outcome.Malformed, j.message.Data)
	l.Envelope.Detail = err.Error()
	if malformed, ok := errors.AsType[*record.Malformed](err); ok {
		l.Envelope.Field, l.Envelope.Detail = malformed.Field, malformed.Problem
	}
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
	rules := privacy.RulesOf(to)
	v := result.Verdict
	l := j.letter(outcome.DeadReasonFor(v.Cause), nil)
	l.Destination = to.Name
	e := &l.Envelope
	e.Status, e.Attempts = v.Status, result.Attempts
	e.FirstAttempt, e.LastAttempt = result.FirstAttempt, result.LastAttempt
	e.Detail = string(v.Cause)
	if v.Detail != "" && !rules.PrivacyMode {
		e.Detail += ": " + v.Detail
	}
	e.Rules = privacy.Applied(rules)
	r, err := record.Decode(j.message.Data)
	if err != nil { // can't be: it was read when it came
		e.Body = j.message.Data
		e.Withhold()
		return l
	}
	e.Body = privacy.Stored(j.message.Data, r, rules)
	return l
}
