// Package oracle judges a chaos run: it is told what was to be published, what
// was acknowledged, what PostHog took and what became dead letters, and says
// what is missing, invented, changed, leaked or in two places. It decides with
// hogcast's own pure packages (mapping, privacy, routing), and sees everything
// else from outside. All methods may be called from several goroutines; it
// owns none.
package oracle

import (
	"fmt"
	"sync"

	"github.com/google/uuid"

	"github.com/hogcast/hogcast/pkg/record"
	"github.com/hogcast/hogcast/pkg/routing"
	"github.com/hogcast/hogcast/test/chaos/load"
)

// Phase is how far a change of configuration that happens once has come.
type Phase int

// The phases.
const (
	Before Phase = iota // also while it is under way
	After               // in force at every worker
)

// Want is what has to become of a branch.
type Want int

// The wants, in order of strictness.
const (
	Nothing Want = iota // filtered or sampled out: must not be delivered
	Perhaps             // the destination may or may not have been in force
	OneEnd              // delivered or dead-lettered
)

// branch is one record for one destination.
type branch struct {
	n       int
	to      *load.Destination
	want    Want
	hushed  bool // published after Privacy Mode was in force for good
	taken   int  // times that PostHog took it
	letters int
}

// entry is one record.
type entry struct {
	intended, acked bool
	branches        []*branch
	letters         int // of the record as a whole
}

// Oracle gathers what happened. Make one with New.
type Oracle struct {
	load *load.Load

	mu       sync.Mutex
	entries  []entry
	byUUID   map[uuid.UUID]*branch
	byMsgID  map[string]int
	phases   map[string]Phase           // by destination
	causes   map[string]map[string]bool // by destination: reasons of letters that a fault explains
	blurred  map[string]bool            // by destination: what was sent may have been taken
	blurAll  bool
	unproven int // acknowledged and never intended: a fault of the harness
	findings []Finding
	more     map[string]int // findings by kind that were not kept
	dead     map[string]int // letters by reason
}

// New makes an oracle for the records of a load.
func New(l *load.Load) *Oracle {
	return &Oracle{
		load: l, byUUID: map[uuid.UUID]*branch{}, byMsgID: map[string]int{},
		phases: map[string]Phase{}, causes: map[string]map[string]bool{}, blurred: map[string]bool{},
		more: map[string]int{}, dead: map[string]int{},
	}
}

// Finding is one breach of a promise.
type Finding struct {
	Kind   string // missing, invented, changed, …
	Record int    // number of the record; -1 for none
	Where  string // `<tenant>.<destination>`, or what is known of it
	Text   string
}

// String is one line.
func (f Finding) String() string {
	return fmt.Sprintf("%s: record %d at %s: %s", f.Kind, f.Record, f.Where, f.Text)
}

// keptFindings bounds the findings of one kind that are kept whole.
const keptFindings = 50

// find notes a finding. The caller holds the lock.
func (o *Oracle) find(kind string, n int, where, format string, args ...any) {
	o.more[kind]++
	if o.more[kind] <= keptFindings {
		o.findings = append(o.findings, Finding{kind, n, where, fmt.Sprintf(format, args...)})
	}
}

// Report adds a finding of somebody else: a panic in a log, a secret, a worker
// that left by itself.
func (o *Oracle) Report(kind, where, format string, args ...any) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.find(kind, -1, where, format, args...)
}

// Reach says that a change of a destination's configuration is in force.
func (o *Oracle) Reach(destination string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.phases[destination] = After
}

// Condemn says that from now on letters of that reason are no surprise at a
// destination.
func (o *Oracle) Condemn(destination, reason string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.causes[destination] == nil {
		o.causes[destination] = map[string]bool{}
	}
	o.causes[destination][reason] = true
}

// Blur says that a request's outcome may have been lost, at one destination or,
// with "", at all: what was taken may come again, or be buried afterwards.
func (o *Oracle) Blur(destination string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if destination == "" {
		o.blurAll = true
		return
	}
	o.blurred[destination] = true
}

// Intend says that record n is about to be published. Call it before.
func (o *Oracle) Intend(r *load.Record) error {
	branches, err := o.branchesOf(r)
	if err != nil {
		return err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	for len(o.entries) <= r.N {
		o.entries = append(o.entries, entry{})
	}
	e := &o.entries[r.N]
	e.intended = true
	o.byMsgID[r.MsgID] = r.N
	for id, b := range branches {
		if b.to.Change == load.Late && o.phases[b.to.ID()] < After {
			b.want = min(b.want, Perhaps)
		}
		b.hushed = b.to.Change == load.Hushes && o.phases[b.to.ID()] == After
		if known := o.byUUID[id]; known != nil { // a twin's
			known.want = max(known.want, b.want)
			e.branches = append(e.branches, known)
			continue
		}
		o.byUUID[id] = b
		e.branches = append(e.branches, b)
	}
	return nil
}

// branchesOf decides the branches of a record; none for a hostile one.
func (o *Oracle) branchesOf(r *load.Record) (map[uuid.UUID]*branch, error) {
	if _, hostile := r.Letter(); hostile {
		return nil, nil
	}
	decoded, err := record.Decode(r.Body)
	if err != nil {
		return nil, fmt.Errorf("record %d is meant to be good: %w", r.N, err)
	}
	tenant := o.load.Tenant(r.Subject)
	branches := make(map[uuid.UUID]*branch, len(tenant.Destinations))
	for _, d := range tenant.Destinations {
		id, err := uuid.Parse(eventOf(decoded, d, false).UUID)
		if err != nil {
			return nil, fmt.Errorf("record %d: uuid: %w", r.N, err)
		}
		b := &branch{n: r.N, to: d, want: OneEnd}
		if !routing.Decide(decoded, d.Rules(false)).Deliver() {
			b.want = Nothing
		}
		branches[id] = b
	}
	return branches, nil
}

// Acked says that the publish of record n was acknowledged.
func (o *Oracle) Acked(n int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if n >= len(o.entries) || !o.entries[n].intended {
		o.unproven++
		return
	}
	o.entries[n].acked = true
}

// Acknowledged is how many records are, so far.
func (o *Oracle) Acknowledged() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	n := 0
	for i := range o.entries {
		if o.entries[i].acked {
			n++
		}
	}
	return n
}
