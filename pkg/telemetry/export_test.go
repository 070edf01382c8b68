package telemetry

import "time"

// SetClock has a top set go by another clock.
func (t *Top) SetClock(now func() time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.now, t.ranked = now, now()
}

// Counted is how many destinations' traffic is counted.
func (t *Top) Counted() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.counted)
}

// RejectedSpans reads an answer.
func RejectedSpans(answer []byte) int64 { return rejectedSpans(answer) }
