package registry_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hogcast/hogcast/pkg/audit"
	"github.com/hogcast/hogcast/pkg/destination"
	"github.com/hogcast/hogcast/pkg/queue"
	"github.com/hogcast/hogcast/pkg/registry"
	"github.com/hogcast/hogcast/pkg/seal"
	"github.com/hogcast/hogcast/test/natstest"
)

// nats is a server that is set up, and a connection to it.
func nats(t *testing.T) *queue.Conn {
	t.Helper()
	return natsOf(t)
}

func natsOf(tb testing.TB) *queue.Conn {
	tb.Helper()
	_, conn := natstest.New(tb)
	return conn
}

// ring makes a ring of new keys with these ids.
func ring(t *testing.T, ids ...string) *seal.Ring {
	t.Helper()
	return ringOf(t, ids...)
}

func ringOf(tb testing.TB, ids ...string) *seal.Ring {
	tb.Helper()
	var text strings.Builder
	for _, id := range ids {
		key, err := seal.NewKey(id)
		if err != nil {
			tb.Fatal(err)
		}
		text.WriteString(key + "\n")
	}
	r, err := seal.ParseRing(text.String())
	if err != nil {
		tb.Fatal(err)
	}
	return r
}

func openStore(t *testing.T, p registry.StoreParams) *registry.Store {
	t.Helper()
	s, err := registry.OpenStore(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func sealedStore(t *testing.T, conn *queue.Conn) *registry.Store {
	t.Helper()
	return openStore(t, registry.StoreParams{Conn: conn, Keys: seal.Fixed(ring(t, "k1"))})
}

const key = "phc_0123456789abcdefghijklmnopqrstuvwxyzABCDEFG"

func destinationOf(tenant, name string) *destination.Destination {
	return &destination.Destination{
		ID: destination.ID{Tenant: tenant, Name: name}, Enabled: true, APIKey: destination.NewSecret(key),
		Endpoint: destination.EndpointUS, Protocol: destination.Auto, SamplingRate: 1,
	}
}

func put(t *testing.T, s *registry.Store, d *destination.Destination, expect uint64) *registry.Stored {
	t.Helper()
	saved, err := s.Put(t.Context(), registry.Put{Destination: d, Expect: expect, By: "ann"})
	if err != nil {
		t.Fatal(err)
	}
	return saved
}

func get(t *testing.T, s *registry.Store, id destination.ID) *registry.Stored {
	t.Helper()
	got, err := s.Get(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func TestWhatIsPutIsReadBackAndSealed(t *testing.T) {
	t.Parallel()
	conn := nats(t)
	s := sealedStore(t, conn)
	d := full()
	saved := put(t, s, d, 0)
	got := get(t, s, d.ID)
	if got.Problem != nil || got.Revision != saved.Revision || got.Meta.By != "ann" || got.Meta.Action != audit.DestinationCreated || got.Plain {
		t.Errorf("got %+v", got)
	}
	if diff := cmp.Diff(registry.FormOf(d, registry.Revealed), registry.FormOf(got.Destination, registry.Revealed)); diff != "" {
		t.Errorf("(-put +got)\n%s", diff)
	}
	bucket, err := conn.Bucket(t.Context(), queue.BucketDestinations)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := bucket.Get(t.Context(), "acme.main")
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{d.APIKey.Reveal(), d.Privacy.UserHashKey.Reveal(), key[:8]} {
		if strings.Contains(string(raw.Value), secret) {
			t.Errorf("a secret is stored in plain: %s", raw.Value)
		}
	}
}

func TestTwoOperatorsCantOverwriteEachOther(t *testing.T) {
	t.Parallel()
	s := sealedStore(t, nats(t))
	d := destinationOf("acme", "main")
	first := put(t, s, d, 0)
	d.Paused = true
	put(t, s, d, first.Revision)

	_, err := s.Put(t.Context(), registry.Put{Destination: d, Expect: first.Revision, By: "bob"})
	var conflict *registry.Conflict
	if !errors.As(err, &conflict) || conflict.By != "ann" || conflict.Expected != first.Revision || conflict.At.IsZero() {
		t.Errorf("got %v", err)
	}
	for _, want := range []string{"changed by ann at 20", "revision"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not tell %q", err, want)
		}
	}
	if _, err := s.Put(t.Context(), registry.Put{Destination: d, By: "bob"}); !errors.Is(err, registry.ErrConflict) {
		t.Errorf("created what there is: %v", err)
	}
	if err := s.Delete(t.Context(), registry.Delete{ID: d.ID, Expect: first.Revision, By: "bob"}); !errors.Is(err, registry.ErrConflict) {
		t.Errorf("deleted what was changed: %v", err)
	}
}

func TestADeletionTellsWhoAndCanBeUndone(t *testing.T) {
	t.Parallel()
	conn := nats(t)
	s := sealedStore(t, conn)
	d := destinationOf("acme", "main")
	first := put(t, s, d, 0)
	if err := s.Delete(t.Context(), registry.Delete{ID: d.ID, Expect: first.Revision, By: "bob", Note: "contract ended"}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Get(t.Context(), d.ID); !errors.Is(err, registry.ErrNotFound) {
		t.Errorf("got %v", err)
	}
	if all, err := s.List(t.Context(), ""); err != nil || len(all) != 0 {
		t.Errorf("listed %v, %v", all, err)
	}
	_, err := s.Put(t.Context(), registry.Put{Destination: d, Expect: first.Revision, By: "ann"})
	if err == nil || !strings.Contains(err.Error(), "deleted by bob") {
		t.Errorf("got %v", err)
	}
	put(t, s, d, 0)
	history, err := s.History(t.Context(), d.ID)
	if err != nil {
		t.Fatal(err)
	}
	var told []string
	for _, h := range history {
		told = append(told, string(h.Meta.Action)+" by "+h.Meta.By)
	}
	want := []string{"destination_created by ann", "destination_deleted by bob", "destination_created by ann"}
	if diff := cmp.Diff(want, told); diff != "" {
		t.Errorf("history (-want +got)\n%s", diff)
	}
}

func TestTheTrailTellsWhoHasChangedWhatAndNoSecret(t *testing.T) {
	t.Parallel()
	conn := nats(t)
	s := sealedStore(t, conn)
	d := full()
	first := put(t, s, d, 0)
	d.PrivacyMode = false
	second := put(t, s, d, first.Revision)
	if err := s.Delete(t.Context(), registry.Delete{ID: d.ID, Expect: second.Revision, By: "bob", Note: "why not"}); err != nil {
		t.Fatal(err)
	}
	var got []audit.Record
	err := audit.New(conn.Log()).Read(t.Context(), audit.Query{Tenant: "acme"}, func(r audit.Record) error {
		got = append(got, r)
		return nil
	})
	if err != nil || len(got) != 3 {
		t.Fatalf("%v: %+v", err, got)
	}
	if got[0].Before != nil || got[0].After == nil || got[2].Before == nil || got[2].After != nil || got[2].By != "bob" || got[2].Note != "why not" {
		t.Errorf("got %+v", got)
	}
	if !strings.Contains(string(got[1].Before), `"privacy_mode":true`) || !strings.Contains(string(got[1].After), `"privacy_mode":false`) {
		t.Errorf("got %s → %s", got[1].Before, got[1].After)
	}
	for _, r := range got {
		for _, secret := range []string{d.APIKey.Reveal(), d.Privacy.UserHashKey.Reveal()} {
			if strings.Contains(string(r.Before)+string(r.After), secret) {
				t.Errorf("a secret is in the trail: %s %s", r.Before, r.After)
			}
		}
	}
}

func TestAMaskedSecretStays(t *testing.T) {
	t.Parallel()
	s := sealedStore(t, nats(t))
	d := full()
	first := put(t, s, d, 0)
	shown, err := registry.YAML(registry.FormOf(get(t, s, d.ID).Destination, registry.Masked))
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(shown), d.APIKey.Reveal()) || strings.Contains(string(shown), d.Privacy.UserHashKey.Reveal()) {
		t.Fatalf("secrets are shown:\n%s", shown)
	}
	parsed, err := registry.ParseUpdates("-", []byte(strings.Replace(string(shown), "paused: true", "paused: false", 1)))
	if err != nil || len(parsed.Problems) > 0 || len(parsed.Destinations) != 1 {
		t.Fatalf("%v %+v", err, parsed)
	}
	second := put(t, s, parsed.Destinations[0], first.Revision)
	got := get(t, s, d.ID).Destination
	if got.APIKey != d.APIKey || got.Privacy.UserHashKey != d.Privacy.UserHashKey || got.Paused {
		t.Errorf("got %+v", registry.FormOf(got, registry.Revealed))
	}
	for name, change := range map[string]func(*destination.Destination){
		"the mask of another key": func(d *destination.Destination) { d.APIKey = destination.NewSecret("phc_xx…yyyy") },
		"a mask of what was never there": func(d *destination.Destination) {
			d.Name, d.APIKey = "new", destination.NewSecret(key[:6]+"…"+"DEFG")
		},
		"no key where none is stored": func(d *destination.Destination) { d.Name, d.APIKey = "new", destination.Secret{} },
		"what looks sealed":           func(d *destination.Destination) { d.APIKey = destination.NewSecret("sealed:v1:a:b") },
		"a personal key":              func(d *destination.Destination) { d.APIKey = destination.NewSecret("phx_0123") },
	} {
		bad := *got
		change(&bad)
		expect := second.Revision
		if bad.Name == "new" {
			expect = 0
		}
		if _, err := s.Put(t.Context(), registry.Put{Destination: &bad, Expect: expect, By: "ann"}); !errors.Is(err, registry.ErrInvalid) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestNamesThatAreNoTokensAreRefusedAtTheDoor(t *testing.T) {
	t.Parallel()
	s := sealedStore(t, nats(t))
	for _, bad := range []string{"", "a.b", "*", ">", "a b", "a\nb", "_", "_x", strings.Repeat("a", 65), "ä"} {
		for _, id := range []destination.ID{{Tenant: "acme", Name: bad}, {Tenant: bad, Name: "main"}} {
			if id.Tenant == destination.AnyTenant {
				continue // the default of all
			}
			d := destinationOf("acme", "main")
			d.ID = id
			if _, err := s.Put(t.Context(), registry.Put{Destination: d, By: "ann"}); !errors.Is(err, registry.ErrInvalid) {
				t.Errorf("put %q: %v", id, err)
			}
			if _, err := s.Get(t.Context(), id); !errors.Is(err, registry.ErrInvalid) {
				t.Errorf("get %q: %v", id, err)
			}
			if err := s.Delete(t.Context(), registry.Delete{ID: id, Expect: 1, By: "ann"}); !errors.Is(err, registry.ErrInvalid) {
				t.Errorf("delete %q: %v", id, err)
			}
			if _, err := s.History(t.Context(), id); !errors.Is(err, registry.ErrInvalid) {
				t.Errorf("history %q: %v", id, err)
			}
		}
	}
	for _, by := range []string{"", "  ", "a\x1b[2Jb", strings.Repeat("a", 129)} {
		if _, err := s.Put(t.Context(), registry.Put{Destination: destinationOf("acme", "main"), By: by}); !errors.Is(err, registry.ErrInvalid) {
			t.Errorf("by %q: %v", by, err)
		}
	}
}

func TestASnapshotIsWhatAWorkerWouldHave(t *testing.T) {
	t.Parallel()
	conn := nats(t)
	s := sealedStore(t, conn)
	put(t, s, destinationOf("acme", "main"), 0)
	put(t, s, destinationOf(destination.AnyTenant, "main"), 0)
	put(t, sealedStore(t, conn), destinationOf("other", "main"), 0) // another master key
	raw(t, conn, "bad.main", "{")
	raw(t, conn, "bad.main.name", "{")
	for _, defaults := range []bool{false, true} {
		set, problems, err := s.Snapshot(t.Context(), defaults)
		if err != nil {
			t.Fatal(err)
		}
		if len(set.Of("acme")) != 1 || (len(set.Of("beta")) > 0) != defaults || !set.Get(destination.ID{Tenant: "other", Name: "main"}).SecretUnreadable {
			t.Errorf("acme %v, beta %v", set.Of("acme"), set.Of("beta"))
		}
		if len(problems) != 3 || !set.AnyPrivate("bad") || len(set.Of("bad")) != 0 {
			t.Errorf("problems %+v", problems)
		}
	}
}

func TestWithoutAKeySecretsAreStoredOnlyWhereThatIsAllowed(t *testing.T) {
	t.Parallel()
	conn := nats(t)
	d := destinationOf("acme", "main")
	none := openStore(t, registry.StoreParams{Conn: conn})
	if _, err := none.Put(t.Context(), registry.Put{Destination: d, By: "ann"}); !errors.Is(err, registry.ErrPlain) {
		t.Errorf("got %v", err)
	}
	put(t, openStore(t, registry.StoreParams{Conn: conn, AllowPlain: true}), d, 0)
	if got := get(t, none, d.ID); !got.Plain || got.Destination.APIKey.Reveal() != key {
		t.Errorf("got %+v", got)
	}
}

func TestOfWhatIsReplayableABadEntryIsItsTenantsTroubleAlone(t *testing.T) {
	t.Parallel()
	conn := nats(t)
	s := sealedStore(t, conn)
	if set, bad, err := s.Replayable(t.Context()); set != nil || bad != nil || err != nil {
		t.Errorf("of an empty bucket: %v, %v, %v", set, bad, err)
	}
	hashing := destinationOf("hash", "main")
	hashing.Privacy.UserHashKey = destination.NewSecret("sixteen bytes or more")
	put(t, s, destinationOf("acme", "main"), 0)
	put(t, sealedStore(t, conn), destinationOf("other", "main"), 0) // another master key
	put(t, sealedStore(t, conn), hashing, 0)
	raw(t, conn, "acme.bad", "{")
	set, bad, err := s.Replayable(t.Context())
	if err != nil || len(bad) != 2 {
		t.Fatalf("%v, %v", bad, err)
	}
	for tenant, want := range map[string]struct {
		destinations int
		unreadable   bool
	}{"acme": {1, true}, "other": {1, false}, "hash": {0, true}, "nobody": {}} {
		if got := len(set.Of(tenant)); got != want.destinations || set.AnyUnreadable(tenant) != want.unreadable {
			t.Errorf("%s: %d destinations, unreadable %t", tenant, got, set.AnyUnreadable(tenant))
		}
	}
}
