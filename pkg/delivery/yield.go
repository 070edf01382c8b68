package delivery

import "time"

// yield is how many background requests there may be at once. What is drained
// stays below live traffic by its turns, but a machine that drains as fast as it
// can is late for everything: so fewer while live batches go late, more while
// they don't. A destination that is slow to answer costs no time here, and gets
// as many as there may be.
type yield struct {
	limit   float64
	changed time.Time
}

const (
	firstBackground, leastBackground = 16, 2
	// lateAfter is how much later than planned a live batch may go.
	lateAfter = 15 * time.Millisecond
	// yieldEvery spaces the changes: what one has done has to show first.
	yieldEvery = 100 * time.Millisecond
)

// served notes how late a live batch went; most is the limit's own.
func (y *yield) served(late time.Duration, now time.Time, most int) {
	if now.Sub(y.changed) < yieldEvery {
		return
	}
	y.changed = now
	if late > lateAfter {
		y.limit = max(leastBackground, y.limit*3/4)
	} else {
		y.limit = min(float64(most), y.limit+1)
	}
}
