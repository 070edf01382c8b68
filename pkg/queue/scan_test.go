package queue_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/hogcast/hogcast/pkg/embedded"
	"github.com/hogcast/hogcast/pkg/queue"
	"github.com/hogcast/hogcast/test/natstest"
)

// scanned are the sequences that a scan tells of.
func scanned(t *testing.T, s *queue.Store, p queue.ScanParams) (got []uint64) {
	t.Helper()
	if err := s.Scan(t.Context(), p, func(m queue.StoredMessage) error {
		if m.Subject != "hogcast.generations.acme" || m.Time.IsZero() || m.Size != len(m.Body) {
			t.Errorf("%+v", m)
		}
		got = append(got, m.Sequence)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return got
}

func scanStore(t *testing.T) (*queue.Conn, *queue.Store) {
	t.Helper()
	c := natstest.Connect(t, natstest.Start(t, embedded.Config{}))
	natstest.SetUp(t, c, queue.DefaultParams())
	s, err := c.Store(t.Context(), queue.StreamGenerations)
	if err != nil {
		t.Fatal(err)
	}
	return c, s
}

func TestAScanReadsAWorkQueueBesideItsConsumer(t *testing.T) {
	t.Parallel()
	c, s := scanStore(t)
	if got := scanned(t, s, queue.ScanParams{Filter: "hogcast.generations.acme"}); got != nil {
		t.Errorf("of an empty stream: %v", got)
	}
	const each = 700 // more than one answer
	var want []uint64
	for n := range each {
		publish(t, c, "acme", fmt.Sprint(n), []byte("x"))
		publish(t, c, "acme-2", fmt.Sprint(n), []byte("y"))
		want = append(want, uint64(2*n+1)) //nolint:gosec // small
	}
	if got := scanned(t, s, queue.ScanParams{Filter: "hogcast.generations.acme"}); !slices.Equal(got, want) {
		t.Errorf("%d, %v", len(got), got)
	}
	if got := scanned(t, s, queue.ScanParams{Filter: "hogcast.generations.acme", From: 2, Last: 6}); !slices.Equal(got, []uint64{3, 5}) {
		t.Errorf("from 2 to 6: %v", got)
	}
	if got := state(t, c, queue.StreamGenerations).Msgs; got != 2*each {
		t.Errorf("%d are left", got)
	}
}

func TestLargeMessagesTakeSeveralAnswers(t *testing.T) {
	t.Parallel()
	c, s := scanStore(t)
	for n := range 24 { // 8 MiB are one answer
		publish(t, c, "acme", fmt.Sprint(n), []byte(strings.Repeat("x", 900<<10)))
	}
	if got := scanned(t, s, queue.ScanParams{Filter: "hogcast.generations.acme"}); len(got) != 24 {
		t.Errorf("%v", got)
	}
}

// A publisher's headers must not make a scan take its message for another one,
// or for the end.
func TestAScanBelievesTheServersHeadersAlone(t *testing.T) {
	t.Parallel()
	c, s := scanStore(t)
	for n := range 3 {
		if err := c.Publish(t.Context(), queue.Message{Subject: "hogcast.generations.acme", ID: fmt.Sprint(n), Header: map[string][]string{
			"Nats-Sequence": {"1"}, "Nats-Subject": {"hogcast.generations.other"}, "Nats-Time-Stamp": {"never"}, "Nats-Stream": {"OTHER"},
			"Status": {"404"}, "Nats-Num-Pending": {"0"}, "Nats-Last-Sequence": {"9"},
		}}); err != nil {
			t.Fatal(err)
		}
	}
	if got := scanned(t, s, queue.ScanParams{Filter: "hogcast.generations.acme"}); !slices.Equal(got, []uint64{1, 2, 3}) {
		t.Errorf("%v", got)
	}
}

func TestAScanMayDeleteAndStop(t *testing.T) {
	t.Parallel()
	c, s := scanStore(t)
	for n := range 10 {
		publish(t, c, "acme", fmt.Sprint(n), []byte("x"))
	}
	seen := 0
	err := s.Scan(t.Context(), queue.ScanParams{Filter: "hogcast.generations.*"}, func(m queue.StoredMessage) error {
		if seen++; seen == 6 {
			return queue.ErrStop
		}
		return s.Erase(t.Context(), m.Sequence)
	})
	if err != nil || seen != 6 || state(t, c, queue.StreamGenerations).Msgs != 5 {
		t.Errorf("%v, %d seen, %+v", err, seen, state(t, c, queue.StreamGenerations))
	}
	if err := s.Erase(t.Context(), 1); err != nil {
		t.Errorf("erased twice: %v", err)
	}
}

func TestABucketsKeyIsErasedWithItsHistory(t *testing.T) {
	t.Parallel()
	c, _ := scanStore(t)
	b, err := c.Bucket(t.Context(), queue.BucketDestinations)
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"a.main", "a.main", "a.gone", "a-b.main"} {
		if err := b.Set(t.Context(), key, []byte("canary")); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.Delete(t.Context(), "a.gone", 0); err != nil {
		t.Fatal(err)
	}
	kept := func(keys string) map[string]uint64 {
		all, err := b.Kept(t.Context(), keys)
		if err != nil {
			t.Fatal(err)
		}
		return all
	}
	if got := kept("a.*"); len(got) != 2 || got["a.main"] != 2 || got["a.gone"] != 2 {
		t.Errorf("before: %v", got)
	}
	for key := range kept("a.*") {
		if err := b.Erase(t.Context(), key); err != nil {
			t.Fatal(err)
		}
	}
	if got := kept(">"); len(got) != 1 || got["a-b.main"] != 1 {
		t.Errorf("after: %v", got)
	}
	history, err := b.History(t.Context(), "a.main")
	if err != nil || len(history) != 1 || len(history[0].Value) > 0 {
		t.Errorf("history: %+v, %v", history, err)
	}
}
