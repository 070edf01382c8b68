package delivery

import (
	"math"
	"runtime/metrics"
	"time"
)

// yield is how many background requests there may be at once. What is drained
// stays below live traffic by its turns, but a process that drains as fast as it
// can has everything wait for a processor: so fewer while goroutines do, more
// while they don't. A destination that is slow to answer takes no processor, and
// gets as many as there may be.
type yield struct {
	limit   float64
	changed time.Time
	waits   waits
}

const (
	firstBackground, leastBackground = 16, 2
	// longWait is what few goroutines, one in a hundred, may wait for a
	// processor.
	longWait, fewWaits = 2 * time.Millisecond, 0.01
	// yieldEvery spaces the changes: what one has done has to show first.
	yieldEvery = 100 * time.Millisecond
)

// turn is called with each batch; most is the limit's own.
func (y *yield) turn(now time.Time, most int) {
	if now.Sub(y.changed) < yieldEvery {
		return
	}
	y.changed = now
	y.adapt(y.waits.long(), most)
}

// adapt follows the part of goroutines that have waited long.
func (y *yield) adapt(long float64, most int) {
	if long > fewWaits {
		y.limit = max(leastBackground, y.limit*3/4)
	} else {
		y.limit = min(float64(most), y.limit+1)
	}
}

// waits reads how long goroutines have waited for a processor.
type waits struct {
	sample []metrics.Sample
	before struct{ long, all uint64 }
}

// long is the part of waits since the last call that took longWait or more.
func (w *waits) long() float64 {
	if w.sample == nil {
		w.sample = []metrics.Sample{{Name: "/sched/latencies:seconds"}}
	}
	metrics.Read(w.sample)
	if w.sample[0].Value.Kind() != metrics.KindFloat64Histogram {
		return 0
	}
	h := w.sample[0].Value.Float64Histogram()
	now := w.before
	now.long, now.all = 0, 0
	for i, n := range h.Counts {
		now.all += n
		if from := h.Buckets[i]; !math.IsInf(from, -1) && from >= longWait.Seconds() {
			now.long += n
		}
	}
	long, all := now.long-w.before.long, now.all-w.before.all
	w.before = now
	if all == 0 {
		return 0
	}
	return float64(long) / float64(all)
}
