// Package load is what a chaos run publishes, and to whom: a fixed world of
// tenants and destinations, and records that are a pure function of a seed and
// their number, so that nobody has to keep them. Beside the layers; it owns no
// goroutine.
package load

import (
	"fmt"
	"time"

	"github.com/hogcast/hogcast/pkg/destination"
)

// Hosts is the number of sandbox listeners that the world needs; the last is
// the crowd's own.
const Hosts = 3

// CrowdHost is the listener that the crowd of small tenants shares.
const CrowdHost = Hosts - 1

// Family says which faults a destination meets.
type Family string

// The families.
const (
	Calm       Family = ""           // none: a neighbour, whom nothing may touch
	Transient  Family = "transient"  // what passes: hangs, resets, 5xx, 429, missing verdicts
	Holding    Family = "holding"    // what waits for the owner: 401, 402, 403, 404, quota
	Condemning Family = "condemning" // what buries single events: 413, 400, v1 drop
	Crowd      Family = "crowd"      // none of its own: its host fails as a whole
)

// Change says how a destination's configuration changes during the run.
type Change string

// The changes.
const (
	Fixed  Change = ""
	Pauses Change = "pauses" // paused, and resumed
	Moves  Change = "moves"  // to another listener and back
	Flips  Change = "flips"  // Privacy Mode on and off
	Hushes Change = "hushes" // Privacy Mode on, once and for good
	Late   Change = "late"   // added in mid-run
)

// Destination is one destination of the world, as it is at the start.
type Destination struct {
	Tenant, Name string
	Key          string // the project's API key; no two share one
	Host         int    // of the sandbox listeners
	Legacy       bool   // protocol: batch
	Private      bool
	Sampling     float64  // 0 is 1
	Include      []string // api_keys.include
	Family       Family
	Change       Change
}

// ID is `<tenant>.<name>`.
func (d *Destination) ID() string { return d.Tenant + "." + d.Name }

// EverPrivate reports whether Privacy Mode is on at some time.
func (d *Destination) EverPrivate() bool {
	return d.Private || d.Change == Flips || d.Change == Hushes
}

// Rules is the destination as hogcast's own decisions know it. Its endpoint is
// the caller's business.
func (d *Destination) Rules(private bool) *destination.Destination {
	rate := d.Sampling
	if rate == 0 {
		rate = 1
	}
	return &destination.Destination{
		ID: destination.ID{Tenant: d.Tenant, Name: d.Name}, Enabled: true, SamplingRate: rate,
		PrivacyMode: private, APIKeys: destination.KeyFilter{Include: d.Include},
	}
}

// Tenant is one tenant of the world.
type Tenant struct {
	Name         string
	Weight       int // share of the records
	Destinations []*Destination
}

// EverPrivate reports whether any destination is private at some time.
func (t *Tenant) EverPrivate() bool {
	for _, d := range t.Destinations {
		if d.EverPrivate() {
			return true
		}
	}
	return false
}

// crowd is above the 20 destinations of one host from which on they are held
// by host.
const crowd = 24

// World lists the tenants of every run.
func World() []*Tenant {
	one := func(name string, weight int, d Destination) *Tenant {
		return tenant(name, weight, d)
	}
	all := []*Tenant{
		one("calm-0", 12, Destination{}),
		one("calm-1", 12, Destination{Host: 1}),
		one("hurt-0", 8, Destination{Family: Transient}),
		one("hurt-1", 8, Destination{Family: Transient, Host: 1}),
		one("hurt-2", 8, Destination{Family: Transient}),
		one("locked", 6, Destination{Family: Holding}),
		one("strict", 6, Destination{Family: Condemning}),
		one("legacy", 6, Destination{Family: Transient, Legacy: true}),
		one("private", 5, Destination{Family: Condemning, Private: true}),
		one("pausing", 5, Destination{Change: Pauses}),
		one("moving", 5, Destination{Change: Moves, Family: Transient}),
		one("flip", 3, Destination{Change: Flips}),
		one("hush", 3, Destination{Change: Hushes}),
		tenant("twice", 6, Destination{}, Destination{Name: "copy", Host: 1, Family: Transient}),
		tenant("picky", 5, Destination{Sampling: 0.5}, Destination{Name: "keys", Include: []string{"key-1"}}),
		tenant("growing", 4, Destination{}, Destination{Name: "second", Change: Late}),
	}
	for i := range crowd {
		all = append(all, one(fmt.Sprintf("crowd-%02d", i), 1, Destination{Host: CrowdHost, Family: Crowd}))
	}
	return all
}

func tenant(name string, weight int, destinations ...Destination) *Tenant {
	t := &Tenant{Name: name, Weight: weight}
	for _, d := range destinations {
		d.Tenant = name
		if d.Name == "" {
			d.Name = "main"
		}
		d.Key = "phc_chaos_" + name + "_" + d.Name
		t.Destinations = append(t.Destinations, &d)
	}
	return t
}

// Load makes the records of one run.
type Load struct {
	Tenants []*Tenant

	seed   uint64
	began  time.Time
	weight int // of all tenants
	named  map[string]*Tenant
}

// New makes a load; records begin at that time, a millisecond apart.
func New(seed uint64, began time.Time) *Load {
	l := &Load{Tenants: World(), seed: seed, began: began.UTC(), named: map[string]*Tenant{}}
	for _, t := range l.Tenants {
		l.weight += t.Weight
		l.named[t.Name] = t
	}
	return l
}

// Tenant finds a tenant by name; nil for none of the world's.
func (l *Load) Tenant(name string) *Tenant { return l.named[name] }

// Destinations lists every destination of the world.
func (l *Load) Destinations() []*Destination {
	var all []*Destination
	for _, t := range l.Tenants {
		all = append(all, t.Destinations...)
	}
	return all
}
