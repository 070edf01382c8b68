package queue_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hogcast/hogcast/pkg/embedded"
	"github.com/hogcast/hogcast/pkg/queue"
	"github.com/hogcast/hogcast/test/natstest"
)

// deadStore is the stream of dead letters with one letter for each subject.
func deadStore(t *testing.T, subjects ...string) (*queue.Conn, *queue.Store) {
	t.Helper()
	conn := natstest.Connect(t, natstest.Start(t, embedded.Config{}))
	natstest.SetUp(t, conn, queue.DefaultParams())
	for i, subject := range subjects {
		m := queue.Message{Subject: subject, ID: fmt.Sprint(i), Body: fmt.Appendf(nil, "body %d", i)}
		if err := conn.Publish(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	store, err := conn.Store(t.Context(), queue.StreamDead)
	if err != nil {
		t.Fatal(err)
	}
	return conn, store
}

func read(t *testing.T, s *queue.Store, p queue.ReadParams) []uint64 {
	t.Helper()
	var got []uint64
	if err := s.Read(t.Context(), p, func(m queue.StoredMessage) error {
		got = append(got, m.Sequence)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return got
}

func TestAStoreAnswersByFilter(t *testing.T) {
	t.Parallel()
	a, b := queue.DeadSubject("acme", "main", "dropped"), queue.DeadSubject("beta", "", "malformed")
	_, store := deadStore(t, a, b, a, b, a)
	first, err := store.First(t.Context(), queue.DeadFilter("beta", "", ""))
	if err != nil || first.Sequence != 2 || string(first.Body) != "body 1" {
		t.Errorf("first: %+v, %v", first, err)
	}
	last, err := store.Last(t.Context(), queue.DeadFilter("", "", "malformed"))
	if err != nil || last.Sequence != 4 {
		t.Errorf("last: %+v, %v", last, err)
	}
	if _, err := store.First(t.Context(), queue.DeadFilter("nobody", "", "")); !errors.Is(err, queue.ErrNoMessage) {
		t.Errorf("nobody's first: %v", err)
	}
	if _, err := store.Get(t.Context(), 99); !errors.Is(err, queue.ErrNoMessage) {
		t.Errorf("message 99: %v", err)
	}
	if diff := cmp.Diff([]uint64{3, 5}, read(t, store, queue.ReadParams{Subject: a, From: 2})); diff != "" {
		t.Errorf("read from 2:\n%s", diff)
	}
	from, pending, err := store.Span(t.Context(), queue.ReadParams{Subject: a, From: 2})
	if err != nil || from != 2 || pending != 2 {
		t.Errorf("span: from %d, %d pending, %v", from, pending, err)
	}
	if from, _, err := store.Span(t.Context(), queue.ReadParams{Since: last.Time}); err != nil || from != 4 {
		t.Errorf("span since the fourth: from %d, %v", from, err)
	}
	if err := store.Purge(t.Context(), a, 3); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]uint64{2, 4, 5}, read(t, store, queue.ReadParams{})); diff != "" {
		t.Errorf("after the purge up to 3:\n%s", diff)
	}
	state, err := store.State(t.Context())
	want := queue.State{Messages: 3, FirstSequence: 2, LastSequence: 5, PerSubject: queue.DefaultParams().DeadQuota}
	if diff := cmp.Diff(want, state); err != nil || diff != "" {
		t.Errorf("state: %v\n%s", err, diff)
	}
}

func TestReadingPassesOverWhatOthersDelete(t *testing.T) {
	t.Parallel()
	subject := queue.DeadSubject("acme", "main", "dropped")
	conn, store := deadStore(t, subject, subject, subject, subject, subject, subject, subject, subject, subject, subject)
	var got []uint64
	err := store.Read(t.Context(), queue.ReadParams{Subject: subject}, func(m queue.StoredMessage) error {
		if m.Sequence == 8 { // the last of what is fetched at first
			for _, gone := range []uint64{9, 10} {
				if err := conn.Delete(t.Context(), queue.StreamDead, gone); err != nil {
					return err
				}
			}
		}
		got = append(got, m.Sequence)
		return nil
	})
	if diff := cmp.Diff([]uint64{1, 2, 3, 4, 5, 6, 7, 8}, got); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
}

func TestOnlyALimitIsSaidToBeOne(t *testing.T) {
	t.Parallel()
	conn := natstest.Connect(t, natstest.Start(t, embedded.Config{}))
	params := queue.DefaultParams()
	params.DeadQuota = 1
	natstest.SetUp(t, conn, params)
	m := queue.Message{Subject: queue.DeadSubject("acme", "main", "dropped"), ID: "1"}
	if err := conn.Publish(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	m.ID = "2"
	if err := conn.Publish(t.Context(), m); !queue.AtLimit(err) {
		t.Errorf("a full subject: %v", err)
	}
	for _, err := range []error{nil, queue.ErrQueueFull, errors.New("maximum bytes exceeded")} {
		if queue.AtLimit(err) {
			t.Errorf("%v is no limit", err)
		}
	}
}
