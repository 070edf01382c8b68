// Package guard keeps a bug, ours or a change of PostHog's, from burying
// thousands of records: it counts what is about to be dead-lettered, and says
// when that is too much of one kind. Pure; it is told the time. Layer 1:
// decisions.
package guard

import "time"

// Fate is a branch about to be dead-lettered for a cause. Destination is "" for
// a record that is not routed.
type Fate struct{ Tenant, Destination, Cause string }

// Trip is what a fate sets off.
type Trip int

// The trips.
const (
	None        Trip = iota
	Destination      // most of a destination's window for one cause: hold the destination
	Everywhere       // the same over several tenants: bury nothing for this cause
)

const (
	// window is the number of decided branches that a destination is judged by.
	window = 50
	// Everywhere asks for tenants of which each has most of a third of a window.
	tenants     = 3
	tenantShare = window / tenants
	// fresh is how long a tenant counts after its last.
	fresh = 10 * time.Minute
	// maxWindows bounds the memory, about 10,000 × 300 B; what is forgotten is
	// counted anew.
	maxWindows = 10_000
)

// Guard counts. The zero Guard is ready to use. It is not safe for concurrent
// use.
type Guard struct {
	windows map[place]*counts
	causes  map[string]map[string]time.Time // cause → tenants most of whose records it condemns, and when last
}

type place struct{ tenant, destination string }

// counts are of the latest decided branches of a place; they halve when there
// are two windows of them, so that the past fades.
type counts struct {
	total  int
	buried map[string]int // by cause
}

// Passed counts a branch that came through. It costs nothing where nothing has
// been buried lately.
func (g *Guard) Passed(tenant, destination string) {
	if c := g.windows[place{tenant, destination}]; c != nil {
		c.add("")
	}
}

// Condemned counts a branch that is about to be buried, and says what that sets
// off. A record that is not routed sets off nothing for its tenant alone.
func (g *Guard) Condemned(now time.Time, f Fate) Trip {
	c := g.counts(place{f.Tenant, f.Destination})
	c.add(f.Cause)
	if !c.most(f.Cause, tenantShare) {
		delete(g.causes[f.Cause], f.Tenant)
		return None
	}
	if g.spread(now, f) >= tenants {
		return Everywhere
	}
	if f.Destination != "" && c.most(f.Cause, window) {
		return Destination
	}
	return None
}

// Forget begins anew for a place whose destination was held, or released.
func (g *Guard) Forget(tenant, destination string) { delete(g.windows, place{tenant, destination}) }

func (g *Guard) counts(p place) *counts {
	c := g.windows[p]
	if c == nil {
		if g.windows == nil || len(g.windows) >= maxWindows {
			g.windows = make(map[place]*counts)
			g.causes = make(map[string]map[string]time.Time)
		}
		c = &counts{buried: make(map[string]int, 1)}
		g.windows[p] = c
	}
	return c
}

// spread notes that a cause condemns most of a tenant's records, and counts the
// tenants of which that is so.
func (g *Guard) spread(now time.Time, f Fate) int {
	if g.causes[f.Cause] == nil {
		g.causes[f.Cause] = make(map[string]time.Time, 1)
	}
	of := g.causes[f.Cause]
	of[f.Tenant] = now
	for tenant, last := range of {
		if now.Sub(last) > fresh {
			delete(of, tenant)
		}
	}
	return len(of)
}

func (c *counts) add(cause string) {
	if c.total == 2*window {
		c.total /= 2
		for cause, n := range c.buried {
			if c.buried[cause] = n / 2; n < 2 {
				delete(c.buried, cause)
			}
		}
	}
	c.total++
	if cause != "" {
		c.buried[cause]++
	}
}

// most reports whether a cause has condemned most, two thirds, of at least n
// branches.
func (c *counts) most(cause string, n int) bool { return c.total >= n && 3*c.buried[cause] > 2*c.total }
