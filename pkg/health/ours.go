package health

import "time"

// Endpoint is when an endpoint was last reached, and when not.
type Endpoint struct {
	Answered  time.Time // any answer, a refusal too
	Unreached time.Time // no answer: refused, reset, timeout, DNS
}

const (
	// oursEndpoints: fewer may be down by themselves.
	oursEndpoints = 3
	// oursLately: an endpoint that has not answered for so long may be down.
	oursLately = 5 * time.Minute
	// oursAtOnce: when a cut is ours, all fail at once.
	oursAtOnce = 15 * time.Second
	oursQuiet  = 3 * time.Second
)

// Ours decides whether the fault is on our side, a network or a DNS that is cut
// off, from every endpoint that is used: several were reached lately, now not
// one is.
func Ours(now time.Time, all []Endpoint) bool {
	unreached := 0
	for _, e := range all {
		switch {
		case now.Sub(e.Answered) > oursLately:
		case now.Sub(e.Answered) < oursQuiet, now.Sub(e.Unreached) > oursAtOnce:
			return false
		default:
			unreached++
		}
	}
	return unreached >= oursEndpoints
}
