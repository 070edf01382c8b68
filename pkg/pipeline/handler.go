// Package pipeline is what happens to a record, on one screen: decode, route,
// admit, privacy, map, deliver; what can't be delivered is held or buried; then
// it is settled. Layer 4: flows meet here, through interfaces of few methods.
// It owns the goroutines that store branches and that handle suspects; Stop
// returns when there is none.
package pipeline

import (
	"context"
	"time"

	"go.uber.org/zap"

	"github.com/hogcast/hogcast/pkg/delivery"
	"github.com/hogcast/hogcast/pkg/destination"
	"github.com/hogcast/hogcast/pkg/fleet"
	"github.com/hogcast/hogcast/pkg/health"
	"github.com/hogcast/hogcast/pkg/held"
	"github.com/hogcast/hogcast/pkg/mapping"
	"github.com/hogcast/hogcast/pkg/outcome"
	"github.com/hogcast/hogcast/pkg/queue"
	"github.com/hogcast/hogcast/pkg/record"
	"github.com/hogcast/hogcast/pkg/routing"
	"github.com/hogcast/hogcast/pkg/telemetry"
)

// Registry tells which destinations are in force.
type Registry interface{ Current() *destination.Set }

// Deliverer takes an item over and calls its Done once.
type Deliverer interface{ Submit(*delivery.Item) }

// Settler does with a message what the verdict says, once.
type Settler interface {
	Settle(*queue.Delivery, queue.Verdict)
	// InHand reports whether its lease holds, and it is not settled.
	InHand(*queue.Delivery) bool
}

// Health tells what may be done with a fresh event.
type Health interface {
	Admit(*destination.Destination) fleet.Admission
	Standing(*destination.Destination) fleet.Admission
	Claim(context.Context, fleet.Key) bool
	Probed(k fleet.Key, p health.Probe, answered bool)
	Guard
}

// Guard is the poison guard, which the fleet shares. What it is on for is not
// buried.
type Guard interface {
	Guarded(cause string) bool
	GuardCause(cause string) bool
	GuardDestination(to *destination.Destination, cause string) bool
	GuardTry(ctx context.Context, cause string) bool
	GuardTried(cause string, passed bool)
}

// Params of a handler; all but Asker, Logger and Traces are required.
type Params struct {
	Registry  Registry
	Asker     Asker // nil: the registry knows all that there is
	Health    Health
	Deliverer Deliverer
	Parker    Parker
	Letters   LetterWriter
	Settler   Settler
	Metrics   *telemetry.Metrics
	Traces    *telemetry.Traces // nil: off
	Worker    string            // this worker's id, for envelopes
	// MainLaneMax is how long a record may stay here before it is held.
	MainLaneMax time.Duration
	Logger      *zap.Logger
}

// Handler handles records.
type Handler struct {
	Params
	keep     keeper
	compiled compiledRules
	guard    guards
	asking   asking
	alone    quarantine
	done     doneBranches
}

// New makes a handler.
func New(p Params) *Handler {
	if p.Logger == nil {
		p.Logger = zap.NewNop()
	}
	h := &Handler{Params: p}
	h.keep.init(p)
	h.asking.init()
	h.alone.init(h)
	return h
}

// Handle does what has to be done for one delivered record, and returns before
// it is done: the record is settled when all of its branches are. One that has
// come suspiciously often is judged before it is looked at.
func (h *Handler) Handle(m *queue.Delivery) {
	j := h.receive(m)
	if h.alone.takes(j) {
		return
	}
	h.handle(j)
}

// begin handles a record that had to wait: its stay begins now.
func (h *Handler) begin(j *job) {
	j.received = time.Now()
	h.handle(j)
}

func (h *Handler) handle(j *job) {
	m := j.message
	r, err := decode(m)
	if err != nil {
		h.reject(j, h.unreadable(j, err))
		return
	}
	j.recordID = r.ID
	h.count(r)
	if !h.known(r.Tenant) {
		h.ask(j, r)
		return
	}
	h.route(j, r)
}

// route sends a record's branches on their ways.
func (h *Handler) route(j *job, r *record.Record) {
	destinations := h.Registry.Current().Of(r.Tenant)
	if len(destinations) == 0 {
		h.reject(j, h.homeless(j, r))
		return
	}
	h.guard.passed(r.Tenant, "")
	decisions := routing.Route(r, destinations)
	j.expect(len(decisions))
	for _, d := range decisions {
		switch {
		case h.done.has(j, d.Destination.Name):
			h.Metrics.Ledger.Repeat()
			j.finish(branchDone)
		case !d.Deliver():
			h.leaveOut(j, d)
		case d.Destination.Paused:
			h.park(j, d.Destination, fleet.Admission{Reason: outcome.OwnerPaused}, delivery.Result{})
		case d.Destination.SecretUnreadable:
			h.park(j, d.Destination, fleet.Admission{Reason: held.Unreadable(d.Destination)}, delivery.Result{})
		default:
			h.admit(j, r, d.Destination)
		}
	}
}

// admit sends a branch on its way, unless its destination is known not to take
// it now; then it is held, or is the probe.
func (h *Handler) admit(j *job, r *record.Record, to *destination.Destination) {
	switch a := h.Health.Admit(to); a.Gate {
	case fleet.Pass:
		h.deliver(j, r, to)
	case fleet.Probe:
		h.probe(j, r, to, a)
	case fleet.Park:
		h.park(j, to, a, delivery.Result{})
	}
}

// deliver sends one branch on its way. The record passes the destination's
// privacy rules before anything is made of it.
func (h *Handler) deliver(j *job, r *record.Record, to *destination.Destination) {
	item := &delivery.Item{
		To: to, Published: j.message.Time, Deadline: j.received.Add(h.MainLaneMax),
		Done: func(result delivery.Result) { h.delivered(j, to, result) },
	}
	h.load(item, cargo{record: r, bytes: len(j.message.Data), span: j.span})
	h.Deliverer.Submit(item)
}

// delivered takes over what became of a branch.
func (h *Handler) delivered(j *job, to *destination.Destination, result delivery.Result) {
	switch result.End {
	case delivery.Delivered:
		h.Metrics.Ended(to.Tenant, to.Name, outcome.Delivered)
		j.span.Branch(to.Name, string(outcome.Delivered), "")
		telemetry.Seconds(h.Metrics.Delay, j.message.Time)
		h.guard.passed(to.Tenant, to.Name)
		h.done.add(j, to.Name)
		j.finish(branchDone)
	case delivery.Buried:
		h.condemn(j, to, result)
	case delivery.Undelivered:
		a := h.Health.Standing(to)
		if a.Gate == fleet.Pass {
			a.Reason = health.Reason(result.Verdict.Cause)
		}
		h.park(j, to, a, result)
	case delivery.Interrupted:
		j.finish(branchInterrupted)
	}
}

// leaveOut ends a branch that a rule keeps from being delivered.
func (h *Handler) leaveOut(j *job, d routing.Decision) {
	h.Metrics.Ended(d.Destination.Tenant, d.Destination.Name, d.End)
	if d.End == outcome.Filtered {
		h.Metrics.Filtered.WithLabelValues(string(d.Filter)).Inc()
	}
	j.span.Branch(d.Destination.Name, string(d.End), string(d.Filter))
	h.done.add(j, d.Destination.Name) // a redelivery must not count it again
	j.finish(branchDone)
}

func (h *Handler) receive(m *queue.Delivery) *job {
	h.Metrics.Received.Inc()
	if m.NumDelivered > 1 {
		h.Metrics.Redelivered.Inc()
	}
	return newJob(h, m)
}

func (h *Handler) count(r *record.Record) {
	h.Metrics.Dropped.Add(float64(len(r.Dropped)))
	h.Metrics.Unknown.Add(float64(r.Unknown))
}

func (h *Handler) countNotes(n mapping.Notes) {
	if n.Truncated {
		h.Metrics.Shortened.WithLabelValues("content").Inc()
	}
	if n.DistinctIDShortened {
		h.Metrics.Shortened.WithLabelValues("distinct_id").Inc()
	}
}

// decode reads the record and holds it against its subject.
func decode(m *queue.Delivery) (*record.Record, error) {
	r, err := record.Decode(m.Data)
	if err != nil {
		return nil, err
	}
	return r, r.CheckTenant(queue.TenantOf(m.Subject))
}
