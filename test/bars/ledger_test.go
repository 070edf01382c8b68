package main

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestALedgerCountsWhatArrivesOnceTwiceWronglyAndNever(t *testing.T) {
	t.Parallel()
	l := newLedger(2)
	a, b, c := l.publish(0), l.publish(0), l.publish(1)
	l.accept(0, []sighting{{a, 1}, {b, 2}})
	l.accept(0, []sighting{{a, 1}})  // a copy
	l.accept(0, []sighting{{b, 99}}) // by another uuid
	l.accept(0, []sighting{{c, 3}})  // at another tenant's destination
	l.accept(0, []sighting{{77, 3}}) // of no record
	want := totals{published: 3, accepted: 2, copies: 1, wrong: 3}
	if diff := cmp.Diff(want, l.totals(), cmp.AllowUnexported(totals{})); diff != "" {
		t.Error(diff)
	}
	if got := l.outstanding(span{0, 1}); got != 0 {
		t.Errorf("tenant 0: %d outstanding, want 0", got)
	}
	if diff := cmp.Diff([]int{c}, l.waiting(span{0, 2})); diff != "" {
		t.Error(diff)
	}
	if got := l.acceptedOf([]int{a, b, c}); got != 2 {
		t.Errorf("%d accepted, want 2", got)
	}
}

// fixed is a ledger with times of the test's own, in milliseconds.
func fixed(entries ...[3]int64) *ledger {
	l := newLedger(2)
	for _, e := range entries {
		l.entries = append(l.entries, entry{tenant: int32(e[0]), published: e[1] * 1e6, accepted: e[2] * 1e6}) //nolint:gosec // 0 or 1
	}
	return l
}

func TestAMeasureIsOfTheGroupAndTimeAlone(t *testing.T) {
	t.Parallel()
	l := fixed(
		[3]int64{0, 100, 150}, [3]int64{0, 200, 300}, // in
		[3]int64{1, 100, 900},  // another's
		[3]int64{0, 10, 20},    // all before
		[3]int64{0, 50, 120},   // published before, accepted within
		[3]int64{0, 900, 1200}, // published within, accepted after
		[3]int64{0, 2000, 2001},
	)
	got := l.measure(span{0, 1}, 100e6, 1000e6)
	want := measure{published: 3, accepted: 3, rate: 3 / 0.9, p50: 0.1, p99: 0.3, max: 0.3}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(measure{}), cmpopts.EquateApprox(0, 1e-9)); diff != "" {
		t.Error(diff)
	}
}

func TestWhatNeverArrivesCountsIntoThePercentiles(t *testing.T) {
	t.Parallel()
	l := fixed([3]int64{0, 1, 2}, [3]int64{0, 1, 0})
	l.epoch = l.epoch.Add(-1e12) // long ago
	got := l.measure(span{0, 1}, 0, 10e6)
	if got.missing != 1 || got.p99 < 900 {
		t.Errorf("got %+v, want one missing and a p99 of its age", got)
	}
}

func TestMomentsAreInTheOrderOfAcceptance(t *testing.T) {
	t.Parallel()
	l := fixed([3]int64{0, 1, 3000}, [3]int64{0, 2, 2000}, [3]int64{0, 3, 0}, [3]int64{0, 0, 1})
	if diff := cmp.Diff([]float64{1, 2}, l.moments([]int{0, 1, 2}, 1e9)); diff != "" {
		t.Error(diff)
	}
	if got := l.firstAccepted(span{0, 1}, 2e6); got != 2000e6 {
		t.Errorf("first: got %d, want the second record's", got)
	}
}
