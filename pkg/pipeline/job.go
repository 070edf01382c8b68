package pipeline

import (
	"sync/atomic"
	"time"

	"github.com/hogcast/hogcast/pkg/envelope"
	"github.com/hogcast/hogcast/pkg/outcome"
	"github.com/hogcast/hogcast/pkg/queue"
	"github.com/hogcast/hogcast/pkg/telemetry"
)

// job is one delivery of one record: it counts its branches and is settled when
// all have ended.
type job struct {
	handler  *Handler
	message  *queue.Delivery
	source   envelope.Source
	received time.Time
	recordID string // "" where it can't be read
	branches int
	span     *telemetry.Span // nil: not traced

	pending     atomic.Int32
	interrupted atomic.Bool // a branch was interrupted: somebody else shall go on
}

// branchEnd is how a branch ended here.
type branchEnd int

const (
	branchDone branchEnd = iota // delivered, held, buried, filtered or sampled out
	branchInterrupted
)

// newJob expects one branch, the record as a whole.
func newJob(h *Handler, m *queue.Delivery) *job {
	j := &job{
		handler: h, message: m, received: time.Now(), span: h.span(m),
		source: envelope.Source{Stream: m.Stream, Sequence: m.Sequence, Time: m.Time},
	}
	j.expect(1)
	return j
}

// expect sets how many branches have to end. Call it before the first can.
func (j *job) expect(branches int) {
	j.handler.Metrics.Ledger.Begin(branches - j.branches)
	j.branches = branches
	j.pending.Store(int32(branches)) //nolint:gosec // a tenant's destinations are few
}

// stored ends a branch that was written to HELD or DEAD for a reason; with an
// error it was not, because the worker stops or the record is another's by now.
func (j *job) stored(destination string, end outcome.End, reason string, err error) {
	if err != nil {
		j.finish(branchInterrupted)
		return
	}
	j.handler.Metrics.Ended(queue.TenantOf(j.message.Subject), destination, end)
	j.span.Branch(destination, string(end), reason)
	j.handler.done.add(j, destination)
	j.finish(branchDone)
}

// finish ends a branch; the last one settles the record: acknowledged only when
// all are done.
func (j *job) finish(end branchEnd) {
	j.handler.Metrics.Ledger.Close(end == branchInterrupted)
	if end == branchInterrupted {
		j.interrupted.Store(true)
	}
	if j.pending.Add(-1) > 0 {
		return
	}
	if j.interrupted.Load() {
		j.span.End(string(outcome.Interrupted))
		j.handler.Settler.Settle(j.message, queue.HandBack())
	} else {
		j.span.End("")
		j.handler.done.forget(j)
		j.handler.Settler.Settle(j.message, queue.Ack())
	}
	j.handler.alone.left()
}
