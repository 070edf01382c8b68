package privacy_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/hogcast/hogcast/pkg/destination"
	"github.com/hogcast/hogcast/pkg/privacy"
	"github.com/hogcast/hogcast/pkg/record"
)

func named(name string, change func(*destination.Destination)) *destination.Destination {
	d := &destination.Destination{ID: destination.ID{Tenant: "acme", Name: name}}
	change(d)
	return d
}

func TestWhatOneOfATenantsDestinationsForbidsIsLeftOutForAll(t *testing.T) {
	t.Parallel()
	open := named("open", func(*destination.Destination) {})
	mode := named("mode", func(d *destination.Destination) { d.PrivacyMode = true })
	email := named("email", func(d *destination.Destination) { d.Privacy.Redact = []destination.Pattern{{Name: "email"}} })
	own := named("own", func(d *destination.Destination) {
		d.Privacy.Redact = []destination.Pattern{{Name: "t", Expr: "TCK-[0-9]+"}}
	})
	deny := named("deny", func(d *destination.Destination) { d.Privacy.Metadata.Deny = []string{"a"} })
	few := named("few", func(d *destination.Destination) { d.Privacy.Metadata.Allow = []string{"a", "b"} })
	fewer := named("fewer", func(d *destination.Destination) { d.Privacy.Metadata.Allow = []string{"b", "c"} })
	none := named("none", func(d *destination.Destination) { d.Privacy.Metadata.Allow = []string{"d"} })
	hash := named("hash", func(d *destination.Destination) {
		d.Privacy.UserHashKey = destination.NewSecret("sixteen bytes or more")
	})
	const raw = `{"id":"g","tenant":"acme","created_at":"2026-01-02T03:04:05Z","model":"m","user":"u-1","messages":[{"role":"user","content":"secret of a@example.com TCK-12"}],"trace":{"":"key-0","a":"key-a","b":"key-b","c":"key-c"}}`
	for name, c := range map[string]struct {
		all       []*destination.Destination
		has, lost string // words
	}{
		"none":                    {nil, "secret a@example.com TCK-12 key-0 key-a key-b key-c u-1", ""},
		"without rules":           {[]*destination.Destination{open}, "secret a@example.com TCK-12 key-0 key-a u-1", ""},
		"one private":             {[]*destination.Destination{mode, open}, "key-a u-1", "secret"},
		"patterns of two":         {[]*destination.Destination{open, email, own}, "secret [redacted:email] [redacted:t]", "example TCK-12"},
		"deny":                    {[]*destination.Destination{deny, open}, "secret key-b", "key-a"},
		"allow and open":          {[]*destination.Destination{few, open}, "key-a key-b", "key-c key-0"},
		"two allow":               {[]*destination.Destination{few, fewer}, "key-b", "key-a key-c key-0"},
		"two that have no common": {[]*destination.Destination{few, none}, "secret", "key-a key-b key-c key-0"},
		"deny and allow":          {[]*destination.Destination{few, deny}, "key-b", "key-a key-c"},
		"one that hashes":         {[]*destination.Destination{hash}, "secret", "u-1"},
		"two, of which one does":  {[]*destination.Destination{hash, mode}, "u-1", "secret"},
	} {
		rules := privacy.RulesOfAll(c.all)
		r, err := record.Decode([]byte(raw))
		if err != nil {
			t.Fatal(err)
		}
		got := string(privacy.Stored([]byte(raw), r, rules))
		for word := range strings.FieldsSeq(c.has) {
			if !strings.Contains(got, word) {
				t.Errorf("%s: %s is lost: %s", name, word, got)
			}
		}
		for word := range strings.FieldsSeq(c.lost) {
			if strings.Contains(got, word) {
				t.Errorf("%s: %s is left: %s", name, word, got)
			}
		}
		applied := privacy.Applied(rules)
		if !rules.Current(applied) {
			t.Errorf("%s: %v would be applied again", name, applied)
		}
		slices.Reverse(c.all)
		if again := privacy.Applied(privacy.RulesOfAll(c.all)); !slices.Equal(applied, again) {
			t.Errorf("%s: in another order it is %v, not %v", name, again, applied)
		}
	}
}

func TestNamesAreThoseOfTheCompiledRules(t *testing.T) {
	t.Parallel()
	for _, d := range []*destination.Destination{
		named("open", func(*destination.Destination) {}),
		named("mode", func(d *destination.Destination) { d.PrivacyMode = true }),
		named("all", func(d *destination.Destination) {
			d.PrivacyMode, d.Privacy.UserHashKey = true, destination.NewSecret("sixteen bytes or more")
			d.Privacy.Metadata.Deny, d.Privacy.Redact = []string{"a"}, []destination.Pattern{{Name: "card"}}
		}),
	} {
		if got, want := privacy.Names(d), privacy.Applied(privacy.RulesOf(d)); !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", d.Name, got, want)
		}
	}
	if got := privacy.Names(nil); got != nil {
		t.Errorf("of none: %v", got)
	}
}
