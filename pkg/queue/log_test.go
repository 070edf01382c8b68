package queue_test

import (
	"slices"
	"testing"

	"github.com/hogcast/hogcast/pkg/queue"
)

func TestTheTrailForgetsTheOldestAndRefusesNothing(t *testing.T) {
	t.Parallel()
	for _, s := range queue.NewTopology(queue.DefaultParams()).Streams {
		if s.Name != queue.StreamAudit {
			continue
		}
		if s.MaxBytes <= 0 || s.MaxAge == 0 || s.MaxMsgsPerSubject <= 0 || s.DiscardNewPerSubject {
			t.Errorf("the trail has no bounds, or refuses: %+v", s)
		}
		return
	}
	t.Error("there is no trail")
}

func TestAHistoryTellsOfEveryVersionAndDeletion(t *testing.T) {
	t.Parallel()
	c, _ := ready(t, small(), queue.DefaultParams())
	b := bucket(t, c, queue.BucketDestinations)
	if got, err := b.History(t.Context(), "never.there"); err != nil || len(got) != 0 {
		t.Errorf("%v, %v", got, err)
	}
	first := putKey(t, b, "acme.main", "1", 0)
	second := putKey(t, b, "acme.main", "2", first)
	if err := b.Delete(t.Context(), "acme.main", second); err != nil {
		t.Fatal(err)
	}
	putKey(t, b, "acme.main", "3", 0)
	putKey(t, b, "acme.other", "x", 0)
	all, err := b.History(t.Context(), "acme.main")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range all {
		got = append(got, string(e.Value))
		if e.Deleted != (len(e.Value) == 0) || e.At.IsZero() || e.Revision == 0 {
			t.Errorf("got %+v", e)
		}
	}
	if want := []string{"1", "2", "", "3"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestKnownTellsOfKeysThatMatchDeletedOnesToo(t *testing.T) {
	t.Parallel()
	c, _ := ready(t, small(), queue.DefaultParams())
	b := bucket(t, c, queue.BucketDestinations)
	putKey(t, b, "acme.main", "1", 0)
	gone := putKey(t, b, "acme.gone", "1", 0)
	if err := b.Delete(t.Context(), "acme.gone", gone); err != nil {
		t.Fatal(err)
	}
	putKey(t, b, "beta.main", "1", 0)
	got := map[string]bool{}
	if err := b.Known(t.Context(), "acme.*", func(e queue.Entry) { got[e.Key] = e.Deleted }); err != nil {
		t.Fatal(err)
	}
	if len(got) != 2 || got["acme.main"] || !got["acme.gone"] {
		t.Errorf("got %v", got)
	}
}
