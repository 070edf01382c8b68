package observability_test

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/hogcast/hogcast/pkg/app"
	"github.com/hogcast/hogcast/pkg/embedded"
	"github.com/hogcast/hogcast/pkg/queue"
	"github.com/hogcast/hogcast/pkg/sandbox"
	"github.com/hogcast/hogcast/test/natstest"
)

// fleet is two workers with a NATS and a PostHog of their own.
type fleet struct {
	conn    *queue.Conn
	posthog *sandbox.Server
	metrics []string // addresses
	began   time.Time
	sent    int
}

func startFleet(t *testing.T) *fleet {
	t.Helper()
	nats := natstest.Start(t, embedded.Config{})
	f := &fleet{posthog: sandbox.New(sandbox.Config{KeepNone: true}), began: time.Now(), conn: natstest.Connect(t, nats)}
	params := queue.DefaultParams()
	params.StorageBytes = 1 << 30
	natstest.SetUp(t, f.conn, params)
	if err := f.posthog.Start("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.posthog.Close() })
	text := "destinations:\n"
	for _, tenant := range []string{"acme", "beta", "gamma", "delta"} {
		text += fmt.Sprintf("- {tenant: %s, name: main, api_key: %s, endpoint: '%s'}\n", tenant, keyOf(tenant), f.posthog.URL())
	}
	text += fmt.Sprintf("- {tenant: beta, name: second, api_key: phc_beta_second0, endpoint: '%s', sampling_rate: 0.5}\n", f.posthog.URL())
	file := filepath.Join(t.TempDir(), "destinations.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"worker-1", "worker-2"} {
		f.metrics = append(f.metrics, startWorker(t, app.WorkerConfig{
			NATS: queue.ConnectConfig{URLs: []string{nats.ClientURL()}}, Destinations: file, Name: name, Listen: "127.0.0.1:0",
			EgressAllow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, MetricsTenants: 20, FiguresEvery: time.Second,
		}))
	}
	return f
}

func startWorker(t *testing.T, c app.WorkerConfig) string {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	addr, ended := make(chan string, 1), make(chan error, 1)
	c.Listening = func(a string) { addr <- a }
	go func() { ended <- app.RunWorker(ctx, c) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("worker: %v", err)
		}
	})
	return <-addr
}

func keyOf(tenant string) string { return "phc_" + tenant + "0000000000" }

// send publishes for a while, at about 200 records a second: each tenant's, one
// without a destination, one that can't be read.
func (f *fleet) send(t *testing.T, d time.Duration) {
	t.Helper()
	tick := time.NewTicker(250 * time.Millisecond)
	defer tick.Stop()
	for n, end := 0, time.Now().Add(d); time.Now().Before(end); n++ {
		for i := range 48 {
			f.publish(t, []string{"acme", "beta", "gamma", "delta"}[i%4], "")
		}
		if n%8 == 7 {
			f.publish(t, "nobody", "")
			f.publish(t, "beta", `{"id":`)
		}
		<-tick.C
	}
}

func (f *fleet) publish(t *testing.T, tenant, body string) {
	t.Helper()
	f.sent++
	id := fmt.Sprintf("r%d", f.sent)
	if body == "" {
		body = fmt.Sprintf(`{"id":%q,"tenant":%q,"created_at":"2026-01-02T03:04:05Z","model":"m","user":"u%d","messages":[{"role":"user","content":"hi"}]}`, id, tenant, f.sent)
	}
	err := f.conn.Publish(t.Context(), queue.Message{Subject: queue.GenerationSubject(tenant), ID: tenant + "/" + id, Body: []byte(body)})
	if err != nil {
		t.Fatal(err)
	}
}

// live is a story: all is well; acme's PostHog goes down and comes back; gamma's
// is slow and limits; then acme's key is refused.
func (f *fleet) live(t *testing.T) {
	t.Helper()
	acme, gamma := sandbox.Match{APIKey: keyOf("acme")}, sandbox.Match{APIKey: keyOf("gamma")}
	f.send(t, 8*time.Second)
	f.posthog.Always(acme, sandbox.Status(503))
	f.posthog.Script(gamma, sandbox.Status(429), sandbox.Status(500))
	f.send(t, 10*time.Second)
	f.posthog.Clear(acme)
	f.send(t, 12*time.Second)
	f.posthog.Always(acme, sandbox.Status(401))
	f.send(t, 8*time.Second)
}
