package queue_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hogcast/hogcast/pkg/queue"
	"github.com/hogcast/hogcast/test/natstest"
)

func bucket(t *testing.T, c *queue.Conn, name string) *queue.Bucket {
	t.Helper()
	b, err := c.Bucket(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func putKey(t *testing.T, b *queue.Bucket, key, value string, last uint64) uint64 {
	t.Helper()
	revision, err := b.Put(t.Context(), key, []byte(value), last)
	if err != nil {
		t.Fatal(err)
	}
	return revision
}

func TestWritesAreCompareAndSet(t *testing.T) {
	t.Parallel()
	c, _ := ready(t, small(), queue.DefaultParams())
	b := bucket(t, c, queue.BucketState)
	ctx := t.Context()
	conflict := func(what string, err error) {
		t.Helper()
		if !errors.Is(err, queue.ErrConflict) {
			t.Errorf("%s: got %v, want %v", what, err, queue.ErrConflict)
		}
	}
	first := putKey(t, b, "acme.main", "1", 0)
	_, err := b.Put(ctx, "acme.main", []byte("x"), 0)
	conflict("a key that is there, as if it was not", err)
	second := putKey(t, b, "acme.main", "2", first)
	_, err = b.Put(ctx, "acme.main", []byte("x"), first)
	conflict("a revision that is no more", err)
	conflict("deleting a revision that is no more", b.Delete(ctx, "acme.main", first))
	if e, err := b.Get(ctx, "acme.main"); err != nil || string(e.Value) != "2" || e.Revision != second || e.Deleted {
		t.Errorf("entry = %+v, %v", e, err)
	}
	if err := b.Delete(ctx, "acme.main", second); err != nil {
		t.Fatal(err)
	}
	_, err = b.Put(ctx, "acme.main", []byte("x"), second)
	conflict("a revision that was deleted", err)
	conflict("deleting what is deleted", b.Delete(ctx, "acme.main", second))
	if e, err := b.Get(ctx, "acme.main"); err != nil || !e.Deleted || e.Key != "acme.main" {
		t.Errorf("entry = %+v, %v; want it deleted", e, err)
	}
	if e, err := b.Get(ctx, "never.there"); err != nil || !e.Deleted {
		t.Errorf("entry = %+v, %v; want it deleted", e, err)
	}
	third := putKey(t, b, "acme.main", "3", 0)
	if err := b.Set(ctx, "acme.main", []byte("4")); err != nil {
		t.Fatal(err)
	}
	conflict("deleting what was set meanwhile", b.Delete(ctx, "acme.main", third))
	if err := b.Delete(ctx, "acme.main", 0); err != nil {
		t.Errorf("deleting whatever is there: %v", err)
	}
}

func TestOfManyWritersOneWinsEachRevision(t *testing.T) {
	t.Parallel()
	c, _ := ready(t, small(), queue.DefaultParams())
	b := bucket(t, c, queue.BucketState)
	var last uint64
	for round := range 30 {
		var won atomic.Int32
		var next atomic.Uint64
		var writing sync.WaitGroup
		for i := range 8 {
			writing.Go(func() {
				revision, err := b.Put(context.Background(), "acme.main", []byte(fmt.Sprint(i)), last)
				switch {
				case err == nil:
					won.Add(1)
					next.Store(revision)
				case !errors.Is(err, queue.ErrConflict):
					t.Error(err)
				}
			})
		}
		writing.Wait()
		if got := won.Load(); got != 1 {
			t.Fatalf("round %d: %d of 8 writers won", round, got)
		}
		last = next.Load()
	}
}

func TestAWatchTellsWhatIsThereAndThenTheChangesInOrder(t *testing.T) {
	t.Parallel()
	c, _ := ready(t, small(), queue.DefaultParams())
	b := bucket(t, c, queue.BucketState)
	putKey(t, b, "a.main", "a1", 0)
	gone := putKey(t, b, "gone.main", "g1", 0)
	if err := b.Delete(t.Context(), "gone.main", gone); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	told, caughtUp := make(chan string, 200), make(chan struct{})
	ended := make(chan error)
	go func() {
		ended <- b.Watch(ctx, func(e queue.Entry) {
			if e.Deleted {
				told <- e.Key + " deleted"
				return
			}
			told <- e.Key + " " + string(e.Value)
		}, func() { close(caughtUp) })
	}()
	receive(t, caughtUp, "all that is there")
	var got []string
	for len(told) > 0 {
		if s := <-told; s != "gone.main deleted" { // that it was there may be told
			got = append(got, s)
		}
	}
	if want := []string{"a.main a1"}; !slices.Equal(got, want) {
		t.Errorf("before the changes: %v, want %v", got, want)
	}
	var want []string
	revision := putKey(t, b, "b.main", "0", 0)
	want = append(want, "b.main 0")
	for i := range 50 {
		revision = putKey(t, b, "b.main", fmt.Sprint(i+1), revision)
		want = append(want, fmt.Sprint("b.main ", i+1))
	}
	if err := b.Delete(t.Context(), "b.main", revision); err != nil {
		t.Fatal(err)
	}
	want = append(want, "b.main deleted")
	// A key that changes fast may be told of at its latest value alone.
	at := -1
	for at < len(want)-1 {
		change := receive(t, told, "a change")
		next := slices.Index(want, change)
		if next <= at {
			t.Fatalf("told of %q after %q", change, want[max(at, 0)])
		}
		at = next
	}
	cancel()
	if err := receive(t, ended, "the end of the watch"); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
}

func TestEachVisitsTheKeysThatHaveAValue(t *testing.T) {
	t.Parallel()
	c, _ := ready(t, small(), queue.DefaultParams())
	b := bucket(t, c, queue.BucketState)
	visit := func() (got []string) {
		t.Helper()
		if err := b.Each(t.Context(), func(e queue.Entry) { got = append(got, e.Key+" "+string(e.Value)) }); err != nil {
			t.Fatal(err)
		}
		slices.Sort(got)
		return got
	}
	if got := visit(); len(got) != 0 {
		t.Errorf("of an empty bucket: %v", got)
	}
	first := putKey(t, b, "a.main", "1", 0)
	putKey(t, b, "a.main", "2", first)
	putKey(t, b, "b.main", "1", 0)
	if err := b.Delete(t.Context(), "c.main", putKey(t, b, "c.main", "1", 0)); err != nil {
		t.Fatal(err)
	}
	if got, want := visit(), []string{"a.main 2", "b.main 1"}; !slices.Equal(got, want) {
		t.Errorf("visited %v, want %v", got, want)
	}
	over, cancel := context.WithCancel(t.Context())
	cancel()
	if err := b.Each(over, func(queue.Entry) {}); err == nil {
		t.Error("a visit that was cut short says nothing")
	}
}

func TestCountCountsTheKeysThatHaveAValue(t *testing.T) {
	t.Parallel()
	c, _ := ready(t, small(), queue.DefaultParams())
	b := bucket(t, c, queue.BucketWorkers)
	count := func() int {
		t.Helper()
		n, err := b.Count(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	if got := count(); got != 0 {
		t.Errorf("count of an empty bucket = %d", got)
	}
	for _, key := range []string{"a", "b", "a"} {
		if err := b.Set(t.Context(), key, []byte(time.Now().String())); err != nil {
			t.Fatal(err)
		}
	}
	if got := count(); got != 2 {
		t.Errorf("count = %d, want 2", got)
	}
	if err := b.Delete(t.Context(), "a", 0); err != nil {
		t.Fatal(err)
	}
	if got := count(); got != 1 {
		t.Errorf("count after one was deleted = %d, want 1", got)
	}
}

func TestABucketThatIsNotThereIsNamed(t *testing.T) {
	t.Parallel()
	c := natstest.Connect(t, natstest.Start(t, small()))
	_, err := c.Bucket(t.Context(), queue.BucketState)
	if !errors.Is(err, queue.ErrNotSetUp) {
		t.Errorf("got %v, want %v", err, queue.ErrNotSetUp)
	}
	mentions(t, err, queue.BucketState)
}
