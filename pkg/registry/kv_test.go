package registry_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/hogcast/hogcast/pkg/destination"
	"github.com/hogcast/hogcast/pkg/queue"
	"github.com/hogcast/hogcast/pkg/registry"
	"github.com/hogcast/hogcast/pkg/seal"
)

// run opens a registry in the bucket and runs it until the test ends.
func run(t *testing.T, p registry.KVParams) *registry.KV {
	t.Helper()
	k, stop := runUntil(t, p)
	t.Cleanup(stop)
	return k
}

func runUntil(t *testing.T, p registry.KVParams) (k *registry.KV, stop func()) {
	t.Helper()
	k, err := registry.OpenKV(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); k.Run(ctx) }()
	listed, over := context.WithTimeout(t.Context(), 20*time.Second)
	defer over()
	if err := k.Listed(listed); err != nil {
		t.Fatal(err)
	}
	return k, func() { cancel(); <-done }
}

// raw writes an entry by other means.
func raw(t *testing.T, conn *queue.Conn, key, value string) {
	t.Helper()
	if err := bucketOf(t, conn).Set(t.Context(), key, []byte(value)); err != nil {
		t.Fatal(err)
	}
}

func bucketOf(t *testing.T, conn *queue.Conn) *queue.Bucket {
	t.Helper()
	bucket, err := conn.Bucket(t.Context(), queue.BucketDestinations)
	if err != nil {
		t.Fatal(err)
	}
	return bucket
}

var main = destination.ID{Tenant: "acme", Name: "main"}

func TestAChangeIsInForceOnEveryWorkerWithinAMoment(t *testing.T) {
	t.Parallel()
	conn := nats(t)
	keys := seal.Fixed(ring(t, "k1"))
	s := openStore(t, registry.StoreParams{Conn: conn, Keys: keys})
	d := destinationOf("acme", "main")
	first := put(t, s, d, 0)

	var mu sync.Mutex
	var told []string
	workers := make([]*registry.KV, 3)
	for i := range workers {
		p := registry.KVParams{Conn: conn, Keys: keys}
		if i == 0 {
			p.OnChange = func(now *destination.Set, changed []destination.ID) {
				mu.Lock()
				defer mu.Unlock()
				for _, id := range changed {
					told = append(told, fmt.Sprintf("%s %t", id, now.Get(id) != nil))
				}
			}
		}
		workers[i] = run(t, p)
		if got := workers[i].Current().Get(main); got == nil || got.APIKey.Reveal() != key {
			t.Fatalf("the first list lacks it: %+v", got)
		}
	}
	everywhere := func(what string, holds func(*destination.Destination) bool) {
		t.Helper()
		began := time.Now()
		for _, k := range workers {
			await(t, what, func() bool { return holds(k.Current().Get(main)) })
		}
		if took := time.Since(began); took > 2*time.Second {
			t.Errorf("%s took %s", what, took)
		}
	}
	d.PrivacyMode = true
	second := put(t, s, d, first.Revision)
	everywhere("a change", func(d *destination.Destination) bool { return d.PrivacyMode })
	if err := s.Delete(t.Context(), registry.Delete{ID: main, Expect: second.Revision, By: "ann"}); err != nil {
		t.Fatal(err)
	}
	everywhere("a deletion", func(d *destination.Destination) bool { return d == nil })
	put(t, s, d, 0)
	everywhere("a creation", func(d *destination.Destination) bool { return d != nil })
	want := "acme.main true, acme.main true, acme.main false, acme.main true"
	await(t, "the changes, once each", func() bool {
		mu.Lock()
		defer mu.Unlock()
		return strings.Join(told, ", ") == want
	})
}

func TestABadEntryCondemnsItselfAlone(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ key, value, want string }{
		"no JSON":               {"acme.main", `{"api_key": `, "not JSON"},
		"no JSON in it":         {"acme.main", `{"tenant":"acme"} {}`, "not JSON: at byte 1"},
		"no object":             {"acme.main", `["SECRET"]`, "not a mapping"},
		"an unknown key":        {"acme.main", `{"api_key":"phc_a","colour":"red"}`, "colour: unknown key"},
		"a key of a terminal":   {"acme.main", `{"api_key":"phc_a","\u001b[2J":1}`, `"\x1b[2J": unknown key`},
		"a key without an end":  {"acme.main", `{"` + strings.Repeat("k", 5000) + `":1}`, strings.Repeat("k", 64) + `…": unknown key`},
		"a key given twice":     {"acme.main", `{"api_key":"phc_a","api_key":"SECRET"}`, "given twice"},
		"another's entry":       {"acme.main", `{"tenant":"beta","name":"main","api_key":"phc_a"}`, "not those of its key"},
		"no API key":            {"acme.main", `{"tenant":"acme","name":"main"}`, "api_key: missing"},
		"a bad API key":         {"acme.main", `{"api_key":"phx_SECRET"}`, "a personal API key"},
		"a mask":                {"acme.main", `{"api_key":"phc_ab…wxyz"}`, "mask"},
		"a file of the worker":  {"acme.main", `{"api_key_file":"/etc/passwd"}`, "api_key: a file or variable"},
		"a variable":            {"acme.main", `{"api_key_env":"HOME"}`, "api_key: a file or variable"},
		"a CA file":             {"acme.main", `{"api_key":"phc_a","ca_file":"/etc/passwd"}`, "ca: a file or variable"},
		"a bad endpoint":        {"acme.main", `{"api_key":"phc_a","endpoint":"http://u:SECRET@x"}`, "endpoint: holds user info"},
		"nested too deep":       {"acme.main", strings.Repeat(`{"a":`, 1000) + "1" + strings.Repeat("}", 1000), "not JSON"},
		"a key that is no name": {"acme.main.old", `{"api_key":"phc_a"}`, "not <tenant>.<destination>"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conn := nats(t)
			core, logs := observer.New(zap.WarnLevel)
			k := run(t, registry.KVParams{Conn: conn, Logger: zap.New(core)})
			raw(t, conn, c.key, c.value)
			raw(t, conn, "beta.main", `{"api_key":"phc_b"}`)
			await(t, "another's entry", func() bool { return k.Current().Get(destination.ID{Tenant: "beta", Name: "main"}) != nil })
			problems := k.Problems()
			if len(problems) != 1 || !strings.Contains(problems[0].Problem, c.want) || problems[0].LastGood {
				t.Errorf("problems = %+v, want %q", problems, c.want)
			}
			set := k.Current()
			if named := c.key == main.String(); named != standsIn(set, main) || len(set.Of("acme")) > 1 || !set.AnyPrivate("acme") || set.AnyPrivate("beta") {
				t.Errorf("in force: %v, private %t, other private %t", set.Of("acme"), set.AnyPrivate("acme"), set.AnyPrivate("beta"))
			}
			if n := logs.FilterMessage("a destination in the bucket is bad").Len(); n != 1 {
				t.Errorf("told %d times", n)
			}
			for _, entry := range logs.All() {
				if strings.Contains(fmt.Sprint(entry.Message, entry.ContextMap()), "SECRET") {
					t.Errorf("a secret in the log: %v", entry.ContextMap())
				}
			}
			if err := bucketOf(t, conn).Delete(t.Context(), c.key, 0); err != nil {
				t.Fatal(err)
			}
			await(t, "the problem's end", func() bool { return len(k.Problems()) == 0 && !k.Current().AnyPrivate("acme") })
		})
	}
}

func TestABadEntryLeavesTheLastGoodOneInForceAlsoAfterARestart(t *testing.T) {
	t.Parallel()
	conn := nats(t)
	s := openStore(t, registry.StoreParams{Conn: conn, AllowPlain: true})
	put(t, s, destinationOf("acme", "main"), 0)
	running := run(t, registry.KVParams{Conn: conn})
	raw(t, conn, "acme.main", `{"api_key":"phc_a","privacy_mod":true}`)
	await(t, "the problem", func() bool { return len(running.Problems()) == 1 })
	started := run(t, registry.KVParams{Conn: conn})
	for name, k := range map[string]*registry.KV{"running": running, "started": started} {
		await(t, name+": the last good version", func() bool { return k.Current().Get(main) != nil })
		if got := k.Current(); got.Get(main).APIKey.Reveal() != key || !got.AnyPrivate("acme") || !k.Problems()[0].LastGood {
			t.Errorf("%s: %+v, %+v", name, got.Get(main), k.Problems())
		}
	}
	bad := get(t, s, main)
	if bad.Problem == nil {
		t.Error("the store says nothing of it")
	}
	put(t, s, destinationOf("acme", "main"), bad.Revision)
	await(t, "the mended entry", func() bool { return len(running.Problems()) == 0 && !running.Current().AnyPrivate("acme") })
}

func TestADeletedVersionIsNoLastGoodOne(t *testing.T) {
	t.Parallel()
	conn := nats(t)
	s := openStore(t, registry.StoreParams{Conn: conn, AllowPlain: true})
	first := put(t, s, destinationOf("acme", "main"), 0)
	if err := s.Delete(t.Context(), registry.Delete{ID: main, Expect: first.Revision, By: "ann"}); err != nil {
		t.Fatal(err)
	}
	raw(t, conn, "acme.main", `{"api_key":`)
	k := run(t, registry.KVParams{Conn: conn})
	if got := k.Current().Get(main); !standsIn(k.Current(), main) || !got.PrivacyMode {
		t.Errorf("in force: %+v", got)
	}
	if !k.Current().Unreadable(main) {
		t.Error("it counts as gone")
	}
}

func TestAKeyThatCantBeDecryptedKeepsTheLastGoodOne(t *testing.T) {
	t.Parallel()
	conn := nats(t)
	old, newer := ring(t, "old"), ring(t, "new")
	d := destinationOf("acme", "main")
	first := put(t, openStore(t, registry.StoreParams{Conn: conn, Keys: seal.Fixed(old)}), d, 0)
	k := run(t, registry.KVParams{Conn: conn, Keys: seal.Fixed(old)})

	changed := *d
	changed.APIKey, changed.PrivacyMode, changed.Endpoint = destination.NewSecret("phc_another"), true, destination.EndpointEU
	put(t, openStore(t, registry.StoreParams{Conn: conn, Keys: seal.Fixed(newer)}), &changed, first.Revision)
	await(t, "the problem", func() bool { return len(k.Problems()) == 1 && k.Current().Get(main).PrivacyMode })
	got := k.Current().Get(main)
	if got.APIKey.Reveal() != key || got.Endpoint != destination.EndpointUS || got.SecretUnreadable {
		t.Errorf("where to and with which key is not the last good one's: %+v", got)
	}
	if p := k.Problems()[0]; !p.LastGood || !strings.Contains(p.Problem, `unknown master key "new"`) {
		t.Errorf("problem %+v", p)
	}
	started := run(t, registry.KVParams{Conn: conn, Keys: seal.Fixed(old)})
	await(t, "the last good one after a restart", func() bool {
		d := started.Current().Get(main)
		return d.APIKey.Reveal() == key && d.PrivacyMode && !d.SecretUnreadable
	})
}

func TestAKeyThatWasNeverReadableHoldsUntilTheRingHasItsMasterKey(t *testing.T) {
	t.Parallel()
	conn := nats(t)
	lines := ringText(t, "k1", "k2")
	full := full()
	put(t, openStore(t, registry.StoreParams{Conn: conn, Keys: keysOf(t, lines[1])}), full, 0)
	file := t.TempDir() + "/keys"
	write(t, file, lines[0])
	keys, err := seal.FromFile(file)
	if err != nil {
		t.Fatal(err)
	}
	told := make(chan destination.ID, 10)
	k := run(t, registry.KVParams{Conn: conn, Keys: keys, OnChange: func(_ *destination.Set, changed []destination.ID) {
		for _, id := range changed {
			told <- id
		}
	}})
	<-told
	got := k.Current().Get(main)
	if got == nil || !got.SecretUnreadable || !got.APIKey.Empty() {
		t.Fatalf("got %+v", got)
	}
	if got.Privacy.UserHashKey.Empty() || got.Privacy.UserHashKey == full.Privacy.UserHashKey || !got.PrivacyMode || got.SamplingRate != full.SamplingRate {
		t.Errorf("its rules are not kept: %+v", registry.FormOf(got, registry.Revealed))
	}
	write(t, file, lines[0]+"\n"+lines[1])
	if id := <-told; id != main {
		t.Errorf("told of %v", id)
	}
	if got := k.Current().Get(main); got.SecretUnreadable || got.APIKey != full.APIKey || len(k.Problems()) > 0 {
		t.Errorf("got %+v, %v", got, k.Problems())
	}
}

func ringText(t *testing.T, ids ...string) []string {
	t.Helper()
	lines := make([]string, len(ids))
	for i, id := range ids {
		var err error
		if lines[i], err = seal.NewKey(id); err != nil {
			t.Fatal(err)
		}
	}
	return lines
}

func keysOf(t *testing.T, lines ...string) *seal.Keys {
	t.Helper()
	keys, err := seal.FromText(strings.Join(lines, ","))
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

func TestASealedKeyOpensInItsOwnPlaceAlone(t *testing.T) {
	t.Parallel()
	conn := nats(t)
	keys := seal.Fixed(ring(t, "k1"))
	put(t, openStore(t, registry.StoreParams{Conn: conn, Keys: keys}), destinationOf("acme", "main"), 0)
	stolen, err := bucketOf(t, conn).Get(t.Context(), "acme.main")
	if err != nil {
		t.Fatal(err)
	}
	raw(t, conn, "evil.main", strings.Replace(string(stolen.Value), `"acme"`, `"evil"`, 1))
	k := run(t, registry.KVParams{Conn: conn, Keys: keys})
	if got := k.Current().Get(destination.ID{Tenant: "evil", Name: "main"}); got == nil || !got.SecretUnreadable || !got.APIKey.Empty() {
		t.Errorf("another tenant's key was opened: %+v", got)
	}
}

func TestTheDefaultStandsInForTenantsWithoutAnEntry(t *testing.T) {
	t.Parallel()
	conn := nats(t)
	s := openStore(t, registry.StoreParams{Conn: conn, AllowPlain: true})
	put(t, s, destinationOf(destination.AnyTenant, "main"), 0)
	off := run(t, registry.KVParams{Conn: conn})
	if got := off.Current().Of("acme"); len(got) != 0 {
		t.Errorf("off by default, and yet %v", got)
	}
	k := run(t, registry.KVParams{Conn: conn, Defaults: true})
	got := k.Current().Of("acme")
	if len(got) != 1 || got[0].ID != main || k.Current().Get(main) != got[0] || k.Current().Own("acme") {
		t.Fatalf("got %+v", got)
	}
	own := put(t, s, destinationOf("acme", "own"), 0)
	await(t, "its own destination", func() bool { return k.Current().Own("acme") })
	if set := k.Current(); set.Get(main) != nil || len(set.Of("acme")) != 1 || set.Of("acme")[0].Name != "own" {
		t.Errorf("got %+v", set.Of("acme"))
	}
	raw(t, conn, "beta.x", "{")
	await(t, "a bad entry", func() bool { return k.Current().Unreadable(destination.ID{Tenant: "beta", Name: "x"}) })
	if got := k.Current().Of("beta"); len(got) != 1 || !standsIn(k.Current(), got[0].ID) {
		t.Errorf("a tenant whose entry can't be read is sent to the default: %v", got)
	}
	if err := s.Delete(t.Context(), registry.Delete{ID: own.ID, Expect: own.Revision, By: "ann"}); err != nil {
		t.Fatal(err)
	}
	await(t, "the default again", func() bool { return k.Current().Get(main) != nil })
}

func TestAskingFindsWhatTheWatchHasNotToldOf(t *testing.T) {
	t.Parallel()
	conn := nats(t)
	s := openStore(t, registry.StoreParams{Conn: conn, AllowPlain: true})
	k, stop := runUntil(t, registry.KVParams{Conn: conn})
	stop() // its watch tells of nothing any more
	if err := k.Ask(t.Context(), "beta"); err != nil || !k.Asked("beta") || k.Asked("acme") {
		t.Fatalf("%v; asked %t %t", err, k.Asked("beta"), k.Asked("acme"))
	}
	first := put(t, s, destinationOf("acme", "main"), 0)
	if err := k.Ask(t.Context(), "acme"); err != nil {
		t.Fatal(err)
	}
	if k.Current().Get(main) == nil || !k.Asked("acme") {
		t.Error("what was asked for is not in force")
	}
	await(t, "the answer's end", func() bool { return !k.Asked("acme") })
	if err := s.Delete(t.Context(), registry.Delete{ID: main, Expect: first.Revision, By: "ann"}); err != nil {
		t.Fatal(err)
	}
	if err := k.Ask(t.Context(), "acme"); err != nil || k.Current().Get(main) != nil {
		t.Errorf("%v; what is deleted is in force: %v", err, k.Current().Get(main))
	}
	for _, strange := range []string{"", "*", "a.b", ">", "_"} {
		if err := k.Ask(t.Context(), strange); err != nil {
			t.Errorf("%q: %v", strange, err)
		}
	}
}

func TestWithoutAnAnswerNothingIsKnown(t *testing.T) {
	t.Parallel()
	conn := nats(t)
	k, err := registry.OpenKV(t.Context(), registry.KVParams{Conn: conn})
	if err != nil {
		t.Fatal(err)
	}
	if err := k.Ask(t.Context(), "acme"); err == nil || k.Asked("acme") {
		t.Error("an answer before the first list")
	}
	over, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if err := k.Listed(over); err == nil {
		t.Error("listed, and never ran")
	}
}
