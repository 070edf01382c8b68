package telemetry

import (
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
)

// Ledger is the double entry of the main lane: each branch that has begun has
// ended in exactly one way, or was handed back, or is open. Ends are counted
// where they are decided, closings where the record is settled: a branch that
// is settled without an end, or that ends twice, shows as imbalance.
type Ledger struct {
	begun, ended, interrupted, repeated, open atomic.Int64
}

func newLedger(reg prometheus.Registerer) *Ledger {
	l := &Ledger{}
	CounterOf(reg, "hogcast_branches_begun_total", "Branches that records were routed into; one for a record that could not be routed.",
		func() float64 { return float64(l.begun.Load()) })
	CounterOf(reg, "hogcast_branches_interrupted_total", "Branches handed back without an end, because the worker stopped or lost the lease; they come again.",
		func() float64 { return float64(l.interrupted.Load()) })
	CounterOf(reg, "hogcast_branches_repeated_total", "Branches of redelivered records that had ended here before, and were not sent again.",
		func() float64 { return float64(l.repeated.Load()) })
	Gauge(reg, "hogcast_branches_open", "Branches that this worker has begun and not ended.",
		func() float64 { return float64(l.open.Load()) })
	Gauge(reg, "hogcast_ledger_imbalance_branches", "Branches begun, less those that ended, were handed back, had ended before or are open. Other than 0 for long: a branch was lost or counted twice.",
		func() float64 { return float64(l.Imbalance()) })
	return l
}

// Begin counts branches that begin.
func (l *Ledger) Begin(branches int) {
	l.open.Add(int64(branches))
	l.begun.Add(int64(branches))
}

// Repeat counts a branch that has ended before; Close is to follow.
func (l *Ledger) Repeat() { l.repeated.Add(1) }

// Close closes a branch, which ends nowhere where it was interrupted.
func (l *Ledger) Close(interrupted bool) {
	if interrupted {
		l.interrupted.Add(1)
	}
	l.open.Add(-1)
}

// Imbalance is what does not add up; while branches are under way it may be off
// for a moment, since the counts are read one after another.
func (l *Ledger) Imbalance() int64 {
	begun := l.begun.Load()
	return begun - l.ended.Load() - l.interrupted.Load() - l.repeated.Load() - l.open.Load()
}
