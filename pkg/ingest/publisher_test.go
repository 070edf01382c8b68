package ingest_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/goleak"

	"github.com/hogcast/hogcast/pkg/embedded"
	"github.com/hogcast/hogcast/pkg/ingest"
)

func TestAFullStreamSaysSo(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.stream(t, func(c *jetstream.StreamConfig) { c.MaxMsgs = 1 })
	p := r.publisher(t, ingest.Options{})
	if err := p.Publish(t.Context(), rec("a", 1)); err != nil {
		t.Fatal(err)
	}
	err := p.Publish(t.Context(), rec("a", 2))
	if !errors.Is(err, ingest.ErrQueueFull) || !strings.Contains(err.Error(), "the queue is full: maximum messages exceeded (10077)") {
		t.Errorf("error = %v", err)
	}
}

func TestAFullQuotaRefusesItsTenantAlone(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.stream(t, func(c *jetstream.StreamConfig) { c.MaxMsgsPerSubject, c.DiscardNewPerSubject = 1, true })
	p := r.publisher(t, ingest.Options{})
	if err := p.Publish(t.Context(), rec("a", 1)); err != nil {
		t.Fatal(err)
	}
	if err := p.Publish(t.Context(), rec("a", 2)); !errors.Is(err, ingest.ErrQueueFull) {
		t.Errorf("a's second: %v, want %v", err, ingest.ErrQueueFull)
	}
	if err := p.Publish(t.Context(), rec("b", 1)); err != nil {
		t.Errorf("b's first: %v", err)
	}
}

func TestADuplicateIsSuccess(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.stream(t, nil)
	p := r.publisher(t, ingest.Options{})
	for i, tenant := range []string{"a", "a", "b"} { // b's is another record
		results := make(chan ingest.Result, 1)
		if err := p.Send(t.Context(), rec(tenant, 1), func(r ingest.Result) { results <- r }); err != nil {
			t.Fatal(err)
		}
		want := ingest.Result{ID: "gen-1", Tenant: tenant, Duplicate: i == 1}
		if got := <-results; got != want {
			t.Errorf("got %+v, want %+v", got, want)
		}
	}
}

func TestAMissingStreamIsToldAfterAckTimeout(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	p := r.publisher(t, ingest.Options{AckTimeout: 300 * time.Millisecond})
	began := time.Now()
	err := p.Publish(t.Context(), rec("a", 1))
	if !errors.Is(err, ingest.ErrNotSetUp) || !strings.Contains(err.Error(), "hogcast setup") {
		t.Errorf("error = %v", err)
	}
	if took := time.Since(began); took < 300*time.Millisecond || took > 10*time.Second {
		t.Errorf("told after %s", took)
	}
}

func TestAStreamThatComesWithinAckTimeoutTakesTheRecord(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	p := r.publisher(t, ingest.Options{AckTimeout: 10 * time.Second})
	done := make(chan error, 1)
	go func() { done <- p.Publish(t.Context(), rec("a", 1)) }()
	// The server's word that nobody listens is the only message coming in.
	for deadline := time.Now().Add(5 * time.Second); r.conn.Stats().InMsgs == 0; {
		if time.Now().After(deadline) {
			t.Fatal("no attempt was made")
		}
		runtime.Gosched()
	}
	r.stream(t, nil)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	select {
	case err := <-done:
		if err != nil {
			t.Error(err)
		}
	case <-ctx.Done():
		t.Error("still without answer")
	}
}

// silence takes the records of a tenant and never answers.
func (r *rig) silence(t *testing.T) *nats.Subscription {
	t.Helper()
	sub, err := r.conn.SubscribeSync("hogcast.generations.>")
	if err != nil {
		t.Fatal(err)
	}
	return sub
}

func TestAnUnknownOutcomeIsAskedAgainWithTheSameIDUntilTheContextEnds(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	sub := r.silence(t)
	p := r.publisher(t, ingest.Options{AckTimeout: 50 * time.Millisecond})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	results := make(chan ingest.Result, 2)
	if err := p.Send(ctx, rec("a", 1), func(r ingest.Result) { results <- r }); err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		m, err := sub.NextMsg(5 * time.Second)
		if err != nil {
			t.Fatalf("attempt %d: %v", i+1, err)
		}
		if got, want := m.Header.Get("Nats-Msg-Id"), "a/gen-1"; got != want {
			t.Errorf("attempt %d: id %q, want %q", i+1, got, want)
		}
	}
	cancel()
	got := <-results
	if !errors.Is(got.Err, ingest.ErrUnknown) || !errors.Is(got.Err, context.Canceled) {
		t.Errorf("error = %v", got.Err)
	}
	if err := p.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(results) != 0 {
		t.Error("the callback was called twice")
	}
}

func TestWithoutAConnectionNothingIsSent(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	lost := make(chan struct{})
	r.conn.SetDisconnectErrHandler(func(*nats.Conn, error) { close(lost) })
	p := r.publisher(t, ingest.Options{})
	r.server.Stop()
	<-lost
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := p.Publish(ctx, rec("a", 1)); !errors.Is(err, ingest.ErrNotSent) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error = %v", err)
	}
	r.conn.Close()
	if err := p.Publish(t.Context(), rec("a", 1)); !errors.Is(err, ingest.ErrNotSent) || !errors.Is(err, nats.ErrConnectionClosed) {
		t.Errorf("on a closed connection: %v", err)
	}
}

func TestAPublishWithoutPermissionFailsAfterAckTimeout(t *testing.T) {
	t.Parallel()
	s, err := server.NewServer(&server.Options{
		Host: "127.0.0.1", Port: server.RANDOM_PORT, NoSigs: true, NoLog: true,
		Users: []*server.User{{Username: "u", Password: "p", Permissions: &server.Permissions{
			Publish: &server.SubjectPermission{Allow: []string{"hogcast.generations.mine"}},
		}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	if !s.ReadyForConnections(10 * time.Second) {
		t.Fatal("not ready")
	}
	nc, err := nats.Connect(s.ClientURL(), nats.UserInfo("u", "p"), nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}))
	if err != nil {
		t.Fatal(err)
	}
	closed := make(chan struct{})
	nc.SetClosedHandler(func(*nats.Conn) { close(closed) })
	t.Cleanup(func() { nc.Close(); <-closed })
	r := &rig{conn: nc}
	p := r.publisher(t, ingest.Options{AckTimeout: 100 * time.Millisecond})
	for range 2 { // the second is told by a violation of its own
		if err := p.Publish(t.Context(), rec("theirs", 1)); !errors.Is(err, ingest.ErrPermission) {
			t.Errorf("error = %v, want %v", err, ingest.ErrPermission)
		}
	}
	// What stood there before says nothing of a subject that is permitted.
	if err := p.Publish(t.Context(), rec("mine", 1)); !errors.Is(err, ingest.ErrNotSetUp) {
		t.Errorf("error = %v, want %v", err, ingest.ErrNotSetUp)
	}
}

func TestWhatIsInFlightIsBounded(t *testing.T) {
	t.Parallel()
	size := int64(len(rec("a", 1)))
	for name, o := range map[string]ingest.Options{
		"in messages": {MaxInFlight: 3},
		"in bytes":    {MaxInFlightBytes: 3*size + size/2},
	} {
		r := newRig(t)
		sub := r.silence(t)
		o.AckTimeout = 30 * time.Second
		p := r.publisher(t, o)
		results := make(chan ingest.Result, 10)
		send := func(ctx context.Context, n int) error {
			return p.Send(ctx, rec("a", n), func(r ingest.Result) { results <- r })
		}
		var first *nats.Msg
		for i := range 3 {
			if err := send(t.Context(), i); err != nil {
				t.Fatal(err)
			}
			m, err := sub.NextMsg(5 * time.Second)
			if err != nil {
				t.Fatal(err)
			}
			if i == 0 {
				first = m
			}
		}
		short, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		if err := send(short, 3); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: a fourth: %v, want to wait until the context ends", name, err)
		}
		cancel()
		blocked := make(chan error, 1)
		go func() { blocked <- send(t.Context(), 4) }()
		if err := first.Respond([]byte(`{"stream":"S","seq":1}`)); err != nil {
			t.Fatal(err)
		}
		if err := <-blocked; err != nil {
			t.Errorf("%s: the fourth after an answer: %v", name, err)
		}
		if got := <-results; got.Err != nil || got.ID != "gen-0" {
			t.Errorf("%s: %+v", name, got)
		}
		ended, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		if err := p.Close(ended); err == nil || !strings.Contains(err.Error(), "3 records given up") {
			t.Errorf("%s: closing: %v", name, err)
		}
		cancel()
		for range 3 {
			if got := <-results; !errors.Is(got.Err, ingest.ErrUnknown) || !errors.Is(got.Err, ingest.ErrClosed) {
				t.Errorf("%s: given up with %v", name, got.Err)
			}
		}
		if err := send(t.Context(), 5); !errors.Is(err, ingest.ErrClosed) {
			t.Errorf("%s: after closing: %v", name, err)
		}
	}
}

func TestAnEndedContextKeepsItsRoomWhileItsAttemptIsOpen(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.silence(t)
	p := r.publisher(t, ingest.Options{MaxInFlight: 1, AckTimeout: 500 * time.Millisecond})
	began := time.Now()
	for n := range 2 {
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan ingest.Result, 1)
		if err := p.Send(ctx, rec("a", n), func(r ingest.Result) { done <- r }); err != nil {
			t.Fatal(err)
		}
		cancel()
		if got := <-done; !errors.Is(got.Err, context.Canceled) {
			t.Error(got.Err)
		}
	}
	if took := time.Since(began); took < 500*time.Millisecond {
		t.Errorf("the second was let in after %s, while the first was still with the connection", took)
	}
}

func TestCloseLetsBlockedCallersGo(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	sub := r.silence(t)
	p := r.publisher(t, ingest.Options{MaxInFlight: 1})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	if err := p.Send(ctx, rec("a", 1), func(ingest.Result) {}); err != nil {
		t.Fatal(err)
	}
	if _, err := sub.NextMsg(5 * time.Second); err != nil {
		t.Fatal(err)
	}
	blocked := make(chan error, 1)
	go func() { blocked <- p.Send(t.Context(), rec("a", 2), func(ingest.Result) {}) }()
	closed := make(chan error, 1)
	go func() { closed <- p.Close(t.Context()) }()
	if err := <-blocked; !errors.Is(err, ingest.ErrClosed) {
		t.Errorf("blocked: %v", err)
	}
	cancel() // ends what Close waits for
	if err := <-closed; err != nil {
		t.Error(err)
	}
}

// Not parallel: it looks at all goroutines of the process.
func TestCloseLeavesNoGoroutineThoughTheConnectionStays(t *testing.T) {
	r := newRig(t)
	r.stream(t, nil)
	before := goleak.IgnoreCurrent()
	p := r.publisher(t, ingest.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	if err := p.Publish(ctx, rec("a", 1)); err != nil {
		t.Fatal(err)
	}
	if err := p.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := goleak.Find(before); err != nil {
		t.Error(err)
	}
}

func TestFlushWaitsForWhatWasTakenBeforeIt(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.stream(t, nil)
	p := r.publisher(t, ingest.Options{MaxInFlight: 64})
	var done atomic.Int64
	for n := range 500 {
		if err := p.Send(t.Context(), rec("a", n), func(ingest.Result) { done.Add(1) }); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := done.Load(); got != 500 {
		t.Errorf("%d callbacks after Flush, want 500", got)
	}
}

func TestARestartOfTheServerLosesAndDoublesNothing(t *testing.T) {
	t.Parallel()
	const records = 2000
	dir := t.TempDir()
	s, err := embedded.Start(embedded.Config{StoreDir: dir})
	if err != nil {
		t.Fatal(err)
	}
	r := connectTo(t, s)
	r.stream(t, nil)
	p := r.publisher(t, ingest.Options{MaxInFlight: 128, AckTimeout: time.Second})
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	var mu sync.Mutex
	calls := map[string]int{}
	third := make(chan struct{})
	callback := func(r ingest.Result) {
		mu.Lock()
		defer mu.Unlock()
		calls[r.ID]++
		if r.Err != nil {
			t.Errorf("%s: %v", r.ID, r.Err)
		}
		if len(calls) == records/3 {
			close(third)
		}
	}
	restarted := make(chan error, 1)
	go func() {
		<-third
		s.Stop()
		again, err := embedded.Start(embedded.Config{StoreDir: dir, Port: port(t, s.ClientURL())})
		if err == nil {
			t.Cleanup(again.Stop)
		}
		restarted <- err
	}()
	for n := range records {
		if err := p.Send(ctx, rec("a", n), callback); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.Flush(ctx); err != nil {
		t.Fatal(err)
	}
	if err := <-restarted; err != nil {
		t.Fatal(err)
	}
	stored := map[string]int{}
	for _, m := range r.stored(t) {
		stored[m.Header.Get("Nats-Msg-Id")]++
	}
	for n := range records {
		id := fmt.Sprintf("gen-%d", n)
		if calls[id] != 1 || stored["a/"+id] != 1 {
			t.Errorf("%s: %d callbacks, stored %d times; want 1 and 1", id, calls[id], stored["a/"+id])
		}
	}
}

func BenchmarkPublish(b *testing.B) {
	body := append(rec("a", 0)[:0:0], `","prompt":"`+strings.Repeat("words and more ", 95)+`"}`...)
	record := func(n int) []byte {
		return append(fmt.Appendf(nil, `{"tenant":"a","created_at":"2026-01-31T23:59:59Z","model":"m","id":"%d-%d`, b.N, n), body...)
	}
	setup := func(b *testing.B) *ingest.Publisher {
		b.Helper()
		r := newRig(b)
		r.stream(b, nil)
		b.ReportAllocs()
		b.SetBytes(int64(len(record(0))))
		return r.publisher(b, ingest.Options{})
	}
	b.Run("sync", func(b *testing.B) {
		p := setup(b)
		for n := 0; b.Loop(); n++ {
			if err := p.Publish(b.Context(), record(n)); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("async", func(b *testing.B) {
		p := setup(b)
		failed := func(r ingest.Result) {
			if r.Err != nil {
				b.Error(r.Err)
			}
		}
		for n := 0; b.Loop(); n++ {
			if err := p.Send(b.Context(), record(n), failed); err != nil {
				b.Fatal(err)
			}
		}
		if err := p.Flush(context.Background()); err != nil {
			b.Fatal(err)
		}
	})
}
