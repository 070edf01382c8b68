package queue_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/hogcast/hogcast/pkg/embedded"
	"github.com/hogcast/hogcast/pkg/queue"
	"github.com/hogcast/hogcast/test/natstest"
)

func TestAFullStreamSaysSo(t *testing.T) {
	t.Parallel()
	c := natstest.Connect(t, natstest.Start(t, embedded.Config{}))
	natstest.SetUp(t, c, queue.DefaultParams())
	alter(t, c, queue.StreamGenerations, func(s *jetstream.StreamConfig) { s.MaxBytes = 4 << 10 })
	body := bytes.Repeat([]byte("x"), 1<<10)
	var err error
	for i := 0; err == nil && i < 10; i++ {
		err = put(t, c, "acme", fmt.Sprint(i), body)
	}
	if !errors.Is(err, queue.ErrQueueFull) {
		t.Errorf("publishing to a full stream: %v, want ErrQueueFull", err)
	}
}

func TestATenantOverItsQuotaAloneIsRefused(t *testing.T) {
	t.Parallel()
	c := natstest.Connect(t, natstest.Start(t, embedded.Config{}))
	p := queue.DefaultParams()
	p.TenantQuota = 3
	natstest.SetUp(t, c, p)
	for i := range 3 {
		publish(t, c, "greedy", fmt.Sprint(i), []byte("{}"))
	}
	if err := put(t, c, "greedy", "3", []byte("{}")); !errors.Is(err, queue.ErrQueueFull) {
		t.Errorf("over the quota: %v, want ErrQueueFull", err)
	}
	publish(t, c, "modest", "1", []byte("{}"))
	if got := state(t, c, queue.StreamGenerations).Msgs; got != 4 {
		t.Errorf("%d messages, want 4: none may make room for another", got)
	}
}

func TestTheSameIDIsStoredOnceAndIsSuccess(t *testing.T) {
	t.Parallel()
	c := natstest.Connect(t, natstest.Start(t, embedded.Config{}))
	natstest.SetUp(t, c, queue.DefaultParams())
	for range 3 {
		publish(t, c, "acme", "same", []byte("{}"))
	}
	publish(t, c, "other", "same", []byte("{}"))
	if got := state(t, c, queue.StreamGenerations).Msgs; got != 2 {
		t.Errorf("%d messages, want one a tenant", got)
	}
}

func TestMaxPayloadCountsHeadersAndNotTheSubject(t *testing.T) {
	t.Parallel()
	c := natstest.Connect(t, natstest.Start(t, embedded.Config{MaxPayload: 64 << 10}))
	natstest.SetUp(t, c, queue.DefaultParams())
	// NATS/1.0\r\n, Nats-Msg-Id: acme/x\r\n, \r\n
	headers := len("NATS/1.0\r\n") + len("Nats-Msg-Id: acme/x\r\n") + len("\r\n")
	if err := put(t, c, "acme", "x", make([]byte, 64<<10-headers)); err != nil {
		t.Errorf("exactly max_payload: %v", err)
	}
	err := put(t, c, "acme", "y", make([]byte, 64<<10-headers+1))
	if !errors.Is(err, queue.ErrTooLarge) {
		t.Errorf("a byte over max_payload: %v, want ErrTooLarge", err)
	}
	mentions(t, err, "65537", "65536")
}

func TestPublishLeavesTheCallersHeadersAlone(t *testing.T) {
	t.Parallel()
	c := natstest.Connect(t, natstest.Start(t, embedded.Config{}))
	natstest.SetUp(t, c, queue.DefaultParams())
	header := map[string][]string{"Hogcast-Reason": {"poison"}}
	m := queue.Message{Subject: queue.DeadSubject("a", "b", "poison"), ID: "1", Header: header}
	if err := c.Publish(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	if len(header) != 1 {
		t.Errorf("the caller's headers became %v", header)
	}
}

func TestAPublishThatIsNotPermittedFailsFast(t *testing.T) {
	t.Parallel()
	s := startWithUsers(t, &server.User{Username: "gateway", Password: secret, Permissions: &server.Permissions{
		Publish:   &server.SubjectPermission{Allow: []string{"hogcast.generations.mine"}},
		Subscribe: &server.SubjectPermission{Allow: []string{"_INBOX.>"}},
	}})
	c := natstest.ConnectAs(t, queue.ConnectConfig{URLs: []string{s.ClientURL()}, User: "gateway", Password: secret})
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	began := time.Now()
	err := c.Publish(ctx, queue.Message{Subject: "hogcast.generations.theirs", ID: "1"})
	if !errors.Is(err, queue.ErrPermission) {
		t.Errorf("not permitted: %v, want ErrPermission", err)
	}
	if took := time.Since(began); took > 3*time.Second {
		t.Errorf("took %s to say so", took)
	}
	if c.AsyncErrors() == 0 {
		t.Error("the refusal was not counted")
	}
}

func TestWhatIsNotPermittedIsToldAtOnce(t *testing.T) {
	t.Parallel()
	s := startWithUsers(t,
		&server.User{Username: "setup", Password: secret},
		&server.User{Username: "reader", Password: secret, Permissions: &server.Permissions{
			Publish: &server.SubjectPermission{Allow: []string{
				"$JS.API.STREAM.INFO.KV_" + queue.BucketState, "$JS.API.STREAM.INFO." + queue.StreamDead,
			}},
			Subscribe: &server.SubjectPermission{Allow: []string{"_INBOX.>"}},
		}})
	all := natstest.ConnectAs(t, queue.ConnectConfig{URLs: []string{s.ClientURL()}, User: "setup", Password: secret})
	if _, err := queue.Setup(t.Context(), all, queue.DefaultParams()); err != nil {
		t.Fatal(err)
	}
	few := natstest.ConnectAs(t, queue.ConnectConfig{URLs: []string{s.ClientURL()}, User: "reader", Password: secret})
	b := bucket(t, few, queue.BucketState)
	dead, err := few.Store(t.Context(), queue.StreamDead)
	if err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	for what, ask := range map[string]func() error{
		"a bucket":           func() error { _, err := few.Bucket(ctx, queue.BucketJobs); return err },
		"reading a key":      func() error { _, err := b.Get(ctx, "acme.main"); return err },
		"creating a key":     func() error { _, err := b.Put(ctx, "acme.main", nil, 0); return err },
		"updating a key":     func() error { _, err := b.Put(ctx, "acme.main", nil, 7); return err },
		"setting a key":      func() error { return b.Set(ctx, "acme.main", nil) },
		"deleting a key":     func() error { return b.Delete(ctx, "acme.main", 0) },
		"a key's history":    func() error { _, err := b.History(ctx, "acme.main"); return err },
		"a stream":           func() error { _, err := few.Store(ctx, queue.StreamHeld); return err },
		"reading a stream":   func() error { return dead.Read(ctx, queue.ReadParams{Subject: ">"}, nil) },
		"scanning a stream":  func() error { return dead.Scan(ctx, queue.ScanParams{Filter: ">", Last: 7}, nil) },
		"deleting a message": func() error { return dead.Delete(ctx, 1) },
		"purging":            func() error { return dead.Purge(ctx, ">", 1) },
	} {
		began := time.Now()
		if err := ask(); !errors.Is(err, queue.ErrPermission) {
			t.Errorf("%s: %v, want ErrPermission", what, err)
		}
		if took := time.Since(began); took > 3*time.Second {
			t.Errorf("%s: took %s to say so", what, took)
		}
	}
}

func TestPublishWithoutAStreamEndsWithItsContextAndSaysWhy(t *testing.T) {
	t.Parallel()
	c := natstest.Connect(t, natstest.Start(t, embedded.Config{}))
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	err := c.Publish(ctx, queue.Message{Subject: queue.GenerationSubject("acme"), ID: "1"})
	if !errors.Is(err, queue.ErrUnavailable) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("no stream: %v", err)
	}
	mentions(t, err, "hogcast setup")
}

func TestAServerRestartInTheMiddleLosesNothing(t *testing.T) {
	t.Parallel()
	cfg := embedded.Config{StoreDir: t.TempDir()}
	s := natstest.Start(t, cfg)
	cfg.Port = portOf(t, s)
	c := natstest.Connect(t, s)
	natstest.SetUp(t, c, queue.DefaultParams())

	const publishers, each = 8, 100
	var publishing sync.WaitGroup
	halfway := make(chan struct{})
	var once sync.Once
	for p := range publishers {
		publishing.Go(func() {
			for i := range each {
				if i == each/2 {
					once.Do(func() { close(halfway) })
				}
				if err := put(t, c, "acme", fmt.Sprintf("%d-%d", p, i), []byte("{}")); err != nil {
					t.Errorf("publishing: %v", err)
				}
			}
		})
	}
	receive(t, halfway, "half of it published")
	s.Stop()
	natstest.Start(t, cfg)
	publishing.Wait()
	natstest.Eventually(t, "connected again", c.Connected)
	if got := state(t, c, queue.StreamGenerations).Msgs; got != publishers*each {
		t.Errorf("%d messages, want %d: each once", got, publishers*each)
	}
}

func startWithUsers(t *testing.T, users ...*server.User) *server.Server {
	t.Helper()
	s, err := server.NewServer(&server.Options{
		Host: "127.0.0.1", Port: server.RANDOM_PORT, JetStream: true, StoreDir: t.TempDir(),
		NoLog: true, NoSigs: true, Users: users,
	})
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	if !s.ReadyForConnections(patience) {
		t.Fatal("not ready")
	}
	return s
}
