package registry_test

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hogcast/hogcast/pkg/destination"
	"github.com/hogcast/hogcast/pkg/registry"
)

// full is a destination with everything that can be said.
func full() *destination.Destination {
	d := destinationOf("acme", "main")
	d.Paused, d.Endpoint, d.Region, d.Protocol = true, destination.EndpointEU, destination.RegionEU, destination.V1
	d.PrivacyMode, d.SamplingRate, d.SampleErrors = true, 0.25, true
	d.Privacy = destination.Rules{
		Metadata:    destination.MetadataFilter{Allow: []string{"feature"}, Deny: []string{"email"}},
		UserHashKey: destination.NewSecret("a key of thirty-two characters.."),
		Redact:      []destination.Pattern{{Name: "email"}, {Name: "ticket", Expr: `T-\d+`}},
	}
	d.APIKeys = destination.KeyFilter{Include: []string{"a", "b"}, Exclude: []string{"c"}}
	d.MaxRate, d.MaxConcurrency, d.HoldMax = 0.5, 4, 90*time.Minute
	return d
}

// back reads what was rendered.
func back(t *testing.T, text string) *destination.Destination {
	t.Helper()
	got, err := registry.ParseUpdates("-", []byte(text))
	if err != nil || len(got.Problems) > 0 || len(got.Destinations) != 1 {
		t.Fatalf("%v %+v\n%s", err, got, text)
	}
	return got.Destinations[0]
}

func rendered(t *testing.T, d *destination.Destination, secrets registry.Secrets) (inYAML, inJSON string) {
	t.Helper()
	form := registry.FormOf(d, secrets)
	y, err := registry.YAML(form)
	if err != nil {
		t.Fatal(err)
	}
	j, err := form.JSON("  ")
	if err != nil {
		t.Fatal(err)
	}
	return string(y), string(j)
}

func TestWhatIsRenderedIsReadBackAsItWas(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*destination.Destination){
		"everything":     func(*destination.Destination) {},
		"disabled":       func(d *destination.Destination) { d.Enabled, d.Paused = false, false },
		"self-hosted":    func(d *destination.Destination) { d.Endpoint, d.Region = "https://posthog.example.com:8443", "" },
		"no rules":       func(d *destination.Destination) { d.Privacy, d.APIKeys = destination.Rules{}, destination.KeyFilter{} },
		"odd keys":       func(d *destination.Destination) { d.APIKeys.Include = []string{"yes", "1", "~", "a: b", "ä\n", " x "} },
		"an odd pattern": func(d *destination.Destination) { d.Privacy.Redact[1].Expr = `"[<>&'\\]+ #` },
		"an odd hash key": func(d *destination.Destination) {
			d.Privacy.UserHashKey = destination.NewSecret("null: \"…\\\n   trailing")
		},
		"a key that is null": func(d *destination.Destination) { d.APIKey = destination.NewSecret("null") },
		"a tenant of digits": func(d *destination.Destination) { d.Tenant, d.Name = "007", "1e3" },
		"odd times":          func(d *destination.Destination) { d.HoldMax = 72*time.Hour + 10*time.Second + 5 },
		"days":               func(d *destination.Destination) { d.HoldMax = 72 * time.Hour },
		"small numbers":      func(d *destination.Destination) { d.SamplingRate, d.MaxRate = 0.0001, 1e-9 },
		"large numbers":      func(d *destination.Destination) { d.MaxRate, d.MaxConcurrency = 1e21, 1<<31 },
	} {
		d := full()
		change(d)
		for _, text := range pair(rendered(t, d, registry.Revealed)) {
			got := back(t, text)
			if got.Revision() != d.Revision() {
				t.Errorf("%s: (-was +read)\n%s\n%s", name, cmp.Diff(registry.FormOf(d, registry.Revealed), registry.FormOf(got, registry.Revealed)), text)
			}
		}
	}
}

func pair(a, b string) []string { return []string{a, b} }

func TestAMaskedFormShowsNoSecret(t *testing.T) {
	t.Parallel()
	d := full()
	for _, text := range pair(rendered(t, d, registry.Masked)) {
		for _, secret := range []string{d.APIKey.Reveal(), d.Privacy.UserHashKey.Reveal(), "thirty-two"} {
			if strings.Contains(text, secret) {
				t.Errorf("shown:\n%s", text)
			}
		}
		if !strings.Contains(text, "phc_01…DEFG") {
			t.Errorf("not to be recognised:\n%s", text)
		}
	}
	if got, err := registry.Load(write(t, filepath.Join(t.TempDir(), "d.yaml"), first(rendered(t, d, registry.Masked)))); err != nil || len(got.Destinations) != 0 || !strings.Contains(got.Problems[0].Text, "mask") {
		t.Errorf("a worker takes a mask for a key: %v %+v", err, got)
	}
}

func first(a, _ string) string { return a }

func TestAFileOfNoDestinationsIsRenderedAsSuch(t *testing.T) {
	t.Parallel()
	text, err := registry.YAML()
	if err != nil || string(text) != "destinations: []\n" {
		t.Errorf("%q, %v", text, err)
	}
}

func TestEntriesComeAsYAMLAndJSONAloneAndInLists(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int{
		"tenant: a\napi_key: phc_a\n":                                   1,
		"- {tenant: a, api_key: phc_a}\n- {tenant: b}\n":                2,
		"destinations:\n- {tenant: a}\n":                                1,
		`{"tenant":"a","api_key":"phc_a"}`:                              1,
		`[{"tenant":"a"},{"tenant":"b"}]`:                               2,
		`{"destinations":[{"tenant":"a"}]}`:                             1,
		`{"tenant":"a","api_keys":{"include":["\ud83d\ude00","a\/b"]}}`: 1,
		`{tenant: a, api_key: phc_a}`:                                   1,
	} {
		got, err := registry.ParseUpdates("-", []byte(text))
		if err != nil || len(got.Problems) > 0 || len(got.Destinations) != want {
			t.Errorf("%s: %v %+v", text, err, got)
		}
	}
	for _, text := range []string{"", "just text", "{}", "5", `{"tenant":"a"} {"tenant":"b"}`, "tenant: a\n---\ntenant: b\n"} {
		if got, err := registry.ParseUpdates("-", []byte(text)); err == nil && len(got.Problems) == 0 {
			t.Errorf("%q: %+v", text, got)
		}
	}
}

// FuzzEntry: whatever is read without a problem is rendered and read back as it
// was, and no problem repeats a secret.
func FuzzEntry(f *testing.F) {
	f.Add([]byte("tenant: acme\napi_key: phc_a\nprivacy: {redact: [email, {name: t, pattern: 'T-\\d+'}], user_hash_key: 0123456789abcdef}\n"))
	f.Add([]byte(`{"tenant":"acme","name":"main","api_key":"phc_a","hold_max":"3d","max_rate":1e3,"ca":""}`))
	f.Add([]byte("- {tenant: 007, api_key: phc_a, region: eu, endpoint: eu}"))
	f.Add([]byte("destinations: [{tenant: a, api_key: &k phc_a}, {tenant: b, api_key: *k, api_keys: {include: [yes, ~]}}]"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if strings.Contains(string(data), "_file") {
			t.Skip("reads what is there")
		}
		got, err := registry.ParseUpdates("-", data)
		if err != nil || len(got.Problems) > 0 {
			return
		}
		for _, d := range got.Destinations {
			if d.APIKey.IsMask() || d.Privacy.UserHashKey.IsMask() {
				continue
			}
			for _, text := range pair(rendered(t, d, registry.Revealed)) {
				if again := back(t, text); again.Revision() != d.Revision() {
					t.Errorf("(-was +read)\n%s\n%s", cmp.Diff(registry.FormOf(d, registry.Revealed), registry.FormOf(again, registry.Revealed)), text)
				}
			}
		}
	})
}
