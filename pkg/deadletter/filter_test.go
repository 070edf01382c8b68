package deadletter_test

import (
	"testing"
	"time"

	"github.com/hogcast/hogcast/pkg/deadletter"
)

func TestFiltersRefuseWildcardsAndUnknownReasons(t *testing.T) {
	t.Parallel()
	now := time.Now()
	for _, f := range []deadletter.Filter{
		{Tenant: "*"}, {Destination: "a.b"}, {Reason: "because"}, {Tenant: ">"}, {Since: now, Until: now},
	} {
		if err := f.Validate(); err == nil {
			t.Errorf("%+v was taken", f)
		}
	}
	for _, f := range []deadletter.Filter{{}, {Tenant: "_"}, {Destination: "main", Reason: "dropped"}} {
		if err := f.Validate(); err != nil {
			t.Errorf("%+v: %v", f, err)
		}
	}
}

func TestFiltersOverlapWhereALetterCanMatchBoth(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		a, b deadletter.Filter
		want bool
	}{
		"all and one tenant":           {deadletter.Filter{}, deadletter.Filter{Tenant: "acme"}, true},
		"two tenants":                  {deadletter.Filter{Tenant: "beta"}, deadletter.Filter{Tenant: "acme"}, false},
		"a tenant and a reason":        {deadletter.Filter{Tenant: "acme"}, deadletter.Filter{Reason: "dropped"}, true},
		"two reasons of one tenant":    {deadletter.Filter{Tenant: "acme", Reason: "poison"}, deadletter.Filter{Tenant: "acme", Reason: "dropped"}, false},
		"one subject by other details": {deadletter.Filter{Tenant: "acme", Text: "a"}, deadletter.Filter{Tenant: "acme", Text: "b"}, true},
	} {
		if got := tt.a.Overlaps(tt.b); got != tt.want || tt.b.Overlaps(tt.a) != tt.want {
			t.Errorf("%s: got %t", name, got)
		}
	}
}

func TestAFilterIsToldAsTheFlagsThatMakeIt(t *testing.T) {
	t.Parallel()
	f := deadletter.Filter{Tenant: "acme", Text: "no such", Since: time.Unix(0, 0)}
	if got, want := f.String(), `--tenant acme --text "no such" --since 1970-01-01T00:00:00Z`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got := (deadletter.Filter{}).String(); got != "--all" {
		t.Errorf("all: got %s", got)
	}
}
