package app_test

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/goleak"

	"github.com/hogcast/hogcast/pkg/app"
	"github.com/hogcast/hogcast/pkg/embedded"
	"github.com/hogcast/hogcast/pkg/queue"
	"github.com/hogcast/hogcast/pkg/sandbox"
	"github.com/hogcast/hogcast/test/natstest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var loopback = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}

// world is a NATS that is set up and a PostHog stand-in.
type world struct {
	nats    *embedded.Server
	conn    *queue.Conn
	posthog *sandbox.Server
	config  app.WorkerConfig
}

func newWorld(t *testing.T, destinations string) *world {
	t.Helper()
	w := &world{posthog: sandbox.New(sandbox.Config{Strict: true})}
	w.nats, w.conn = natstest.New(t)
	if err := w.posthog.Start("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.posthog.Close() })
	file := filepath.Join(t.TempDir(), "destinations.yaml")
	text := "destinations:\n" + fmt.Sprintf(destinations, w.posthog.URL())
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	w.config = app.WorkerConfig{
		NATS: queue.ConnectConfig{URLs: []string{w.nats.ClientURL()}}, Destinations: file, EgressAllow: loopback,
	}
	return w
}

// run runs a worker until stop is called, which returns how it ended.
func (w *world) run(t *testing.T) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	config := w.config // the next may have another
	go func() { ended <- app.RunWorker(ctx, config) }()
	return func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("worker: %v", err)
		}
	}
}

func (w *world) publish(t *testing.T, tenant string, n int) {
	t.Helper()
	for i := range n {
		id := fmt.Sprintf("%s-%d", tenant, i)
		body := fmt.Sprintf(`{"id":%q,"tenant":%q,"created_at":"2026-01-02T03:04:05Z","model":"m","messages":[{"role":"user","content":"hi %d"}]}`, id, tenant, i)
		err := w.conn.Publish(t.Context(), queue.Message{Subject: queue.GenerationSubject(tenant), ID: tenant + "/" + id, Body: []byte(body)})
		if err != nil {
			t.Fatal(err)
		}
	}
}

func (w *world) waiting(t *testing.T, stream string) uint64 {
	t.Helper()
	s, err := w.conn.JS.Stream(t.Context(), stream)
	if err != nil {
		t.Fatal(err)
	}
	info, err := s.Info(t.Context(), jetstream.WithDeletedDetails(false))
	if err != nil {
		t.Fatal(err)
	}
	return info.State.Msgs
}

func TestPublishedRecordsReachPostHogAndAreAcknowledgedThen(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "- {tenant: acme, api_key: phc_acme0000000000, endpoint: '%[1]s'}\n- {tenant: beta, api_key: phc_beta0000000000, endpoint: '%[1]s', protocol: batch}\n")
	w.publish(t, "acme", 250)
	w.publish(t, "beta", 30)
	stop := w.run(t)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := w.posthog.Await(ctx, 280); err != nil {
		t.Fatalf("%v; got %d", err, w.posthog.Count())
	}
	stop()
	if left := w.waiting(t, queue.StreamGenerations); left != 0 {
		t.Errorf("%d records are left in the queue", left)
	}
	if n := w.posthog.Duplicates(); n != 0 {
		t.Errorf("%d events came twice", n)
	}
}

func TestAnOutageIsHeldAndComesBackByItself(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "- {tenant: acme, api_key: phc_acme0000000000, endpoint: '%[1]s'}\n- {tenant: beta, api_key: phc_beta0000000000, endpoint: '%[1]s'}\n")
	w.posthog.Always(sandbox.Match{APIKey: "phc_acme0000000000"}, sandbox.Status(503))
	defer w.run(t)()
	w.publish(t, "acme", 500)
	w.publish(t, "beta", 50)
	eventually(t, "the other tenant's events", func() bool { return w.posthog.Count() == 50 })
	eventually(t, "the acknowledgement of all", func() bool { return w.waiting(t, queue.StreamGenerations) == 0 })
	if n := w.waiting(t, queue.StreamHeld); n != 500 {
		t.Fatalf("%d branches are held, want 500", n)
	}
	w.posthog.Clear(sandbox.Match{APIKey: "phc_acme0000000000"})
	eventually(t, "the end of what is held", func() bool { return w.waiting(t, queue.StreamHeld) == 0 })
	if w.posthog.Count() != 550 || w.posthog.Duplicates() != 0 {
		t.Errorf("%d events, %d of them twice", w.posthog.Count(), w.posthog.Duplicates())
	}
	eventually(t, "the end of the wake-up and of the state", func() bool {
		return w.waiting(t, queue.StreamWakeups) == 0 && w.states(t) == 0
	})
}

// states is how many destinations are not healthy, as the fleet shares it.
func (w *world) states(t *testing.T) (n int) {
	t.Helper()
	bucket, err := w.conn.Bucket(t.Context(), queue.BucketState)
	if err != nil {
		t.Fatal(err)
	}
	if err := bucket.Each(t.Context(), func(queue.Entry) { n++ }); err != nil {
		t.Fatal(err)
	}
	return n
}
