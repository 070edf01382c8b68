package ingest_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/hogcast/hogcast/pkg/ingest"
	"github.com/hogcast/hogcast/pkg/queue"
)

// setUp sets up, or changes, the number of shards as `hogcast setup` does.
func (r *rig) setUp(t *testing.T, shards int) *queue.Conn {
	t.Helper()
	c, err := queue.Connect(t.Context(), queue.ConnectConfig{URLs: []string{r.conn.ConnectedUrl()}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	p := queue.DefaultParams()
	p.Shards = shards
	if _, err := queue.Setup(t.Context(), c, p); err != nil {
		t.Fatal(err)
	}
	return c
}

// bySubject counts the stored records of all generation streams.
func bySubject(t *testing.T, c *queue.Conn) map[string]uint64 {
	t.Helper()
	streams, err := c.GenerationStreams(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]uint64{}
	for _, stream := range streams {
		counts, err := c.CountBySubject(t.Context(), stream, ">")
		if err != nil {
			t.Fatal(err)
		}
		for subject, n := range counts {
			all[subject] += n
		}
	}
	return all
}

func TestRecordsGoToTheShardsThatThereAreFromTheFirstOn(t *testing.T) {
	t.Parallel()
	for _, shards := range []int{1, 2, 7} {
		r := newRig(t)
		c := r.setUp(t, shards)
		p := r.publisher(t, ingest.Options{})
		for n := range 50 {
			if err := p.Publish(t.Context(), rec(fmt.Sprintf("t%d", n), n)); err != nil {
				t.Fatal(err)
			}
		}
		got := bySubject(t, c)
		for n := range 50 {
			tenant := fmt.Sprintf("t%d", n)
			if subject := queue.ShardSubject(tenant, shards); got[subject] != 1 {
				t.Errorf("%d shards: %d records in %s, want 1", shards, got[subject], subject)
			}
		}
	}
}

func TestAChangeOfTheShardsWhilePublishingLosesAndDoublesNothing(t *testing.T) {
	t.Parallel()
	const tenants = 30
	r := newRig(t)
	c := r.setUp(t, 4)
	p := r.publisher(t, ingest.Options{MaxInFlight: 64})
	var mu sync.Mutex
	stored := 0
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	send := func(from, to int) {
		for n := from; n < to; n++ {
			err := p.Send(ctx, rec(fmt.Sprintf("t%d", n%tenants), n), func(r ingest.Result) {
				mu.Lock()
				defer mu.Unlock()
				if r.Err != nil || r.Duplicate {
					t.Errorf("%+v", r)
				}
				stored++
			})
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	send(0, 500)
	each := 500
	for i, shards := range []int{2, 1, 3, 1} { // fewer: what is known is wrong
		done := make(chan struct{})
		go func() { defer close(done); send((i+1)*each, (i+2)*each) }()
		r.setUp(t, shards)
		<-done
	}
	send(5*each, 6*each)
	if err := p.Flush(ctx); err != nil {
		t.Fatal(err)
	}
	var records uint64
	for _, n := range bySubject(t, c) {
		records += n
	}
	if want := 6 * each; stored != want || records != uint64(want) {
		t.Errorf("%d acknowledged, %d stored, want %d", stored, records, want)
	}
}

func TestAnOutcomeThatIsNotKnownIsAskedWhereItMayBeStored(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	sub, err := r.conn.SubscribeSync("hogcast.generations.acme") // takes it, and never answers
	if err != nil {
		t.Fatal(err)
	}
	p := r.publisher(t, ingest.Options{AckTimeout: 500 * time.Millisecond})
	done := make(chan ingest.Result, 1)
	if err := p.Send(t.Context(), rec("acme", 1), func(r ingest.Result) { done <- r }); err != nil {
		t.Fatal(err)
	}
	next := func() {
		t.Helper()
		if _, err := sub.NextMsg(5 * time.Second); err != nil {
			t.Fatal(err)
		}
	}
	next()
	r.shards(t, 2)
	other := r.publisher(t, ingest.Options{})
	if err := other.Publish(t.Context(), rec("other", 1)); err != nil {
		t.Fatal(err)
	}
	if err := p.Publish(t.Context(), rec("other", 2)); err != nil { // now it knows of the shards
		t.Fatal(err)
	}
	for range 3 {
		next()
	}
	// That nobody takes the subject any more says that it is not stored there.
	if err := sub.Unsubscribe(); err != nil {
		t.Fatal(err)
	}
	if got := <-done; got.Err != nil || got.Duplicate {
		t.Errorf("%+v", got)
	}
}

// shards makes streams of shards alone, without the one beside them.
func (r *rig) shards(t *testing.T, n int) {
	t.Helper()
	for i := range n {
		r.stream(t, func(c *jetstream.StreamConfig) {
			c.Name, c.Subjects = queue.ShardStream(i), []string{fmt.Sprintf("hogcast.generations.%d.*", i)}
		})
	}
}

func TestWhoMayNotAskForTheShardsPublishesAllTheSame(t *testing.T) {
	t.Parallel()
	s, err := server.NewServer(&server.Options{
		Host: "127.0.0.1", Port: server.RANDOM_PORT, NoSigs: true, NoLog: true, JetStream: true, StoreDir: t.TempDir(),
		Users: []*server.User{
			{Username: "admin", Password: "p"},
			{Username: "gateway", Password: "p", Permissions: &server.Permissions{
				Publish:   &server.SubjectPermission{Allow: []string{"hogcast.generations.>"}},
				Subscribe: &server.SubjectPermission{Allow: []string{"_INBOX.>"}},
			}},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	if !s.ReadyForConnections(10 * time.Second) {
		t.Fatal("not ready")
	}
	admin, err := queue.Connect(t.Context(), queue.ConnectConfig{URLs: []string{s.ClientURL()}, User: "admin", Password: "p"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(admin.Close)
	params := queue.DefaultParams()
	params.Shards = 4
	if _, err := queue.Setup(t.Context(), admin, params); err != nil {
		t.Fatal(err)
	}
	nc, err := nats.Connect(s.ClientURL(), nats.UserInfo("gateway", "p"), nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}))
	if err != nil {
		t.Fatal(err)
	}
	closed := make(chan struct{})
	nc.SetClosedHandler(func(*nats.Conn) { close(closed) })
	t.Cleanup(func() { nc.Close(); <-closed })
	r := &rig{conn: nc}
	p := r.publisher(t, ingest.Options{})
	began := time.Now()
	for n := range 3 {
		if err := p.Publish(t.Context(), rec("acme", n)); err != nil {
			t.Fatal(err)
		}
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("took %s", took)
	}
	if got := bySubject(t, admin)["hogcast.generations.acme"]; got != 3 {
		t.Errorf("%d of 3 records are in the stream that is always there", got)
	}
}
