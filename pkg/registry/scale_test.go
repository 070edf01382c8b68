package registry_test

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/hogcast/hogcast/pkg/destination"
	"github.com/hogcast/hogcast/pkg/queue"
	"github.com/hogcast/hogcast/pkg/registry"
	"github.com/hogcast/hogcast/pkg/seal"
)

// fill writes the destinations of n tenants.
func fill(tb testing.TB, conn *queue.Conn, keys *seal.Keys, n int) {
	tb.Helper()
	s, err := registry.OpenStore(tb.Context(), registry.StoreParams{Conn: conn, Keys: keys})
	if err != nil {
		tb.Fatal(err)
	}
	next := make(chan int)
	var writers sync.WaitGroup
	for range 16 {
		writers.Go(func() {
			for i := range next {
				d := destinationOf(fmt.Sprintf("tenant%05d", i), "main")
				d.APIKeys.Exclude = []string{"key_of_the_test_suite"}
				if _, err := s.Put(tb.Context(), registry.Put{Destination: d, By: "ann"}); err != nil {
					tb.Error(err)
				}
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	writers.Wait()
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// readAll is how long it takes to read the entries alone.
func readAll(t *testing.T, conn *queue.Conn, n int) time.Duration {
	t.Helper()
	began := time.Now()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	read := 0
	bucket, err := conn.Bucket(ctx, queue.BucketDestinations)
	if err != nil {
		t.Fatal(err)
	}
	if err := bucket.Watch(ctx, func(queue.Entry) { read++ }, cancel); err != nil && ctx.Err() == nil {
		t.Fatal(err)
	}
	if read != n {
		t.Fatalf("read %d entries", read)
	}
	return time.Since(began)
}

// TestAWorkerKnowsManyTenantsSoon holds the registry to what is promised of one
// with 10,000 tenants: 3 s to the list, 40 MB, and a change that costs the same
// however many there are.
func TestAWorkerKnowsManyTenantsSoon(t *testing.T) {
	if testing.Short() {
		t.Skip("10,000 tenants")
	}
	const tenants = 10_000
	conn := nats(t)
	keys := seal.Fixed(ring(t, "k1"))
	fill(t, conn, keys, tenants)
	floor := readAll(t, conn, tenants)
	before := heap()
	began := time.Now()
	changed := make(chan time.Time, 1000)
	k := run(t, registry.KVParams{Conn: conn, Keys: keys, OnChange: func(_ *destination.Set, ids []destination.ID) {
		if len(ids) == 1 {
			changed <- time.Now()
		}
	}})
	took := time.Since(began)
	if k.Current().Len() != tenants {
		t.Fatalf("%d in force", k.Current().Len())
	}
	grown := int64(heap()) - int64(before) //nolint:gosec // a heap
	// 1.6 s on two busy cores; on a busier machine reading alone takes longer, too.
	if took > max(3*time.Second, 20*floor) {
		t.Errorf("listed in %s; to read them alone takes %s", took, floor)
	}
	if grown > 40<<20 {
		t.Errorf("%d bytes of heap", grown)
	}
	s := openStore(t, registry.StoreParams{Conn: conn, Keys: keys})
	d := destinationOf("tenant00042", "main")
	d.Paused = true
	now := get(t, s, d.ID)
	written := time.Now()
	put(t, s, d, now.Revision)
	until := (<-changed).Sub(written)
	if until > 2*time.Second {
		t.Errorf("a change was in force after %s", until)
	}
	t.Logf("%d tenants: listed in %s (floor %s), heap %.1f MB; a change in force %s after it was begun to be written",
		tenants, took.Round(time.Millisecond), floor.Round(time.Millisecond), float64(grown)/1e6, until.Round(100*time.Microsecond))
	runtime.KeepAlive(k)
}

// BenchmarkList is the start of a worker: from nothing to the list in force.
func BenchmarkList(b *testing.B) {
	for _, tenants := range []int{100, 10_000} {
		b.Run(fmt.Sprint(tenants), func(b *testing.B) {
			conn := natsOf(b)
			keys := seal.Fixed(ringOf(b, "k1"))
			fill(b, conn, keys, tenants)
			b.ReportAllocs()
			for b.Loop() {
				k, err := registry.OpenKV(b.Context(), registry.KVParams{Conn: conn, Keys: keys})
				if err != nil {
					b.Fatal(err)
				}
				ctx, cancel := context.WithCancel(b.Context())
				done := make(chan struct{})
				go func() { defer close(done); k.Run(ctx) }()
				if err := k.Listed(ctx); err != nil {
					b.Fatal(err)
				}
				cancel()
				<-done
			}
		})
	}
}
