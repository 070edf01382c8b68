package delivery

import (
	"math"
	"runtime/metrics"
	"time"
)

// yield is how many requests there may be at once for want of processors, by
// class. A destination that is slow to answer takes no processor, and gets as
// many as there may be.
//
// What is drained stays below live traffic by its turns, but a process that
// drains as fast as it can has everything wait for a processor: so fewer while
// goroutines do, more while they don't. And where they wait much, more live
// requests bring no more through: they take events out of their lanes in smaller
// batches, and memory.
type yield struct {
	limit   [classes]float64
	changed time.Time
	long    func() float64 // the part of goroutines that have waited long
}

const (
	firstBackground, leastBackground = 16, 2
	// Live requests always have leastLive, and a quarter of Config.Senders.
	leastLive, liveShare = 16, 4
	// longWait is what few goroutines, one in a hundred, may wait for a
	// processor, for the background to have more; and one in ten, for live
	// requests.
	longWait            = 2 * time.Millisecond
	fewWaits, manyWaits = 0.01, 0.1
	// yieldEvery spaces the changes: what one has done has to show first.
	yieldEvery = 100 * time.Millisecond
)

func newYield(c Config) yield {
	return yield{
		limit: [classes]float64{live: leastLiveOf(c), background: float64(min(c.BackgroundSenders, firstBackground))},
		long:  new(waits).long,
	}
}

// leastLiveOf is also how many they begin with: each makes a connection and an
// SDK client, which then stay for a while.
func leastLiveOf(c Config) float64 {
	return float64(max(c.Senders/liveShare, min(c.Senders, leastLive)))
}

// turn is called whenever a batch might be made; drains: there are background
// items, or requests of them.
func (y *yield) turn(now time.Time, c Config, drains bool) {
	if now.Sub(y.changed) < yieldEvery {
		return
	}
	y.changed = now
	y.adapt(y.long(), c, drains)
}

// adapt follows the part of goroutines that have waited long.
func (y *yield) adapt(long float64, c Config, drains bool) {
	l := &y.limit
	if long > manyWaits {
		l[live] = max(leastLiveOf(c), l[live]*3/4)
	} else {
		l[live] = min(float64(c.Senders), l[live]*5/4)
	}
	switch {
	case !drains:
	case long > fewWaits:
		l[background] = max(leastBackground, l[background]*3/4)
	default:
		l[background] = min(float64(c.BackgroundSenders), l[background]+1)
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
