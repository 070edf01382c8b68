package delivery

import (
	"math"
	"time"

	"golang.org/x/time/rate"
)

// workersEvery is how long the number of workers is believed.
const workersEvery = time.Second

// workers is the number of workers alive, at least 1.
func (d *Dispatcher) workers(now time.Time) int {
	if d.config.Workers == nil {
		return 1
	}
	if d.fleet == 0 || now.Sub(d.fleetAt) >= workersEvery {
		d.fleet, d.fleetAt = max(1, d.config.Workers()), now
	}
	return d.fleet
}

// limit holds the lane's limiter to its destination's rate, or what this worker
// has of it. It lets through a second's worth at once; a rate below one a second
// lets through one.
func (d *Dispatcher) limit(l *lane, now time.Time) {
	if l.to.MaxRate == 0 {
		l.rate = nil
		return
	}
	r := l.to.MaxRate / float64(d.workers(now))
	burst := int(max(1, math.Ceil(min(r, 1e6))))
	switch {
	case l.rate == nil:
		l.rate = rate.NewLimiter(rate.Limit(r), burst)
	case l.rate.Limit() != rate.Limit(r):
		l.rate.SetLimitAt(now, rate.Limit(r))
		l.rate.SetBurstAt(now, burst)
	}
}

// most is how many events a batch may hold.
func (l *lane) most(c Config) int {
	if l.rate == nil {
		return c.BatchEvents
	}
	return min(c.BatchEvents, l.rate.Burst())
}

// affords is how many events the rate lets through now.
func (l *lane) affords(c Config, now time.Time) int {
	if l.rate == nil {
		return c.BatchEvents
	}
	return min(c.BatchEvents, int(max(0, l.rate.TokensAt(now))))
}

// affordsAt is when the rate lets n events through.
func (l *lane) affordsAt(n int, now time.Time) time.Time {
	if l.rate == nil {
		return now
	}
	missing := float64(n) - l.rate.TokensAt(now)
	if missing <= 0 {
		return now
	}
	return now.Add(time.Duration(missing/float64(l.rate.Limit())*float64(time.Second)) + time.Microsecond)
}

// spend counts n events against the rate; beyond what it lets through, they are
// a debt that the next batches wait for.
func (l *lane) spend(n int, now time.Time) {
	for l.rate != nil && n > 0 {
		part := min(n, l.rate.Burst())
		l.rate.ReserveN(now, part)
		n -= part
	}
}
