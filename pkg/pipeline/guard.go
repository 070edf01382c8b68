package pipeline

import (
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hogcast/hogcast/pkg/deadletter"
	"github.com/hogcast/hogcast/pkg/delivery"
	"github.com/hogcast/hogcast/pkg/destination"
	"github.com/hogcast/hogcast/pkg/fleet"
	"github.com/hogcast/hogcast/pkg/guard"
	"github.com/hogcast/hogcast/pkg/held"
	"github.com/hogcast/hogcast/pkg/outcome"
	"github.com/hogcast/hogcast/pkg/queue"
)

// guards counts what is about to be buried.
type guards struct {
	used atomic.Bool // nothing has been condemned: nothing to count
	mu   sync.Mutex
	g    guard.Guard
}

func (g *guards) condemned(f guard.Fate) guard.Trip {
	g.used.Store(true)
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.g.Condemned(time.Now(), f)
}

func (g *guards) passed(tenant, destination string) {
	if !g.used.Load() {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.g.Passed(tenant, destination)
}

func (g *guards) forget(tenant, destination string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.g.Forget(tenant, destination)
}

// spares reports whether a branch that is about to be buried is to be held
// instead. to is nil for a record that is not routed.
func (h *Handler) spares(f guard.Fate, to *destination.Destination) bool {
	if h.Health.Guarded(f.Cause) || to != nil && h.Health.Standing(to).Reason == outcome.Guarded {
		return true
	}
	switch h.guard.condemned(f) {
	case guard.Destination:
		h.guard.forget(f.Tenant, f.Destination)
		return h.Health.GuardDestination(to, f.Cause)
	case guard.Everywhere:
		return h.Health.GuardCause(f.Cause)
	case guard.None:
	}
	return false
}

// condemn buries a branch that PostHog will never take, unless the guard holds
// it.
func (h *Handler) condemn(j *job, to *destination.Destination, result delivery.Result) {
	f := fateOf(to, result)
	if !h.spares(f, to) {
		h.bury(j, h.undeliverable(j, to, result))
		return
	}
	h.park(j, to, fleet.Admission{Reason: outcome.Guarded, Detail: f.Cause, Host: h.guardLine(to, f.Cause)}, result)
}

// guardLine is the line that a branch is held in while the guard is on for its
// cause: its destination's own, "", where that is held as a whole, else the
// cause's, or it would keep from the destination what comes behind it.
func (h *Handler) guardLine(to *destination.Destination, cause string) string {
	if h.Health.Standing(to).Reason == outcome.Guarded {
		return ""
	}
	return queue.GuardToken(cause)
}

// reject buries a record that can't be routed, unless the guard holds it. What
// keeps no bytes, or has no tenant, can't be held.
func (h *Handler) reject(j *job, l deadletter.Letter) {
	f := guard.Fate{Tenant: l.Tenant, Cause: causeOf(l)}
	if l.Tenant == "" || !l.Envelope.Replayable() || !h.spares(f, nil) {
		h.bury(j, l)
		return
	}
	e := l.Envelope
	e.Reason, e.Detail = string(outcome.Guarded), f.Cause
	b := held.Branch{To: destination.ID{Tenant: l.Tenant, Name: queue.NoToken}, From: j.source, Envelope: e}
	h.hold(b, h.live(j.message), func(end outcome.End, err error) { j.stored(b.To.Name, end, e.Reason, err) })
}

// causeOf is what unroutable records have in common.
func causeOf(l deadletter.Letter) string {
	return strings.TrimSpace(string(l.Reason) + " " + l.Envelope.Field)
}

// fateOf names the cause of a burial: the answer's, with PostHog's own word for
// it where that is one word; a sentence may be about one event.
func fateOf(to *destination.Destination, result delivery.Result) guard.Fate {
	const longest = 64
	cause, detail := string(result.Verdict.Cause), result.Verdict.Detail
	word := !strings.ContainsFunc(detail, func(r rune) bool { return (r < 'a' || r > 'z') && r != '_' })
	if detail != "" && len(detail) <= longest && word && !to.Private() {
		cause += " " + detail
	}
	return guard.Fate{Tenant: to.Tenant, Destination: to.Name, Cause: cause}
}
