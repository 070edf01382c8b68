package delivery

import "time"

// pace is how many requests at once suit a destination: it starts small, grows
// by one a round trip while the limit is used and answers come nearly as fast
// as the best, and halves when the destination fails, refuses or is slow.
type pace struct {
	limit float64
	best  time.Duration // of an answer that took something in; slowly forgotten
	heard time.Time     // when best was last looked at
	cut   time.Time     // when the limit was last halved
}

const (
	firstPace = 2
	// An answer is near the best up to nearBest times that, and slow from
	// slowBest times; in between nothing changes. Below the floors it is neither
	// the destination's load that shows nor worth a reaction: batches differ in
	// size, and this machine may be busy.
	nearBest, nearFloor = 2, 50 * time.Millisecond
	slowBest, slowFloor = 4, 500 * time.Millisecond
	// forgetIn is the time in which the best gives way to what is worse: long
	// enough that what our own requests slow down is not taken for the best.
	forgetIn = time.Minute
)

// accepted notes an answer that took something in; full tells whether the lane
// used its limit, for else a higher one would mean nothing.
func (p *pace) accepted(began, now time.Time, full bool) {
	took := now.Sub(began)
	if p.best == 0 || took < p.best {
		p.best, p.heard = took, now
	}
	switch {
	case took <= max(nearBest*p.best, nearFloor):
		if full {
			p.limit += 1 / p.limit
		}
	case took > max(slowBest*p.best, slowFloor):
		p.shrink(began, now)
	}
	p.best += time.Duration(float64(took-p.best) * min(1, now.Sub(p.heard).Seconds()/forgetIn.Seconds()))
	p.heard = now
}

// shrink halves the limit; of requests that were under way together only the
// first does.
func (p *pace) shrink(began, now time.Time) {
	if began.Before(p.cut) {
		return
	}
	p.limit, p.cut = max(1, p.limit/2), now
}
