package destination_test

import (
	"strings"
	"testing"

	"github.com/hogcast/hogcast/pkg/destination"
)

func valid() destination.Destination {
	return destination.Destination{
		ID: destination.ID{Tenant: "acme", Name: "main"}, Protocol: destination.Auto,
		Endpoint: destination.EndpointUS, SamplingRate: 1,
	}
}

func TestPrivacyRulesAreJudgedWithoutRepeatingThem(t *testing.T) {
	t.Parallel()
	for want, rules := range map[string]destination.Rules{
		"":                     {Redact: []destination.Pattern{{Name: "email"}, {Name: "card"}, {Name: "ticket", Expr: `T-\d+`}}},
		"given twice":          {Redact: []destination.Pattern{{Name: "email"}, {Name: "email"}}},
		"none of the built-in": {Redact: []destination.Pattern{{Name: "iban"}}},
		"built in":             {Redact: []destination.Pattern{{Name: "email", Expr: "x"}}},
		"RE2":                  {Redact: []destination.Pattern{{Name: "own", Expr: "SECRET("}}},
		"empty string":         {Redact: []destination.Pattern{{Name: "own", Expr: "(SECRET)*"}}},
		"repeat counts":        {Redact: []destination.Pattern{{Name: "own", Expr: "(SECRET){900}"}}},
		"a–z":                  {Redact: []destination.Pattern{{Name: "Own Name", Expr: "x"}}},
		"can be guessed":       {UserHashKey: destination.NewSecret("SECRET")},
		"at most 1000":         {Metadata: destination.MetadataFilter{Deny: make([]string, 1001)}},
	} {
		d := valid()
		d.Privacy = rules
		err := d.Validate()
		switch {
		case want == "" && err != nil:
			t.Errorf("good rules refused: %v", err)
		case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("%s: got %v", want, err)
		case err != nil && strings.Contains(err.Error(), "SECRET"):
			t.Errorf("%s: the error repeats the rule: %v", want, err)
		}
	}
}

func TestARegionIsPinnedToItsOwnCloud(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		endpoint string
		region   destination.Region
		good     bool
	}{
		{destination.EndpointUS, destination.RegionUS, true},
		{destination.EndpointEU, destination.RegionEU, true},
		{destination.EndpointEU, destination.RegionUS, false},
		{destination.EndpointUS, destination.RegionEU, false},
		{"https://eu.i.posthog.com.", destination.RegionUS, false},
		{"https://posthog.example.com", destination.RegionUS, false},
		{destination.EndpointUS, "mars", false},
	} {
		d := valid()
		d.Endpoint, d.Region = c.endpoint, c.region
		if err := d.Validate(); (err == nil) != c.good {
			t.Errorf("%s pinned to %q: %v", c.endpoint, c.region, err)
		}
	}
}

func TestEachRuleMakesAnotherRevision(t *testing.T) {
	t.Parallel()
	plain := valid()
	seen := map[string]string{plain.Revision(): "plain"}
	for name, change := range map[string]func(*destination.Destination){
		"region":  func(d *destination.Destination) { d.Region = destination.RegionUS },
		"ca":      func(d *destination.Destination) { d.CA = "x" },
		"allow":   func(d *destination.Destination) { d.Privacy.Metadata.Allow = []string{"a"} },
		"deny":    func(d *destination.Destination) { d.Privacy.Metadata.Deny = []string{"a"} },
		"hash":    func(d *destination.Destination) { d.Privacy.UserHashKey = destination.NewSecret("k") },
		"pattern": func(d *destination.Destination) { d.Privacy.Redact = []destination.Pattern{{Name: "email"}} },
	} {
		d := valid()
		change(&d)
		if other, ok := seen[d.Revision()]; ok {
			t.Errorf("%s has the revision of %s", name, other)
		}
		seen[d.Revision()] = name
	}
}
