package destination_test

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hogcast/hogcast/pkg/destination"
)

func TestEndpointsAreSchemeAndHostAlone(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"": destination.EndpointUS, "us": destination.EndpointUS, "eu": destination.EndpointEU,
		"https://posthog.example.com": "https://posthog.example.com", "https://PostHog.Example.com/": "https://posthog.example.com",
		"http://10.0.0.1:8000": "http://10.0.0.1:8000", "https://[2001:db8::1]:8443": "https://[2001:db8::1]:8443",
	} {
		if got, err := destination.ParseEndpoint(in); err != nil || got != want {
			t.Errorf("%q: got %q, %v; want %q", in, got, err, want)
		}
	}
	for _, in := range []string{
		"posthog.example.com", "posthog.example.com:443", "//posthog.example.com", "ftp://x.example", "file:///etc/passwd", "https://",
		"https://user:SECRET@x.example", "https://SECRET@x.example", "https://x.example/ingest", "https://x.example//", "https://x.example?a=SECRET",
		"https://x.example#f", "https://x.example?", "https://x.example:0", "https://x.example:99999", "https://x.example:",
		"https://x example", "https://x.example\n", "https://exämple.com", "https://[::1", "https://[zz]", "https://[fe80::1%25eth0]", "https://" + strings.Repeat("a", 300), "US", "javascript:alert(1)", "https://x.example\\@evil.example",
	} {
		got, err := destination.ParseEndpoint(in)
		if err == nil {
			t.Errorf("%q was taken as %q", in, got)
		} else if strings.Contains(err.Error(), "SECRET") {
			t.Errorf("%q: the error repeats what may be a secret: %v", in, err)
		}
	}
}

func TestAPIKeysAreJudgedByTheirForm(t *testing.T) {
	t.Parallel()
	for _, key := range []string{"phc_abcdefghijklmnop", "x", strings.Repeat("a", 64)} {
		if err := destination.CheckAPIKey(key); err != nil {
			t.Errorf("%q: %v", key, err)
		}
	}
	for _, key := range []string{"", "phx_SECRET", "phs_SECRET", "phc_SE CRET", " phc_SECRET", "phc_SECRET\n", "phc_SECRÉT", strings.Repeat("S", 65)} {
		if err := destination.CheckAPIKey(key); err == nil || strings.Contains(err.Error(), "SECRET") {
			t.Errorf("%q: got %v", key, err)
		}
	}
}

func TestSecretsShowThemselvesToNobody(t *testing.T) {
	t.Parallel()
	s := destination.NewSecret("phc_0123456789abcdef")
	d := destination.Destination{APIKey: s}
	encoded, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	for _, shown := range []string{fmt.Sprint(s), fmt.Sprintf("%v %+v %#v %s %q", d, d, d, s, s), string(encoded), d.Revision()} {
		if strings.Contains(shown, "0123456789") {
			t.Errorf("shown: %s", shown)
		}
	}
	if got, want := s.Masked(), "phc_01…cdef"; got != want {
		t.Errorf("masked: got %q, want %q", got, want)
	}
	if got := destination.NewSecret("phc_short").Masked(); strings.Contains(got, "short") {
		t.Errorf("masked: %q", got)
	}
}

func TestValidateNamesEveryKeyThatIsWrong(t *testing.T) {
	t.Parallel()
	d := destination.Destination{
		ID: destination.ID{Tenant: "a.b", Name: ""}, Protocol: "v2", SamplingRate: 0,
		MaxRate: -1, MaxConcurrency: -1, HoldMax: time.Second,
	}
	err := d.Validate()
	for _, key := range []string{"tenant:", "name:", "protocol:", "sampling_rate:", "max_rate:", "max_concurrency:", "hold_max:"} {
		if err == nil || !strings.Contains(err.Error(), key) {
			t.Errorf("%s is not named: %v", key, err)
		}
	}
	good := destination.Destination{ID: destination.ID{Tenant: "a", Name: "b"}, Protocol: destination.Auto, SamplingRate: 1}
	if err := good.Validate(); err != nil {
		t.Error(err)
	}
	good.MaxRate, good.MaxConcurrency, good.HoldMax = 0.5, 1, time.Minute
	if err := good.Validate(); err != nil {
		t.Error(err)
	}
	for _, rate := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
		good.MaxRate = rate
		if good.Validate() == nil {
			t.Errorf("a rate of %g was taken", rate)
		}
	}
}

func TestRevisionChangesWithEverySetting(t *testing.T) {
	t.Parallel()
	base := destination.Destination{ID: destination.ID{Tenant: "a", Name: "b"}, Enabled: true, SamplingRate: 1, Protocol: destination.Auto}
	seen := map[string]bool{base.Revision(): true}
	for _, change := range []func(*destination.Destination){
		func(d *destination.Destination) { d.APIKey = destination.NewSecret("k") }, func(d *destination.Destination) { d.Endpoint = "https://x" },
		func(d *destination.Destination) { d.PrivacyMode = true }, func(d *destination.Destination) { d.Paused = true },
		func(d *destination.Destination) { d.SamplingRate = 0.5 }, func(d *destination.Destination) { d.APIKeys.Include = []string{"x"} },
		func(d *destination.Destination) { d.APIKeys.Exclude = []string{"x"} }, func(d *destination.Destination) { d.MaxRate = 1 },
		func(d *destination.Destination) { d.MaxConcurrency = 1 }, func(d *destination.Destination) { d.HoldMax = time.Hour },
	} {
		d := base
		change(&d)
		if seen[d.Revision()] {
			t.Errorf("%+v has a revision that another has", d)
		}
		seen[d.Revision()] = true
	}
}

func TestASetIsASnapshotByTenant(t *testing.T) {
	t.Parallel()
	one := &destination.Destination{ID: destination.ID{Tenant: "a", Name: "x"}}
	two := &destination.Destination{ID: destination.ID{Tenant: "a", Name: "y"}, PrivacyMode: true}
	again := &destination.Destination{ID: destination.ID{Tenant: "a", Name: "x"}}
	s := destination.NewSet([]*destination.Destination{one, two, again})
	if got := s.Of("a"); len(got) != 2 || got[0] != again || got[1] != two || s.Len() != 2 {
		t.Errorf("got %v", got)
	}
	if got := slices.Collect(s.All()); !slices.Equal(got, []*destination.Destination{again, two}) {
		t.Errorf("all: %v", got)
	}
	for range s.All() {
		break
	}
	if s.Get(one.ID) != again || s.Get(two.ID) != two || s.Get(destination.ID{Tenant: "a", Name: "z"}) != nil {
		t.Error("a destination was not found by its ID, or one that is not there was")
	}
	var none *destination.Set
	if none.Get(one.ID) != nil || len(slices.Collect(none.All())) != 0 {
		t.Error("a nil set holds something")
	}
	if none.Of("a") != nil || none.Len() != 0 || !s.AnyPrivate("a") || s.AnyPrivate("b") {
		t.Error("nil or foreign tenants have destinations")
	}
}
