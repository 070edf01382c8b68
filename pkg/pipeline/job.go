package pipeline

import (
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/hogcast/hogcast/pkg/envelope"
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
	later       atomic.Bool // a branch has to come again
	interrupted atomic.Bool // a branch was interrupted: somebody else shall go on
}

// branchEnd is how a branch ended here.
type branchEnd int

const (
	branchDone branchEnd = iota // delivered, buried, filtered or sampled out
	branchLater
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

// finish ends a branch; the last one settles the record: acknowledged only when
// all are done.
func (j *job) finish(end branchEnd) {
	switch end {
	case branchDone:
	case branchLater:
		j.later.Store(true)
	case branchInterrupted:
		j.interrupted.Store(true)
	}
	if j.pending.Add(-1) > 0 {
		return
	}
	switch {
	case j.later.Load():
		j.handler.Settler.Settle(j.message, queue.Again(redeliveryDelay(j.message.NumDelivered)))
	case j.interrupted.Load():
		j.handler.Settler.Settle(j.message, queue.HandBack())
	default:
		j.handler.done.forget(j)
		j.handler.Settler.Settle(j.message, queue.Ack())
	}
}

// redeliveryDelay grows from 2 to 60 s with the number of deliveries, with full
// jitter above its half. Until undelivered branches are parked in a lane of
// their own, this is where they wait.
func redeliveryDelay(delivered uint64) time.Duration {
	const first, longest = 2 * time.Second, 60 * time.Second
	delay := longest
	if delivered < 6 {
		delay = min(first<<max(delivered, 1)/2, longest)
	}
	return delay/2 + rand.N(delay/2) //nolint:gosec // spreads load, guards nothing
}
