package registry_test

import (
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hogcast/hogcast/pkg/destination"
	"github.com/hogcast/hogcast/pkg/registry"
	"github.com/hogcast/hogcast/pkg/seal"
)

// standsIn reports whether something stands in for an entry that can't be read.
func standsIn(set *destination.Set, id destination.ID) bool {
	d := set.Get(id)
	return d != nil && d.EntryUnreadable && d.SecretUnreadable && d.APIKey.Empty()
}

// readable is what counts of an entry that can't be read.
type readable struct {
	Enabled, Paused, PrivacyMode, Rules bool
	Sampling                            float64
	Filters                             int
}

func readableOf(d *destination.Destination) readable {
	return readable{d.Enabled, d.Paused, d.PrivacyMode, !d.Privacy.Empty(), d.SamplingRate, len(d.APIKeys.Exclude)}
}

func TestOfAnEntryThatCantBeReadCountsWhatIsCertain(t *testing.T) {
	t.Parallel()
	conn := nats(t)
	k := run(t, registry.KVParams{Conn: conn})
	nothing := readable{Enabled: true, PrivacyMode: true, Sampling: 1}
	for name, c := range map[string]struct {
		entry string // YAML and JSON
		want  readable
	}{
		"a bad endpoint":          {`{"tenant":"acme","name":"main","api_key":"phc_a","endpoint":"ftp://x"}`, readable{Enabled: true, Sampling: 1}},
		"no key":                  {`{"tenant":"acme","name":"main","enabled":false,"sampling_rate":0.5,"api_keys":{"exclude":["k"]}}`, readable{Sampling: 0.5, Filters: 1}},
		"a bad rate":              {`{"tenant":"acme","name":"main","api_key":"phc_a","sampling_rate":7,"paused":true}`, readable{Enabled: true, Paused: true, Sampling: 1}},
		"private, a bad rate":     {`{"tenant":"acme","name":"main","api_key":"phc_a","sampling_rate":7,"privacy_mode":true}`, readable{Enabled: true, PrivacyMode: true, Sampling: 1}},
		"rules, a bad rate":       {`{"tenant":"acme","name":"main","api_key":"phc_a","max_rate":-7,"privacy":{"redact":["email"]}}`, readable{Enabled: true, Rules: true, Sampling: 1}},
		"bad rules":               {`{"tenant":"acme","name":"main","api_key":"phc_a","privacy":{"redact":["mail"]}}`, nothing},
		"an empty rule":           {`{"tenant":"acme","name":"main","api_key":"phc_a","privacy":{"metadata":{"deny":[""]}}}`, nothing},
		"a bad mode":              {`{"tenant":"acme","name":"main","api_key":"phc_a","privacy_mode":"yess"}`, nothing},
		"bad filters":             {`{"tenant":"acme","name":"main","api_key":"phc_a","api_keys":{"exclude":["a",""]}}`, readable{Enabled: true, Sampling: 1}},
		"an unknown key":          {`{"tenant":"acme","name":"main","api_key":"phc_a","privacy_mod":true,"enabled":false}`, nothing},
		"an unknown key of rules": {`{"tenant":"acme","name":"main","api_key":"phc_a","privacy":{"redacted":["email"]}}`, nothing},
		"a key given twice":       {`{"tenant":"acme","name":"main","api_key":"phc_a","privacy_mode":true,"privacy_mode":false}`, nothing},
	} {
		raw(t, conn, "acme.main", c.entry)
		await(t, name, func() bool {
			return standsIn(k.Current(), main) && readableOf(k.Current().Get(main)) == c.want
		})
		files, err := registry.OpenFiles(registry.FilesParams{Path: write(t, filepath.Join(t.TempDir(), "d.yaml"), "destinations:\n- "+c.entry+"\n")})
		if err != nil {
			t.Fatal(err)
		}
		if !standsIn(files.Current(), main) {
			t.Errorf("%s: nothing stands in for it in a file", name)
			continue
		}
		if diff := cmp.Diff(c.want, readableOf(files.Current().Get(main))); diff != "" {
			t.Errorf("%s, in a file (-want +got):\n%s", name, diff)
		}
	}
	put(t, openStore(t, registry.StoreParams{Conn: conn, AllowPlain: true}), destinationOf("acme", "main"), get(t, openStore(t, registry.StoreParams{Conn: conn, AllowPlain: true}), main).Revision)
	await(t, "the mended entry", func() bool { d := k.Current().Get(main); return !d.EntryUnreadable && !d.SecretUnreadable })
}

func TestABadFilesStandInGoesWhenItIsMendedOrGone(t *testing.T) {
	t.Parallel()
	file := write(t, filepath.Join(t.TempDir(), "d.yaml"), "destinations:\n- {tenant: acme, name: main}\n- {tenant: beta, api_key: phc_b}\n")
	var changed []destination.ID
	files, err := registry.OpenFiles(registry.FilesParams{Path: file, OnChange: func(_ *destination.Set, ids []destination.ID) { changed = ids }})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		text           string
		there, standIn bool
		told           int
	}{
		{"- {tenant: acme, name: main}\n- {tenant: beta, api_key: phc_c}", true, true, 1},
		{"- {tenant: acme, name: main, paused: true}\n- {tenant: beta, api_key: phc_c}", true, true, 1},
		{"- {tenant: acme, name: main, api_key: phc_a}\n- {tenant: beta, api_key: phc_c}", true, false, 1},
		{"- {tenant: acme, name: main, paused: true}\n- {tenant: beta, api_key: phc_d}", true, false, 1},
		{"- {tenant: beta, api_key: phc_c}", false, false, 2},
	} {
		changed = nil
		write(t, file, "destinations:\n"+c.text+"\n")
		if err := files.Listed(t.Context()); err != nil {
			t.Fatal(err)
		}
		set := files.Current()
		if (set.Get(main) != nil) != c.there || standsIn(set, main) != c.standIn || len(changed) != c.told {
			t.Errorf("%s: %+v, told of %v", c.text, set.Get(main), changed)
		}
	}
}

func TestABadEntryAfterASealedOneIsHeldByItsRules(t *testing.T) {
	t.Parallel()
	conn := nats(t)
	there := ring(t, "there")
	d := destinationOf("acme", "main")
	d.Privacy.Redact = []destination.Pattern{{Name: "email"}}
	put(t, openStore(t, registry.StoreParams{Conn: conn, Keys: seal.Fixed(there)}), d, 0)
	raw(t, conn, "acme.main", "{")
	k := run(t, registry.KVParams{Conn: conn, Keys: seal.Fixed(ring(t, "other"))})
	got := k.Current().Get(main)
	if got == nil || got.EntryUnreadable || !got.SecretUnreadable || got.PrivacyMode || len(got.Privacy.Redact) != 1 {
		t.Errorf("in force: %+v", got)
	}
	if p := k.Problems(); len(p) != 1 || p[0].LastGood {
		t.Errorf("problems: %+v", p)
	}
}

func TestALastGoodVersionIsDecryptedWhenItsKeyComes(t *testing.T) {
	t.Parallel()
	conn := nats(t)
	line, err := seal.NewKey("k1")
	if err != nil {
		t.Fatal(err)
	}
	other, err := seal.NewKey("k2")
	if err != nil {
		t.Fatal(err)
	}
	file := write(t, filepath.Join(t.TempDir(), "keys"), other)
	keys, err := seal.FromFile(file)
	if err != nil {
		t.Fatal(err)
	}
	there, err := seal.FromText(line)
	if err != nil {
		t.Fatal(err)
	}
	put(t, openStore(t, registry.StoreParams{Conn: conn, Keys: there}), destinationOf("acme", "main"), 0)
	raw(t, conn, "acme.main", "{")
	k := run(t, registry.KVParams{Conn: conn, Keys: keys})
	if got := k.Current().Get(main); got == nil || !got.SecretUnreadable {
		t.Fatalf("in force: %+v", got)
	}
	write(t, file, other+"\n"+line)
	await(t, "the last good version", func() bool { d := k.Current().Get(main); return !d.SecretUnreadable && d.APIKey.Reveal() == key })
}
