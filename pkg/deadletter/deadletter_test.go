package deadletter_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/hogcast/hogcast/pkg/deadletter"
	"github.com/hogcast/hogcast/pkg/embedded"
	"github.com/hogcast/hogcast/pkg/envelope"
	"github.com/hogcast/hogcast/pkg/outcome"
	"github.com/hogcast/hogcast/pkg/queue"
)

func connect(t *testing.T) *queue.Conn {
	t.Helper()
	server, err := embedded.Start(embedded.Config{StoreDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Stop)
	conn, err := queue.Connect(t.Context(), queue.ConnectConfig{URLs: []string{server.ClientURL()}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	if _, err := queue.Setup(t.Context(), conn, queue.DefaultParams()); err != nil {
		t.Fatal(err)
	}
	return conn
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
	for i, l := range []deadletter.Letter{
		letter(0, "acme", "main", outcome.Dropped, "dropped_by_server: rejected 17"),
		letter(1, "acme", "main", outcome.Dropped, "dropped_by_server: rejected 18"),
		letter(2, "acme", "", outcome.Malformed, "id: missing"),
		letter(3, "beta", "main", outcome.TooLarge, "payload_too_large"),
		letter(4, "", "", outcome.Malformed, `tenant: "x" differs`),
	} {
		if reason, err := writer.Write(t.Context(), l); err != nil || reason != l.Reason {
			t.Fatalf("%d: %s, %v", i, reason, err)
		}
	}
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
}

func TestFiltersRefuseWildcardsAndUnknownReasons(t *testing.T) {
	t.Parallel()
	for _, f := range []deadletter.Filter{{Tenant: "*"}, {Destination: "a.b"}, {Reason: "because"}} {
		if err := f.Validate(); err == nil {
			t.Errorf("%+v was taken", f)
		}
	}
}
