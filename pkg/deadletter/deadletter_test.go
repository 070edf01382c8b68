package deadletter_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/hogcast/hogcast/pkg/deadletter"
	"github.com/hogcast/hogcast/pkg/embedded"
	"github.com/hogcast/hogcast/pkg/envelope"
	"github.com/hogcast/hogcast/pkg/outcome"
	"github.com/hogcast/hogcast/pkg/queue"
	"github.com/hogcast/hogcast/test/natstest"
)

func connect(t *testing.T) *queue.Conn {
	t.Helper()
	return connectWith(t, queue.DefaultParams())
}

func connectWith(t *testing.T, params queue.Params) *queue.Conn {
	t.Helper()
	conn := natstest.Connect(t, natstest.Start(t, embedded.Config{}))
	natstest.SetUp(t, conn, params)
	return conn
}

func bury(t *testing.T, w *deadletter.Writer, letters ...deadletter.Letter) {
	t.Helper()
	for i, l := range letters {
		if reason, err := w.Write(t.Context(), l); err != nil || reason != l.Reason {
			t.Fatalf("letter %d: %s, %v", i, reason, err)
		}
	}
}

func letter(i int, tenant, destination string, reason outcome.DeadReason, detail string) deadletter.Letter {
	return deadletter.Letter{
		Tenant: tenant, Destination: destination, Reason: reason,
		Envelope: envelope.Envelope{
			Source:   envelope.Source{Stream: "S", Sequence: uint64(i), Time: time.Unix(0, int64(i))}, //nolint:gosec // small
			RecordID: fmt.Sprintf("g%d", i), Detail: detail, Body: fmt.Appendf(nil, `{"id":"g%d"}`, i),
		},
	}
}

func TestLettersAreFoundByWhatIsKnownOfThem(t *testing.T) {
	t.Parallel()
	conn := connect(t)
	writer, reader := deadletter.NewWriter(conn, 1<<20), deadletter.NewReader(conn)
	bury(t, writer,
		letter(0, "acme", "main", outcome.Dropped, "dropped_by_server: rejected 17"),
		letter(1, "acme", "main", outcome.Dropped, "dropped_by_server: rejected 18"),
		letter(2, "acme", "", outcome.Malformed, "id: missing"),
		letter(3, "beta", "main", outcome.TooLarge, "payload_too_large"),
		letter(4, "", "", outcome.Malformed, `tenant: "x" differs`),
	)
	for name, tt := range map[string]struct {
		filter deadletter.Filter
		want   int
	}{
		"all":         {deadletter.Filter{}, 5},
		"tenant":      {deadletter.Filter{Tenant: "acme"}, 3},
		"destination": {deadletter.Filter{Destination: "main"}, 3},
		"reason":      {deadletter.Filter{Reason: "malformed"}, 2},
		"record":      {deadletter.Filter{RecordID: "g3"}, 1},
		"text":        {deadletter.Filter{Text: "REJECTED"}, 2},
		"no tenant":   {deadletter.Filter{Tenant: queue.NoToken}, 1},
		"through":     {deadletter.Filter{Through: 2}, 2},
		"since":       {deadletter.Filter{Since: time.Now().Add(time.Hour)}, 0},
		"until":       {deadletter.Filter{Until: time.Now().Add(-time.Hour)}, 0},
	} {
		got := 0
		causes := map[string]bool{}
		err := reader.Each(t.Context(), tt.filter, false, func(s *deadletter.Stored) error {
			got++
			causes[s.Cause()] = true
			if s.Size == 0 || len(s.Envelope.Body) != 0 {
				t.Errorf("%s: size %d, %d bytes of body", name, s.Size, len(s.Envelope.Body))
			}
			return nil
		})
		if err != nil || got != tt.want {
			t.Errorf("%s: got %d, %v; want %d", name, got, err, tt.want)
		}
		if name == "text" && len(causes) != 1 {
			t.Errorf("one cause has several fingerprints: %v", causes)
		}
	}
	counts, err := reader.Counts(t.Context(), deadletter.Filter{Tenant: "acme"})
	if err != nil || counts[deadletter.Key{Tenant: "acme", Destination: "main", Reason: "dropped"}] != 2 || len(counts) != 2 {
		t.Errorf("got %v, %v", counts, err)
	}
	if _, err := reader.Counts(t.Context(), deadletter.Filter{Text: "x"}); err == nil {
		t.Error("letters were counted by text, unread")
	}
	first, last, err := reader.Seen(t.Context(), deadletter.Filter{Reason: "malformed"})
	if err != nil || !first.Before(last) {
		t.Errorf("malformed ones were seen from %s to %s, %v", first, last, err)
	}
	if first, last, err = reader.Seen(t.Context(), deadletter.Filter{Tenant: "nobody"}); err != nil || !first.IsZero() || !last.IsZero() {
		t.Errorf("nobody's were seen from %s to %s, %v", first, last, err)
	}
}

func TestALetterIsReadWholeAndDropped(t *testing.T) {
	t.Parallel()
	conn := connect(t)
	writer, reader := deadletter.NewWriter(conn, 1<<20), deadletter.NewReader(conn)
	for range 2 { // the same move twice is one letter
		if _, err := writer.Write(t.Context(), letter(1, "acme", "main", outcome.Dropped, "x")); err != nil {
			t.Fatal(err)
		}
	}
	got, err := reader.Get(t.Context(), 1)
	if err != nil || string(got.Envelope.Body) != `{"id":"g1"}` || got.Tenant != "acme" || got.Envelope.Reason != "dropped" {
		t.Fatalf("%v %+v", err, got)
	}
	if err := reader.Drop(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	if n, err := queue.Waiting(t.Context(), conn, queue.StreamDead); err != nil || n != 0 {
		t.Errorf("%d letters are left, %v", n, err)
	}
	if err := reader.Drop(t.Context(), 1); err != nil {
		t.Errorf("dropped twice: %v", err)
	}
	if _, err := reader.Get(t.Context(), 1); !errors.Is(err, queue.ErrNoMessage) {
		t.Errorf("read after it was dropped: %v", err)
	}
}
