package queue_test

import (
	"encoding/json"
	"testing"

	"github.com/hogcast/hogcast/pkg/queue"
	"github.com/hogcast/hogcast/test/golden"
)

func TestTopologyIsTheGoldenOne(t *testing.T) {
	t.Parallel()
	sharded := queue.DefaultParams()
	sharded.Shards, sharded.StorageBytes = 4, 100<<30
	for name, p := range map[string]queue.Params{"topology": queue.DefaultParams(), "topology-sharded": sharded} {
		got, err := json.MarshalIndent(queue.NewTopology(p), "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		golden.Check(t, "testdata/"+name+".golden.json", string(got)+"\n")
	}
}

func TestStreamsShareTheStorageAndLeaveSomeOver(t *testing.T) {
	t.Parallel()
	for _, shards := range []int{1, 2, 3, queue.MaxShards} {
		p := queue.DefaultParams()
		p.StorageBytes, p.Shards = 1<<40, shards
		shareStorage(t, p)
	}
}

func shareStorage(t *testing.T, p queue.Params) {
	t.Helper()
	var sum int64
	for _, s := range queue.NewTopology(p).Streams {
		if s.Name == queue.StreamWakeups {
			if s.MaxBytes != -1 {
				t.Errorf("wake-ups have max_bytes %d; full may only mean that one exists", s.MaxBytes)
			}
			continue
		}
		if s.MaxBytes <= 0 {
			t.Errorf("stream %s has no share", s.Name)
		}
		sum += s.MaxBytes
	}
	if sum >= p.StorageBytes {
		t.Errorf("shares sum to %d of %d; buckets and wake-ups need some", sum, p.StorageBytes)
	}
}

func TestSubjects(t *testing.T) {
	t.Parallel()
	for got, want := range map[string]string{
		queue.GenerationSubject("acme"):                                            "hogcast.generations.acme",
		queue.HeldSubject("acme", "main"):                                          "hogcast.held.acme.main",
		queue.WakeupSubject("acme", "main"):                                        "hogcast.wakeups.acme.main",
		queue.DeadSubject("acme", "main", "poison"):                                "hogcast.dead.acme.main.poison",
		queue.DeadSubject("", "", "malformed"):                                     "hogcast.dead._._.malformed",
		queue.HeldHostSubject(queue.HostToken("us.i.posthog.com"), "acme", "main"): "hogcast.heldhost.b66f0306e58981d6.acme.main",
		queue.TenantOf("hogcast.generations.acme"):                                 "acme",
		queue.TenantOf("hogcast.generations.3.acme"):                               "acme",
		queue.TenantOf("elsewhere.acme"):                                           "",
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
