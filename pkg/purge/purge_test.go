package purge_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hogcast/hogcast/pkg/audit"
	"github.com/hogcast/hogcast/pkg/destination"
	"github.com/hogcast/hogcast/pkg/purge"
	"github.com/hogcast/hogcast/pkg/queue"
	"github.com/hogcast/hogcast/pkg/registry"
)

// run runs, and returns the report.
func (w *world) run(t *testing.T, r purge.RunParams) (purge.Report, error) {
	t.Helper()
	var out bytes.Buffer
	r.Conn, r.Trail, r.By, r.JSON, r.Out, r.Notes = w.conn, audit.New(w.conn.Log()), "ann", true, &out, io.Discard
	err := purge.Run(t.Context(), r)
	var report purge.Report
	if err == nil || errors.Is(err, purge.ErrLeft) {
		if err := json.Unmarshal(out.Bytes(), &report); err != nil {
			t.Fatalf("%v: %s", err, out.String())
		}
	}
	return report, err
}

func found(r purge.Report) map[string]uint64 {
	all := map[string]uint64{}
	for _, p := range r.Places {
		if p.Found > 0 {
			all[p.Name] = p.Found
		}
	}
	return all
}

// fill gives a tenant everything that a tenant may have.
func (w *world) fill(t *testing.T, tenant string) {
	t.Helper()
	w.spread(t, tenant, recordOf(tenant, `"u"`))
	keys := masterKeys(t)
	id := destination.ID{Tenant: tenant, Name: "main"}
	w.put(t, keys, id, "", w.put(t, keys, id, "", 0))
	old := destination.ID{Tenant: tenant, Name: "old"}
	revision := w.put(t, keys, old, "", 0)
	store, err := registry.OpenStore(t.Context(), registry.StoreParams{Conn: w.conn, Keys: keys})
	if err != nil {
		t.Fatal(err)
	}
	if err := store.Delete(t.Context(), registry.Delete{ID: old, Expect: revision, By: "ann"}); err != nil {
		t.Fatal(err)
	}
	w.set(t, queue.BucketState, tenant+".main", `{"state":"open"}`)
	w.set(t, queue.BucketJobs, "20260102-"+tenant, `{"kind":"replay","state":"done","filter":{"tenant":"`+tenant+`"}}`)
	w.set(t, queue.BucketJobs, "scrub."+tenant+".main", `{"kind":"scrub","state":"done","tenant":"`+tenant+`"}`)
	if err := w.conn.WakeUp(t.Context(), queue.WakeupSubject(tenant, "main")); err != nil {
		t.Fatal(err)
	}
	window := queue.NewWindow(1 << 20)
	if _, err := w.conn.DrainSource(t.Context(), queue.NewHand(window, 0, nil), window, queue.HeldSubject(tenant, "main")); err != nil {
		t.Fatal(err)
	}
}

func TestAWholeTenantGoesAndItsNeighboursStay(t *testing.T) {
	t.Parallel()
	for _, overwrite := range []bool{false, true} {
		w := newWorld(t)
		w.fill(t, "a")
		w.fill(t, "a-b")
		w.set(t, queue.BucketDestinations, "a.not.a.name", `{}`)
		w.set(t, queue.BucketJobs, "all", `{"kind":"replay","state":"paused","version":1,"filter":{},"cursors":{"a.main":5,"a-b.main":6}}`)
		w.set(t, queue.BucketJobs, "_replays", `[{"id":"1","filter":{"tenant":"a"}},{"id":"2","filter":{"tenant":"a-b"}},{"id":"3","filter":{}}]`)
		before := w.left(t)

		dry, err := w.run(t, purge.RunParams{Params: purge.Params{Tenant: "a", Overwrite: overwrite}, DryRun: true})
		want := map[string]uint64{
			queue.StreamGenerations: 1, queue.StreamHeld: 2, queue.StreamHeldHosts: 2, queue.StreamDead: 2, queue.StreamWakeups: 1,
			strings.Split(shardOf(t, w, "a"), " ")[0]: 1, "HOGCAST_HELD (drains)": 1, "hogcast_jobs (jobs)": 4, "hogcast_state (states)": 1,
			// main twice; old, its last word and its deletion; and what is no name.
			"hogcast_destinations (destinations)": 6,
		}
		if diff := cmp.Diff(want, found(dry)); diff != "" || err != nil {
			t.Fatalf("%v, overwrite %t, found (-want +got):\n%s", err, overwrite, diff)
		}
		if diff := cmp.Diff(before, w.left(t)); diff != "" || len(w.deeds(t)) != 0 {
			t.Errorf("a dry run has changed something:\n%s", diff)
		}

		got, err := w.run(t, purge.RunParams{Params: purge.Params{Tenant: "a", Overwrite: overwrite}})
		if err != nil || got.Total.Erased != dry.Total.Found || got.Total.Left != 0 {
			t.Errorf("overwrite %t: %v, %+v", overwrite, err, got.Total)
		}
		after := w.left(t)
		if ours(after, "a") != 0 || ours(after, "a-b") != ours(before, "a-b") {
			t.Errorf("overwrite %t: left: %v", overwrite, after)
		}
		if kept, err := w.bucket(t, queue.BucketDestinations).Kept(t.Context(), "a-b.*"); err != nil || kept["a-b.main"] != 2 || kept["a-b.old"] != 3 {
			t.Errorf("%v, %v", kept, err)
		}
		jobs := map[string]string{}
		_ = w.bucket(t, queue.BucketJobs).Each(t.Context(), func(e queue.Entry) { jobs[e.Key] = string(e.Value) })
		if diff := cmp.Diff(map[string]string{
			"20260102-a-b": `{"kind":"replay","state":"done","filter":{"tenant":"a-b"}}`, "scrub.a-b.main": `{"kind":"scrub","state":"done","tenant":"a-b"}`,
			"all":      `{"cursors":{"a-b.main":6},"filter":{},"kind":"replay","state":"paused","version":1}`,
			"_replays": `[{"id":"2","filter":{"tenant":"a-b"}},{"id":"3","filter":{}}]`,
		}, jobs); diff != "" {
			t.Errorf("jobs (-want +got):\n%s", diff)
		}
		if drains, err := w.conn.Drains(t.Context(), "a-b"); err != nil || len(drains) != 1 {
			t.Errorf("drains of a-b: %v, %v", drains, err)
		}
		again, err := w.run(t, purge.RunParams{Params: purge.Params{Tenant: "a"}})
		if err != nil || again.Total != (purge.Tally{}) {
			t.Errorf("again: %v, %+v", err, again)
		}
		deeds := w.deeds(t)
		if len(deeds) != 2 || deeds[0].Tenant != "a" || deeds[0].By != "ann" || !strings.Contains(deeds[0].Note, "everything of the tenant: 21 erased (") {
			t.Errorf("audit: %+v", deeds)
		}
	}
}

// shardOf is the stream that has the tenant's sharded records.
func shardOf(t *testing.T, w *world, tenant string) string {
	t.Helper()
	for shard := range 3 {
		counts, err := w.conn.CountBySubject(t.Context(), queue.ShardStream(shard), queue.ShardSubject(tenant, 3))
		if err != nil {
			t.Fatal(err)
		}
		if len(counts) > 0 {
			return queue.ShardStream(shard)
		}
	}
	t.Fatal("no shard has it")
	return ""
}

func TestARunningJobOfAllTenantsIsLeftAndTold(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.set(t, queue.BucketJobs, "all", `{"kind":"replay","state":"running","filter":{},"cursors":{"a.main":5}}`)
	got, err := w.run(t, purge.RunParams{Params: purge.Params{Tenant: "a"}})
	if !errors.Is(err, purge.ErrLeft) || got.Total.Found != 1 || got.Total.Erased != 0 || got.Total.Left != 1 {
		t.Errorf("%v, %+v", err, got.Total)
	}
}

func TestOneUsersRecordsGoAndTheOthersStay(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, tenant := range []string{"a", "a-b"} {
		for _, user := range []string{`"7"`, `7`, `"u\u0037"`, `"u7"`, `"77"`, `null`} {
			w.spread(t, tenant, recordOf(tenant, user))
		}
	}
	before := w.left(t)
	for user, want := range map[string]uint64{"7": 16, "u7": 16, "nobody": 0} {
		dry, err := w.run(t, purge.RunParams{Params: purge.Params{Tenant: "a", User: user}, DryRun: true})
		if err != nil || dry.Total.Found != want || dry.Total.Unreadable != 0 {
			t.Errorf("%s: %v, %+v", user, err, dry.Total)
		}
	}
	got, err := w.run(t, purge.RunParams{Params: purge.Params{Tenant: "a", User: "7"}})
	if err != nil || got.Total.Found != 16 || got.Total.Erased != 16 || got.Total.Left != 0 {
		t.Errorf("%v, %+v", err, got.Total)
	}
	after := w.left(t)
	generations, enveloped := everywhere("a")
	for _, subject := range append(generations, enveloped...) {
		if before[subject] != 6 || after[subject] != 4 {
			t.Errorf("%s: %d before, %d after", subject, before[subject], after[subject])
		}
	}
	if ours(before, "a-b") != ours(after, "a-b") {
		t.Errorf("records of a-b went: %v", after)
	}
	deeds := w.deeds(t)
	if len(deeds) != 1 || !strings.Contains(deeds[0].Note, purge.UserMark("a", "7")+": 16 erased") {
		t.Errorf("audit: %+v", deeds)
	}
}

func TestWhatCantBeReadIsCountedAndErasedOnlyWhenAsked(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.publish(t, queue.GenerationSubject("a"), nil, recordOf("a", `"u"`))
	for _, body := range []string{"", "oops", `{"user":{"id":"u"}}`, `{"user":"u"`} {
		w.publish(t, queue.GenerationSubject("a"), nil, body)
	}
	// Malformed, but whose it is can be told.
	w.keep(t, queue.DeadSubject("a", "", "malformed"), `{"created_at":"never","user":"u"}`)
	w.keep(t, queue.DeadSubject("a", "", "malformed"), `{"created_at":"never","user":"v"}`)
	w.publish(t, queue.HeldSubject("a", "main"), map[string][]string{"Hogcast-Envelope": {"99"}}, recordOf("a", `"u"`)) // another version's
	w.publish(t, queue.DeadSubject("a", "", "too_large_to_keep"), map[string][]string{"Hogcast-Envelope": {"1"}, "Hogcast-Sha256": {"ff"}}, "")
	got, err := w.run(t, purge.RunParams{Params: purge.Params{Tenant: "a", User: "u"}})
	if !errors.Is(err, purge.ErrLeft) || got.Total != (purge.Tally{Found: 2, Unreadable: 6, Erased: 2}) {
		t.Errorf("%v, %+v", err, got.Total)
	}
	if !strings.Contains(strings.Join(got.Notes, "\n"), "6 records can't be read") {
		t.Errorf("notes: %q", got.Notes)
	}
	got, err = w.run(t, purge.RunParams{Params: purge.Params{Tenant: "a", User: "u", Unreadable: true}})
	if err != nil || got.Total != (purge.Tally{Erased: 6}) || ours(w.left(t), "a") != 1 {
		t.Errorf("%v, %+v; %v", err, got.Total, w.left(t))
	}
}

const (
	hashKey = "a key of sixteen bytes and more"
	nextKey = "another key of sixteen bytes and more"
)

func TestHashedCopiesAreFoundByEachKeyThatTheBucketKnows(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	keys := masterKeys(t)
	main := destination.ID{Tenant: "a", Name: "main"}
	w.put(t, keys, main, nextKey, w.put(t, keys, main, hashKey, 0))
	w.put(t, keys, destination.ID{Tenant: destination.AnyTenant, Name: "shared"}, hashKey+"!", 0)
	for _, key := range []string{hashKey, nextKey, hashKey + "!"} {
		for _, user := range []string{"u", "v"} {
			w.keep(t, queue.HeldSubject("a", "main"), recordOf("a", `"`+hashedUser(key, user)+`"`), "user_hash")
		}
	}
	// A worker that can't decrypt the key hashes with what is stored of it.
	sealed, err := registry.OpenStore(t.Context(), registry.StoreParams{Conn: w.conn})
	if err != nil {
		t.Fatal(err)
	}
	stored, err := sealed.Get(t.Context(), main)
	if err != nil {
		t.Fatal(err)
	}
	w.keep(t, queue.DeadSubject("a", "main", "dropped"), recordOf("a", `"`+hashedUser(stored.Destination.Privacy.UserHashKey.Reveal(), "u")+`"`), "user_hash")

	params := purge.Params{Tenant: "a", User: "u", Hashes: w.hashes(t, keys, "a", "u")}
	if dry, err := w.run(t, purge.RunParams{Params: params, DryRun: true}); err != nil || dry.Total != (purge.Tally{Found: 4}) {
		t.Errorf("with the master key: %v, %+v", err, dry.Total)
	}
	params.Hashes = w.hashes(t, nil, "a", "u")
	dry, err := w.run(t, purge.RunParams{Params: params, DryRun: true})
	if err != nil || dry.Total != (purge.Tally{Found: 1, Hashed: 6}) {
		t.Errorf("without: %v, %+v", err, dry.Total)
	}
	if notes := strings.Join(dry.Notes, "\n"); !strings.Contains(notes, "6 records with a user who is hashed") || !strings.Contains(notes, "a.main: a user_hash_key of it can't be decrypted") {
		t.Errorf("notes: %s", notes)
	}
	params.Hashed = true
	if got, err := w.run(t, purge.RunParams{Params: params}); err != nil || got.Total != (purge.Tally{Found: 1, Hashed: 0, Erased: 7}) || ours(w.left(t), "a") != 0 {
		t.Errorf("all that is hashed: %v, %+v", err, got.Total)
	}
}

// stores reports in which files of the server a text is.
func (w *world) stores(t *testing.T, text string) (files []string) {
	t.Helper()
	err := filepath.WalkDir(w.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path) //nolint:gosec // the test's own directory
		if bytes.Contains(data, []byte(text)) {
			files = append(files, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func TestErasedRecordsAreOverwrittenOnDisk(t *testing.T) {
	t.Parallel()
	for name, params := range map[string]purge.Params{
		"of a user":   {Tenant: "a", User: "u"},
		"of a tenant": {Tenant: "a", Overwrite: true},
	} {
		w := newWorld(t)
		w.spread(t, "a", recordOf("a", `"u"`))
		w.spread(t, "a-b", recordOf("a-b", `"u"`))
		if len(w.stores(t, "canary of a u")) == 0 {
			t.Fatal("the test can't see what is stored")
		}
		if _, err := w.run(t, purge.RunParams{Params: params}); err != nil {
			t.Fatal(err)
		}
		if files := w.stores(t, "canary of a u"); len(files) > 0 || len(w.stores(t, "canary of a-b u")) == 0 {
			t.Errorf("%s: still in %v", name, files)
		}
	}
}

func TestNothingGoesThatIsNotConfirmed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.spread(t, "a", recordOf("a", `"u"`))
	refused := errors.New("no")
	for _, user := range []string{"", "u"} {
		var asked, answer string
		_, err := w.run(t, purge.RunParams{Params: purge.Params{Tenant: "a", User: user}, Confirm: func(question, want string) error {
			asked, answer = question, want
			return refused
		}})
		if !errors.Is(err, refused) || answer != "a" || !strings.Contains(asked, "Erase 8 of ") || ours(w.left(t), "a") != 8 || len(w.deeds(t)) != 0 {
			t.Errorf("%q: %v, %q, %q", user, err, asked, answer)
		}
	}
}

func TestWhatIsNoTenantIsRefused(t *testing.T) {
	t.Parallel()
	for _, tenant := range []string{"", "_", "*", ">", "a.b", "a b", "a\n"} {
		if _, err := purge.New(purge.Params{Tenant: tenant}); err == nil {
			t.Errorf("%q is taken", tenant)
		}
	}
	if _, err := purge.New(purge.Params{Tenant: "a", Unreadable: true}); err == nil {
		t.Error("unreadable records of no user are taken")
	}
}
