package main

import (
	"slices"
	"sync"
	"time"
)

// span is a group of tenants: the numbers from ≤ n < to.
type span struct{ from, to int }

func (s span) has(tenant int) bool { return tenant >= s.from && tenant < s.to }

func (s span) size() int { return s.to - s.from }

// entry is one record from its publishing to its acceptance. Times are
// nanoseconds of the ledger's clock; 0: not yet.
type entry struct {
	published, accepted int64
	uuid                uint64 // first half, of the first acceptance
	tenant              int32
	copies              int32 // acceptances after the first
}

// ledger remembers each record that was published and what the sink took of
// it; 32 bytes a record. Safe for concurrent use.
type ledger struct {
	epoch time.Time

	mu      sync.Mutex
	entries []entry // by the record's number
	left    []int   // published and not accepted, by tenant
	wrong   int     // acceptances of no record, for another tenant or by another uuid
}

func newLedger(tenants int) *ledger {
	return &ledger{epoch: time.Now(), left: make([]int, tenants)}
}

// now is the ledger's clock, never 0.
func (l *ledger) now() int64 { return int64(time.Since(l.epoch)) + 1 }

// publish enters a record and returns its number.
func (l *ledger) publish(tenant int) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.entries = append(l.entries, entry{published: l.now(), tenant: int32(tenant)}) //nolint:gosec // a few thousand tenants
	l.left[tenant]++
	return len(l.entries) - 1
}

// sighting is an event that arrived: its record's number, its uuid's first half.
type sighting struct {
	number int
	uuid   uint64
}

// accept enters the acceptance of one request's events.
func (l *ledger) accept(tenant int, events []sighting) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	for _, s := range events {
		l.acceptOne(now, tenant, s)
	}
}

func (l *ledger) acceptOne(now int64, tenant int, s sighting) {
	if s.number < 0 || s.number >= len(l.entries) || int(l.entries[s.number].tenant) != tenant {
		l.wrong++
		return
	}
	e := &l.entries[s.number]
	switch {
	case e.accepted == 0:
		e.accepted, e.uuid = now, s.uuid
		l.left[tenant]--
	case e.uuid != s.uuid:
		l.wrong++
	default:
		e.copies++
	}
}

// outstanding counts a group's records that the sink has not taken.
func (l *ledger) outstanding(group span) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	sum := 0
	for _, n := range l.left[group.from:group.to] {
		sum += n
	}
	return sum
}

// waiting lists the numbers of a group's records that the sink has not taken.
func (l *ledger) waiting(group span) []int {
	l.mu.Lock()
	defer l.mu.Unlock()
	var numbers []int
	for i := range l.entries {
		if e := &l.entries[i]; e.accepted == 0 && group.has(int(e.tenant)) {
			numbers = append(numbers, i)
		}
	}
	return numbers
}

// acceptedOf counts which of these records were taken.
func (l *ledger) acceptedOf(numbers []int) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := 0
	for _, i := range numbers {
		if l.entries[i].accepted != 0 {
			n++
		}
	}
	return n
}

// moments are the times, ascending and in seconds since a moment, when those of
// these records that were taken were taken.
func (l *ledger) moments(numbers []int, since int64) []float64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []float64
	for _, i := range numbers {
		if at := l.entries[i].accepted; at != 0 {
			out = append(out, seconds(at-since))
		}
	}
	slices.Sort(out)
	return out
}

// measure is what a group saw within a time.
type measure struct {
	published, accepted int
	missing             int // of those published, never accepted
	rate                float64
	p50, p99, max       float64 // of those published then, seconds from publish to accept
}

// measure looks at the records of a group that were published, and those that
// were accepted, within a time. Ask when all has arrived: what has not yet is
// missing, and counts into the percentiles as if it arrived now.
func (l *ledger) measure(group span, from, to int64) measure {
	l.mu.Lock()
	defer l.mu.Unlock()
	var m measure
	var latencies []float64
	now := l.now()
	for i := range l.entries {
		e := &l.entries[i]
		if !group.has(int(e.tenant)) {
			continue
		}
		if e.accepted >= from && e.accepted < to {
			m.accepted++
		}
		if e.published < from || e.published >= to {
			continue
		}
		m.published++
		accepted := e.accepted
		if accepted == 0 {
			m.missing++
			accepted = now
		}
		latencies = append(latencies, seconds(accepted-e.published))
	}
	slices.Sort(latencies)
	m.rate = float64(m.accepted) / seconds(to-from)
	m.p50, m.p99, m.max = percentile(latencies, 0.50), percentile(latencies, 0.99), percentile(latencies, 1)
	return m
}

// firstAccepted is the earliest moment at which a record was taken that a group
// published from a time on; 0 for none.
func (l *ledger) firstAccepted(group span, from int64) int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	var first int64
	for i := range l.entries {
		e := &l.entries[i]
		if e.published >= from && group.has(int(e.tenant)) && e.accepted != 0 && (first == 0 || e.accepted < first) {
			first = e.accepted
		}
	}
	return first
}

// latest is how long after from the last of the records published within a time
// was published that took longer than late, in seconds; 0 where none did.
func (l *ledger) latest(from, to int64, late float64) float64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	last := 0.0
	for i := range l.entries {
		e := &l.entries[i]
		if e.published >= from && e.published < to && (e.accepted == 0 || seconds(e.accepted-e.published) > late) {
			last = max(last, seconds(e.published-from))
		}
	}
	return last
}

// slow counts the records published within a time that took longer than late
// seconds, and tells the longest.
func (l *ledger) slow(from, to int64, late float64) (n int, longest float64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range l.entries {
		e := &l.entries[i]
		if took := seconds(e.accepted - e.published); e.published >= from && e.published < to && took > late {
			n++
			longest = max(longest, took)
		}
	}
	return n, longest
}

// totals are counts over everything.
type totals struct{ published, accepted, copies, wrong int }

func (l *ledger) totals() totals {
	l.mu.Lock()
	defer l.mu.Unlock()
	t := totals{published: len(l.entries), wrong: l.wrong}
	for i := range l.entries {
		if l.entries[i].accepted != 0 {
			t.accepted++
		}
		t.copies += int(l.entries[i].copies)
	}
	return t
}

func seconds(ns int64) float64 { return time.Duration(ns).Seconds() }
