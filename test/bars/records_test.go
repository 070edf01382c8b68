package main

import (
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hogcast/hogcast/pkg/mapping"
	"github.com/hogcast/hogcast/pkg/record"
)

func TestRecordsAreValidAndCarryTheirNumber(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 2, 3, 4, 5, 678e6, time.UTC)
	r := newRecords(1)
	for n := range 500 {
		got, err := record.Decode(r.record(nil, n, tenantName(7), now))
		if err != nil {
			t.Fatal(err)
		}
		if got.ID != "bars-"+strconv.Itoa(n) || got.Tenant != "t7" || !got.CreatedAt.Equal(now) {
			t.Fatalf("got %q of %q at %s", got.ID, got.Tenant, got.CreatedAt)
		}
		if len(got.Dropped) > 0 || got.Unknown > 0 || got.Failed() {
			t.Fatalf("dropped %v, unknown %d, failed %v", got.Dropped, got.Unknown, got.Failed())
		}
		if event, _ := mapping.Map(got, "default"); event.DistinctID != "u"+strconv.Itoa(n) || event.Personless {
			t.Fatalf("distinct id %q", event.DistinctID)
		}
	}
}

func TestRecordsComeInTheMixedSizes(t *testing.T) {
	t.Parallel()
	r := newRecords(1)
	const total = 10_000
	counts := make([]int, len(mix))
	for n := range total {
		size, found := len(r.record(nil, n, "t123", time.Now())), false
		for i, kind := range mix {
			if size > kind.size*9/10 && size < kind.size*11/10 {
				counts[i]++
				found = true
			}
		}
		if !found {
			t.Fatalf("a record of %d bytes", size)
		}
	}
	for i, kind := range mix {
		if got, want := counts[i], kind.percent*total/100; got < want*9/10 || got > want*11/10 {
			t.Errorf("%d of about %d bytes, want about %d", got, kind.size, want)
		}
	}
}

func TestTheSameSeedGivesTheSameRecords(t *testing.T) {
	t.Parallel()
	now := time.Now()
	same := func(seed uint64) string { return string(newRecords(seed).record(nil, 1, "t1", now)) }
	if diff := cmp.Diff(same(5), same(5)); diff != "" {
		t.Error(diff)
	}
	if same(5) == same(6) {
		t.Error("another seed gave the same record")
	}
}
