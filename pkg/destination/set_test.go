package destination_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/hogcast/hogcast/pkg/destination"
)

func of(tenant, name string) *destination.Destination {
	d := valid()
	d.ID = destination.ID{Tenant: tenant, Name: name}
	return &d
}

// shown is what a set says of its tenants.
func shown(s *destination.Set, tenants ...string) string {
	var all []string
	for _, tenant := range tenants {
		var names []string
		for _, d := range s.Of(tenant) {
			names = append(names, d.Name)
		}
		all = append(all, tenant+": "+strings.Join(names, " "))
	}
	return strings.Join(all, "; ")
}

func TestAChangeMakesANewSetAndLeavesTheOldOneAsItWas(t *testing.T) {
	t.Parallel()
	one := destination.NewSet([]*destination.Destination{of("a", "x"), of("a", "y"), of("b", "x")})
	renewed := of("a", "x")
	two := one.With(
		destination.Change{ID: renewed.ID, To: renewed},
		destination.Change{ID: destination.ID{Tenant: "a", Name: "y"}},
		destination.Change{ID: destination.ID{Tenant: "b", Name: "x"}},
		destination.Change{ID: destination.ID{Tenant: "c", Name: "z"}, To: of("c", "z")},
		destination.Change{ID: destination.ID{Tenant: "d", Name: "never there"}},
	)
	if got, want := shown(one, "a", "b", "c", "d"), "a: x y; b: x; c: ; d: "; got != want || one.Len() != 3 {
		t.Errorf("the old one is %s (%d), want %s", got, one.Len(), want)
	}
	if got, want := shown(two, "a", "b", "c", "d"), "a: x; b: ; c: z; d: "; got != want || two.Len() != 2 {
		t.Errorf("the new one is %s (%d), want %s", got, two.Len(), want)
	}
	if two.Get(renewed.ID) != renewed || one.Get(renewed.ID) == renewed || two.Own("b") || !two.Own("c") {
		t.Error("the change is not where it belongs")
	}
	var order []string
	for d := range two.With(destination.Change{ID: destination.ID{Tenant: "b", Name: "w"}, To: of("b", "w")}).All() {
		order = append(order, d.String())
	}
	if want := []string{"a.x", "c.z", "b.w"}; !slices.Equal(order, want) {
		t.Errorf("all are %v, want %v", order, want)
	}
}

func TestAnEntryThatCantBeReadCountsAsPrivate(t *testing.T) {
	t.Parallel()
	bad := func(tenant, name string, to *destination.Destination) destination.Change {
		return destination.Change{ID: destination.ID{Tenant: tenant, Name: name}, To: to, Unreadable: true}
	}
	plain := destination.NewSet([]*destination.Destination{of("a", "x"), of("b", "x")})
	for name, c := range map[string]struct {
		change     destination.Change
		a, b, gone bool // private a, private b, a/gone unreadable
	}{
		"nothing":              {destination.Change{ID: destination.ID{Tenant: "z", Name: "z"}}, false, false, false},
		"of the tenant":        {bad("a", "gone", nil), true, false, true},
		"its last good one":    {bad("a", "x", of("a", "x")), true, false, false},
		"without a name":       {bad("a", "", nil), true, false, true},
		"of nobody knows whom": {bad("", "", nil), true, true, true},
	} {
		s := plain.With(c.change)
		gone := destination.ID{Tenant: "a", Name: "gone"}
		if s.AnyPrivate("a") != c.a || s.AnyPrivate("b") != c.b || s.Unreadable(gone) != c.gone || s.Len() != 2 {
			t.Errorf("%s: private %t %t, unreadable %t, %d", name, s.AnyPrivate("a"), s.AnyPrivate("b"), s.Unreadable(gone), s.Len())
		}
		if c.change.ID.Tenant == "a" {
			good := destination.Change{ID: c.change.ID, To: c.change.To}
			if s := s.With(good); s.AnyPrivate("a") || s.Unreadable(gone) {
				t.Errorf("%s: mended, and private still", name)
			}
		}
	}
}

func TestADefaultStandsInOnlyForWhoHasNothing(t *testing.T) {
	t.Parallel()
	fallback := of(destination.AnyTenant, "main")
	fallback.PrivacyMode = true
	without := destination.NewSet([]*destination.Destination{fallback, of("own", "x")})
	s := without.WithDefaults().With(destination.Change{ID: destination.ID{Tenant: "bad", Name: "x"}, Unreadable: true})
	if got, want := shown(s, "any", "own", "bad", "_", "a.b"), "any: main; own: x; bad: ; _: main; a.b: "; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if len(without.Of("any")) != 0 {
		t.Error("defaults are used where nobody asked for them")
	}
	id := destination.ID{Tenant: "any", Name: "main"}
	first := s.Get(id)
	if first == nil || first.ID != id || first.Revision() == fallback.Revision() || !s.AnyPrivate("any") || s.Own("any") {
		t.Errorf("got %+v", first)
	}
	if s.With(destination.Change{ID: destination.ID{Tenant: "x", Name: "y"}, To: of("x", "y")}).Get(id) != first {
		t.Error("another's change makes another destination of it")
	}
	renewed := *fallback
	renewed.Paused = true
	if got := s.With(destination.Change{ID: renewed.ID, To: &renewed}).Get(id); got == first || !got.Paused {
		t.Errorf("the default's change does not reach it: %+v", got)
	}
	for i := range 10_000 { // more than are remembered
		if got := s.Of(fmt.Sprintf("t%d", i)); len(got) != 1 {
			t.Fatalf("tenant %d has %d", i, len(got))
		}
	}
	if s.Len() != 2 {
		t.Errorf("%d destinations", s.Len())
	}
}

func TestTheZeroSetCanBeAskedAndChanged(t *testing.T) {
	t.Parallel()
	var none *destination.Set
	if none.Unreadable(destination.ID{}) || none.Own("a") || none.AnyPrivate("a") || none.With().Len() != 0 {
		t.Error("nothing holds something")
	}
	if got := none.With(destination.Change{ID: destination.ID{Tenant: "a", Name: "x"}, To: of("a", "x")}); got.Len() != 1 {
		t.Errorf("%d", got.Len())
	}
}

func BenchmarkOneChange(b *testing.B) {
	for _, tenants := range []int{10, 10_000, 100_000} {
		b.Run(fmt.Sprint(tenants), func(b *testing.B) {
			all := make([]*destination.Destination, tenants)
			for i := range all {
				all[i] = of(fmt.Sprintf("tenant%d", i), "main")
			}
			s := destination.NewSet(all)
			change := destination.Change{ID: all[3].ID, To: of("tenant3", "main")}
			b.ReportAllocs()
			for b.Loop() {
				s = s.With(change)
			}
		})
	}
}

func BenchmarkLookUp(b *testing.B) {
	all := make([]*destination.Destination, 10_000)
	for i := range all {
		all[i] = of(fmt.Sprintf("tenant%d", i), "main")
	}
	s := destination.NewSet(all)
	b.ReportAllocs()
	for b.Loop() {
		s.Of("tenant77")
	}
}
