package pipeline

import (
	"sync/atomic"
	"time"

	"github.com/hogcast/hogcast/pkg/envelope"
	"github.com/hogcast/hogcast/pkg/outcome"
	"github.com/hogcast/hogcast/pkg/queue"
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
		handler: h, message: m, received: time.Now(),
		source: envelope.Source{Stream: m.Stream, Sequence: m.Sequence, Time: m.Time},
	}
	j.expect(1)
	return j
}

// expect sets how many branches have to end. Call it before the first can.
func (j *job) expect(branches int) {
	j.branches = branches
	j.pending.Store(int32(branches)) //nolint:gosec // a tenant's destinations are few
}

// stored ends a branch that was written to HELD or DEAD; with an error it was
// not, because the worker stops or the record is another's by now.
func (j *job) stored(destination string, end outcome.End, err error) {
	if err != nil {
		j.finish(branchInterrupted)
		return
	}
	j.handler.Metrics.Outcomes.WithLabelValues(string(end)).Inc()
	j.handler.done.add(j, destination)
	j.finish(branchDone)
}

// finish ends a branch; the last one settles the record: acknowledged only when
// all are done.
func (j *job) finish(end branchEnd) {
	if end == branchInterrupted {
		j.interrupted.Store(true)
	}
	if j.pending.Add(-1) > 0 {
		return
	}
	if j.interrupted.Load() {
		j.handler.Settler.Settle(j.message, queue.HandBack())
	} else {
		j.handler.done.forget(j)
		j.handler.Settler.Settle(j.message, queue.Ack())
	}
	j.handler.alone.left(j)
}
