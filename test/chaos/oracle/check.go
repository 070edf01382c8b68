package oracle

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Verdict is what the oracle says in the end.
type Verdict struct {
	Published int // acknowledged records
	Unknown   int // neither acknowledged nor known not to be stored
	Branches  int // of acknowledged records
	Delivered int // of these, by PostHog alone
	Dead      int // of these, as letters alone
	Both      int // delivered and buried afterwards
	LeftOut   int // filtered or sampled out
	Open      int // may or may not have an end
	Hostile   int // hostile records, buried as a whole
	Missing   []Missing
	Copies    int // events that PostHog took once more
	Letters   int // letters that were written once more
	Taken     int // events that PostHog took, ever
	Reasons   map[string]int
	Findings  []Finding
	Counts    map[string]int // findings by kind
}

// Missing is a branch without an end.
type Missing struct {
	Record      int
	MsgID       string
	Tenant      string
	Destination string // "_" for a hostile record as a whole
}

// Passed reports whether every promise was kept.
func (v *Verdict) Passed() bool { return len(v.Counts) == 0 }

// Check judges what has been gathered. Call it once, when all has come to rest.
func (o *Oracle) Check() *Verdict {
	o.mu.Lock()
	defer o.mu.Unlock()
	v := &Verdict{Reasons: maps.Clone(o.dead)}
	acked := map[*branch]bool{} // a twin's branches are its original's
	for n := range o.entries {
		e := &o.entries[n]
		switch {
		case e.acked:
			v.Published++
		case e.intended:
			v.Unknown++
		}
		o.checkWhole(v, n, e)
		for _, b := range e.branches {
			acked[b] = acked[b] || e.acked
		}
	}
	for _, b := range o.byUUID {
		o.checkBranch(v, b, acked[b])
	}
	slices.SortFunc(v.Missing, func(a, b Missing) int { return a.Record - b.Record })
	o.checkSums(v)
	v.Findings, v.Counts = o.findings, o.more
	return v
}

// checkWhole judges a hostile record.
func (o *Oracle) checkWhole(v *Verdict, n int, e *entry) {
	v.Letters += max(0, e.letters-1)
	if !e.acked || len(e.branches) > 0 {
		return
	}
	r := o.load.Record(n)
	want, hostile := r.Letter()
	if !hostile {
		return
	}
	if e.letters > 0 {
		v.Hostile++
	} else {
		v.Missing = append(v.Missing, Missing{n, r.MsgID, r.Subject, "_"})
		o.find("missing", n, r.Subject+"._", "%s has no letter (%s)", r.Kind, want.Reason)
	}
}

func (o *Oracle) checkBranch(v *Verdict, b *branch, acked bool) {
	v.Taken += b.taken
	v.Copies += max(0, b.taken-1)
	v.Letters += max(0, b.letters-1)
	if !acked {
		return
	}
	v.Branches++
	switch {
	case b.taken > 0 && b.letters > 0:
		v.Both++
		if !o.blurAll && !o.blurred[b.to.ID()] {
			o.find("both", b.n, b.to.ID(), "delivered and buried, which no lost answer explains")
		}
	case b.taken > 0:
		v.Delivered++
	case b.letters > 0, o.entries[b.n].letters > 0:
		v.Dead++
	case b.want == Nothing:
		v.LeftOut++
	case b.want == Perhaps:
		v.Open++
	default:
		v.Missing = append(v.Missing, Missing{b.n, o.load.Record(b.n).MsgID, b.to.Tenant, b.to.Name})
		o.find("missing", b.n, b.to.ID(), "acknowledged, and neither delivered nor buried")
	}
}

// checkSums adds up what the branches came to.
func (o *Oracle) checkSums(v *Verdict) {
	missing := 0
	for _, m := range v.Missing {
		if m.Destination != "_" {
			missing++
		}
	}
	if sum := v.Delivered + v.Dead + v.Both + v.LeftOut + v.Open + missing; sum != v.Branches {
		o.find("sums", -1, "all", "%d branches and %d ends", v.Branches, sum)
	}
	if o.unproven > 0 {
		o.find("sums", -1, "all", "%d acknowledged records were never intended", o.unproven)
	}
}

// Tally compares the events that the branches account for with what the
// sandboxes counted themselves.
func (o *Oracle) Tally(v *Verdict, counted int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if invented := o.more["invented"]; invented == 0 && v.Taken != counted {
		o.find("sums", -1, "all", "the sandboxes took %d events, %d are accounted for", counted, v.Taken)
	}
	v.Findings, v.Counts = o.findings, o.more
}

// DeadByReason is the reasons of letters with their counts, for a line.
func (v *Verdict) DeadByReason() string { return counts(v.Reasons) }

// FindingCounts is the kinds of findings with their counts, for a line.
func (v *Verdict) FindingCounts() string { return counts(v.Counts) }

func counts(m map[string]int) string {
	parts := make([]string, 0, len(m))
	for _, key := range slices.Sorted(maps.Keys(m)) {
		parts = append(parts, fmt.Sprintf("%s %d", key, m[key]))
	}
	return strings.Join(parts, ", ")
}
