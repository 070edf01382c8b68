// Package health decides how well a destination does from what its requests
// came to. Pure: a state machine that is told the time. Layer 1: decisions.
package health

import (
	"time"

	"github.com/hogcast/hogcast/pkg/outcome"
)

// State is how a destination does. The fleet shares it.
type State string

// The states.
const (
	Healthy  State = "healthy"
	Paced    State = "paced"    // it asked to be left alone for a while (429)
	Open     State = "open"     // it fails: refused, timeouts, 5xx
	Held     State = "held"     // its owner has to act: key, quota, path, certificate
	Draining State = "draining" // healthy, and what was held is being delivered
)

// States lists every State.
func States() []State { return []State{Healthy, Paced, Open, Held, Draining} }

// Sample is what one request to a destination came to, or that one has had no
// answer for a while.
type Sample struct {
	// Revision of the destination that was asked: an answer counts for no other.
	Revision string
	Cause    outcome.Cause // of the request as a whole; of a mixed answer, the worst that is not about one event
	Status   int
	Accepted int           // events accepted
	Failed   bool          // the destination as a whole failed
	Took     time.Duration // time spent, on a stalled request so far
	// RetryAfter is the least wait that the answer asked for.
	RetryAfter time.Duration
	// Stalled: no answer yet after a while, and nothing accepted meanwhile.
	// The same request's outcome comes as a sample of its own.
	Stalled bool
}
