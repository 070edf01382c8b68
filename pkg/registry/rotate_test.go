package registry_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/hogcast/hogcast/pkg/audit"
	"github.com/hogcast/hogcast/pkg/destination"
	"github.com/hogcast/hogcast/pkg/registry"
	"github.com/hogcast/hogcast/pkg/seal"
)

func rotate(t *testing.T, s *registry.Store, p registry.Rotate) registry.Rotated {
	t.Helper()
	p.By = "ann"
	r, err := s.Rotate(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestRotationSealsEverythingWithTheFirstKeyOnce(t *testing.T) {
	t.Parallel()
	conn := nats(t)
	keys := ringText(t, "k1", "k2", "lost")
	old := openStore(t, registry.StoreParams{Conn: conn, Keys: keysOf(t, keys[0])})
	for i := range 20 {
		put(t, old, destinationOf(fmt.Sprintf("t%d", i), "main"), 0)
	}
	put(t, old, full(), 0)
	put(t, openStore(t, registry.StoreParams{Conn: conn, AllowPlain: true}), destinationOf("plain", "main"), 0)
	put(t, openStore(t, registry.StoreParams{Conn: conn, Keys: keysOf(t, keys[2])}), destinationOf("lost", "main"), 0)
	raw(t, conn, "bad.main", "{")
	worker := run(t, registry.KVParams{Conn: conn, Keys: keysOf(t, keys[1], keys[0])})
	before := worker.Current().Get(main)

	s := openStore(t, registry.StoreParams{Conn: conn, Keys: keysOf(t, keys[1], keys[0])})
	if r := rotate(t, s, registry.Rotate{DryRun: true}); r.Done != 22 || r.Total != 24 {
		t.Errorf("dry run: %+v", r)
	}
	// Stopped half way, and begun again.
	ctx, cancel := context.WithCancel(t.Context())
	_, err := s.Rotate(ctx, registry.Rotate{By: "ann", Progress: func(r registry.Rotated) {
		if r.Done == 5 {
			cancel()
		}
	}})
	if err == nil {
		t.Fatal("a rotation that was stopped says that it is done")
	}
	r := rotate(t, s, registry.Rotate{})
	if r.Key != "k2" || r.Total != 24 || r.Done != 17 || r.Already != 5 || len(r.Left) != 2 || r.LeftKeyID["lost"] != 1 {
		t.Errorf("got %+v", r)
	}
	if r := rotate(t, s, registry.Rotate{}); r.Done != 0 || r.Already != 22 {
		t.Errorf("twice is not once: %+v", r)
	}
	alone := openStore(t, registry.StoreParams{Conn: conn, Keys: keysOf(t, keys[1])})
	all, err := alone.List(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	for _, one := range all {
		if one.Problem != nil && one.ID.Tenant != "lost" && one.ID.Tenant != "bad" {
			t.Errorf("%s: %v", one.ID, one.Problem)
		}
	}
	await(t, "the worker to have seen them all", func() bool { return len(worker.Problems()) == 2 })
	if worker.Current().Get(main) != before {
		t.Error("a new seal is a change of the destination")
	}
	var notes []string
	err = audit.New(conn.Log()).Read(t.Context(), audit.Query{Actions: []audit.Action{audit.SecretsRotated}}, func(r audit.Record) error {
		notes = append(notes, r.Note)
		return nil
	})
	if err != nil || len(notes) != 2 || !strings.Contains(notes[1], `17 of 24 destinations sealed with key "k2", 5 were already, 2 are left`) {
		t.Errorf("%v: %q", err, notes)
	}
}

func TestRotationKeepsWhatOthersChangeMeanwhile(t *testing.T) {
	t.Parallel()
	conn := nats(t)
	keys := ringText(t, "k1", "k2")
	old := openStore(t, registry.StoreParams{Conn: conn, Keys: keysOf(t, keys[0])})
	put(t, old, destinationOf("a", "main"), 0)
	last := put(t, old, destinationOf("z", "main"), 0)
	gone := put(t, old, destinationOf("zz", "main"), 0)
	s := openStore(t, registry.StoreParams{Conn: conn, Keys: keysOf(t, keys[1], keys[0])})
	r := rotate(t, s, registry.Rotate{Progress: func(r registry.Rotated) {
		if r.Done != 1 {
			return
		}
		d := destinationOf("z", "main")
		d.Paused = true
		put(t, old, d, last.Revision)
		if err := old.Delete(t.Context(), registry.Delete{ID: gone.ID, Expect: gone.Revision, By: "bob"}); err != nil {
			t.Error(err)
		}
	}})
	got := get(t, s, destination.ID{Tenant: "z", Name: "main"})
	if r.Done != 2 || !got.Destination.Paused || got.KeyIDs[0] != "k2" {
		t.Errorf("%+v: %+v", r, got)
	}
	if _, err := s.Get(t.Context(), gone.ID); !errors.Is(err, registry.ErrNotFound) {
		t.Errorf("what was deleted came back: %v", err)
	}
}

func TestRotationNeedsAKey(t *testing.T) {
	t.Parallel()
	s := openStore(t, registry.StoreParams{Conn: nats(t), Keys: seal.Fixed(nil), AllowPlain: true})
	if _, err := s.Rotate(t.Context(), registry.Rotate{By: "ann"}); !errors.Is(err, registry.ErrPlain) {
		t.Errorf("got %v", err)
	}
}
