package deadletter_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hogcast/hogcast/pkg/deadletter"
	"github.com/hogcast/hogcast/pkg/envelope"
	"github.com/hogcast/hogcast/pkg/outcome"
	"github.com/hogcast/hogcast/pkg/queue"
)

// buried are the record ids of the letters that match, oldest first.
func buried(t *testing.T, conn *queue.Conn, f deadletter.Filter) []string {
	t.Helper()
	var got []string
	if err := deadletter.NewReader(conn).Each(t.Context(), f, false, func(s *deadletter.Stored) error {
		got = append(got, s.Envelope.RecordID)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return got
}

// discards remembers what a writer discarded.
type discards struct {
	mu  sync.Mutex
	all []deadletter.Discard
}

func (d *discards) of(w *deadletter.Writer) {
	w.OnDiscard(func(one deadletter.Discard) {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.all = append(d.all, one)
	})
}

func TestAFullSubjectMakesRoomByItsOldest(t *testing.T) {
	t.Parallel()
	params := queue.DefaultParams()
	params.DeadQuota = 3
	conn := connectWith(t, params)
	writer := deadletter.NewWriter(conn, 1<<20)
	var gone discards
	gone.of(writer)
	bury(t, writer, letter(0, "acme", "other", outcome.Dropped, ""), letter(1, "acme", "main", outcome.Poison, ""))
	for i := 2; i < 8; i++ {
		bury(t, writer, letter(i, "acme", "main", outcome.Dropped, ""))
	}
	if diff := cmp.Diff([]string{"g0", "g1", "g5", "g6", "g7"}, buried(t, conn, deadletter.Filter{})); diff != "" {
		t.Errorf("letters (-want +got):\n%s", diff)
	}
	if len(gone.all) != 3 || gone.all[0].Key != (deadletter.Key{Tenant: "acme", Destination: "main", Reason: "dropped"}) || gone.all[0].Sequence != 3 {
		t.Errorf("discarded: %+v", gone.all)
	}
}

func TestManyWritersMakeRoomForEveryLetter(t *testing.T) {
	t.Parallel()
	params := queue.DefaultParams()
	params.DeadQuota = 5
	conn := connectWith(t, params)
	writer := deadletter.NewWriter(conn, 1<<20)
	var gone discards
	gone.of(writer)
	var writing sync.WaitGroup
	for i := range 40 {
		writing.Go(func() { bury(t, writer, letter(i, "acme", "main", outcome.Dropped, "")) })
	}
	writing.Wait()
	if got := buried(t, conn, deadletter.Filter{}); len(got) != 5 || len(gone.all) != 35 {
		t.Errorf("%v are there, %d were discarded", got, len(gone.all))
	}
}

// fillStream limits the stream's bytes and has tenant beta fill them.
func fillStream(t *testing.T, conn *queue.Conn) {
	t.Helper()
	stream, err := conn.JS.Stream(t.Context(), queue.StreamDead)
	if err != nil {
		t.Fatal(err)
	}
	config := stream.CachedInfo().Config
	config.MaxBytes = 64 << 10
	if _, err := conn.JS.UpdateStream(t.Context(), config); err != nil {
		t.Fatal(err)
	}
	for i := 1000; ; i++ {
		l := large(i, "beta", 2<<10)
		err := conn.Publish(t.Context(), queue.Message{
			Subject: queue.DeadSubject("beta", "main", string(outcome.Dropped)), ID: envelope.MoveID(l.Envelope.Source, "main"),
			Header: l.Envelope.Headers(), Body: l.Envelope.Body,
		})
		if queue.AtLimit(err) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

func large(i int, tenant string, size int) deadletter.Letter {
	l := letter(i, tenant, "main", outcome.Dropped, "")
	l.Envelope.Body = []byte(strings.Repeat("x", size))
	return l
}

func TestAFullStreamTakesNothingFromOthersButFromWhoHasTheMost(t *testing.T) {
	t.Parallel()
	conn := connect(t)
	writer := deadletter.NewWriter(conn, 1<<20)
	for i := range 10 { // acme's, of 1 KiB each
		bury(t, writer, large(i, "acme", 1<<10))
	}
	fillStream(t, conn)
	before := len(buried(t, conn, deadletter.Filter{Tenant: "beta"}))
	var gone discards
	gone.of(writer)
	bury(t, writer, large(50, "acme", 4<<10)) // takes the room of several of its own
	got := buried(t, conn, deadletter.Filter{Tenant: "acme"})
	if len(got)+len(gone.all) != 11 || !slices.Contains(got, "g50") || slices.Contains(got, "g0") || !slices.Contains(got, "g9") {
		t.Errorf("acme's are %v; discarded %+v", got, gone.all)
	}
	if after := len(buried(t, conn, deadletter.Filter{Tenant: "beta"})); after != before {
		t.Errorf("beta had %d letters, now %d", before, after)
	}
	// One that has none of its own must not stop the fleet: beta fills the stream.
	acmes := len(got)
	bury(t, writer, large(60, "gamma", 4<<10))
	if after := len(buried(t, conn, deadletter.Filter{Tenant: "acme"})); after != acmes {
		t.Errorf("acme had %d letters, now %d", acmes, after)
	}
	if after := len(buried(t, conn, deadletter.Filter{Tenant: "beta"})); after >= before {
		t.Errorf("beta had %d letters, now %d; it has filled the stream", before, after)
	}
}

// A branch dies, is replayed and dies again, all inside the stream's duplicate
// window: two deaths of one source are two letters.
func TestABranchThatDiesAgainIsANewLetter(t *testing.T) {
	t.Parallel()
	conn := connect(t)
	writer, reader := deadletter.NewWriter(conn, 1<<20), deadletter.NewReader(conn)
	l := letter(1, "acme", "main", outcome.Dropped, "")
	bury(t, writer, l)
	if err := reader.Drop(t.Context(), 1); err != nil { // replayed
		t.Fatal(err)
	}
	for i := range 2 { // the death of another held message; written twice it is one
		l.From = envelope.Source{Stream: queue.StreamHeld, Sequence: 7, Time: time.Unix(0, 9)}
		bury(t, writer, l)
		if got := buried(t, conn, deadletter.Filter{}); !slices.Equal(got, []string{"g1"}) {
			t.Fatalf("%d: got %v", i, got)
		}
	}
	got, err := reader.Get(t.Context(), 2)
	if err != nil || fmt.Sprint(got.Envelope.Source) != fmt.Sprint(l.Envelope.Source) {
		t.Errorf("the source is lost: %v, %+v", err, got)
	}
}
