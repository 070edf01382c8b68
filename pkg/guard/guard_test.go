package guard_test

import (
	"fmt"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/hogcast/hogcast/pkg/guard"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

// condemn condemns n branches, and returns the first trip and after how many.
func condemn(g *guard.Guard, n int, f guard.Fate) (guard.Trip, int) {
	for i := range n {
		if trip := g.Condemned(noon, f); trip != guard.None {
			return trip, i + 1
		}
	}
	return guard.None, n
}

func TestMostOfAWindowHoldsTheDestination(t *testing.T) {
	t.Parallel()
	var g guard.Guard
	trip, after := condemn(&g, 1000, guard.Fate{Tenant: "acme", Destination: "main", Cause: "dropped"})
	if trip != guard.Destination || after != 50 {
		t.Errorf("trip %v after %d", trip, after)
	}
}

func TestAMinorityHoldsNothing(t *testing.T) {
	t.Parallel()
	var g guard.Guard
	for i := range 1000 {
		if trip := g.Condemned(noon, guard.Fate{Tenant: "acme", Destination: "main", Cause: "dropped"}); trip != guard.None {
			t.Fatalf("trip %v at %d", trip, i)
		}
		g.Passed("acme", "main")
	}
}

func TestSeveralCausesAreNotOne(t *testing.T) {
	t.Parallel()
	var g guard.Guard
	for i := range 1000 {
		f := guard.Fate{Tenant: "acme", Destination: "main", Cause: fmt.Sprint("cause ", i%3)}
		if trip := g.Condemned(noon, f); trip != guard.None {
			t.Fatalf("trip %v at %d", trip, i)
		}
	}
}

func TestUnreadableRecordsOfOneTenantNeverTrip(t *testing.T) {
	t.Parallel()
	var g guard.Guard
	if trip, _ := condemn(&g, 10_000, guard.Fate{Tenant: "acme", Cause: "malformed model"}); trip != guard.None {
		t.Errorf("trip %v", trip)
	}
}

func TestThreeTenantsTripEverywhereAndTwoDont(t *testing.T) {
	t.Parallel()
	var g guard.Guard
	for _, tenant := range []string{"a", "b"} {
		if trip, _ := condemn(&g, 40, guard.Fate{Tenant: tenant, Cause: "malformed model"}); trip != guard.None {
			t.Fatalf("%s: trip %v", tenant, trip)
		}
	}
	trip, after := condemn(&g, 40, guard.Fate{Tenant: "c", Cause: "malformed model"})
	if trip != guard.Everywhere || after > 17 {
		t.Errorf("trip %v after %d", trip, after)
	}
}

func TestOneTenantCantTripForOthersWhoHaveAFew(t *testing.T) {
	t.Parallel()
	var g guard.Guard
	f := guard.Fate{Cause: "malformed model"}
	for i := range 500 {
		f.Tenant = "noisy"
		if i%50 == 0 {
			f.Tenant = fmt.Sprint("quiet-", i)
		}
		if trip := g.Condemned(noon, f); trip != guard.None {
			t.Fatalf("trip %v at %d", trip, i)
		}
	}
}

func TestTenantsOfLongAgoDontCount(t *testing.T) {
	t.Parallel()
	var g guard.Guard
	condemn(&g, 40, guard.Fate{Tenant: "a", Cause: "x"})
	condemn(&g, 40, guard.Fate{Tenant: "b", Cause: "x"})
	for i := range 40 {
		if trip := g.Condemned(noon.Add(time.Hour), guard.Fate{Tenant: "c", Cause: "x"}); trip != guard.None {
			t.Fatalf("trip %v at %d", trip, i)
		}
	}
}
