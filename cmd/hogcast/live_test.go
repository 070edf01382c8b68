package main

import (
	"bytes"
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/hogcast/hogcast/cmd/internal/clitest"
	"github.com/hogcast/hogcast/pkg/app"
	"github.com/hogcast/hogcast/pkg/config"
	"github.com/hogcast/hogcast/pkg/queue"
	"github.com/hogcast/hogcast/pkg/sandbox"
	"github.com/hogcast/hogcast/pkg/seal"
	"github.com/hogcast/hogcast/test/natstest"
)

const (
	plantedKey = "phc_planted_key_of_acme_0001"
	secondKey  = "phc_planted_key_of_acme_0002"
	otherKey   = "phc_planted_key_of_acme_0003"
	pathOfV1   = "/i/v1/analytics/events"
	inForce    = 2 * time.Second
)

// fleet is a NATS, a PostHog and a worker whose destinations are in the bucket,
// and an operator.
type fleet struct {
	conn    *queue.Conn
	posthog *sandbox.Server
	flags   []string
	url     string
	nth     int // of the records

	mu   sync.Mutex
	said bytes.Buffer // by the operator's commands and the worker's log
}

func (f *fleet) Write(p []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.said.Write(p)
}

// Sync implements zapcore.WriteSyncer.
func (*fleet) Sync() error { return nil }

func newFleet(t *testing.T) *fleet {
	t.Helper()
	server, conn := natstest.New(t)
	f := &fleet{conn: conn, posthog: sandbox.New(sandbox.Config{KnownKeys: []string{plantedKey, secondKey, otherKey}}), url: server.ClientURL()}
	if err := f.posthog.Start("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.posthog.Close() })
	line, err := seal.NewKey("k1")
	if err != nil {
		t.Fatal(err)
	}
	keys := filepath.Join(t.TempDir(), "keys")
	if err := os.WriteFile(keys, []byte(line), 0o600); err != nil {
		t.Fatal(err)
	}
	f.flags = []string{"--nats-url", f.url, "--secrets-key-file", keys}
	f.work(t, keys)
	return f
}

// work runs a worker until the test ends.
func (f *fleet) work(t *testing.T, keys string) {
	t.Helper()
	secrets, err := app.SecretsOf(config.Secrets{KeyFile: keys})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	consuming, ended := make(chan struct{}), make(chan error, 1)
	go func() {
		ended <- app.RunWorker(ctx, app.WorkerConfig{
			NATS: queue.ConnectConfig{URLs: []string{f.url}}, Secrets: secrets, DrainTimeout: time.Second,
			EgressAllow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")},
			Consuming:   func() { close(consuming) },
			Logger:      zap.New(zapcore.NewCore(zapcore.NewJSONEncoder(zap.NewProductionEncoderConfig()), f, zap.DebugLevel)),
		})
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	select {
	case <-consuming:
	case err := <-ended:
		t.Fatal(err)
	}
}

// op runs one of the operator's commands, whose exit code must be as said.
func (f *fleet) op(t *testing.T, code int, command string, args ...string) clitest.Outcome {
	t.Helper()
	got := runWith(t, "", append(append(strings.Fields(command), args...), f.flags...)...)
	fmt.Fprintf(f, "%s%s", got.Out, got.Err)
	if got.Code != code {
		t.Fatalf("%s: exit code %d, want %d\n%s%s", command, got.Code, code, got.Out, got.Err)
	}
	return got
}

func (f *fleet) trail(t *testing.T) string {
	t.Helper()
	got := runWith(t, "", "audit", "--nats-url", f.url)
	fmt.Fprintf(f, "%s%s", got.Out, got.Err)
	if got.Code != 0 {
		t.Fatalf("audit: %+v", got)
	}
	return got.Out
}

func (f *fleet) put(t *testing.T, name, key string, more ...string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(file, []byte(key), 0o600); err != nil {
		t.Fatal(err)
	}
	f.op(t, 0, "destinations put "+name, append(more, "--api-key-file", file, "--endpoint", f.posthog.URL(), "--egress-allow", "127.0.0.0/8")...)
}

func (f *fleet) publish(t *testing.T, n int) {
	t.Helper()
	for range n {
		f.nth++
		id := fmt.Sprintf("r%d", f.nth)
		body := fmt.Sprintf(`{"id":%q,"tenant":"acme","created_at":%q,"model":"m","messages":[{"role":"user","content":"hi"}]}`, id, time.Now().UTC().Format(time.RFC3339))
		if err := f.conn.Publish(t.Context(), queue.Message{Subject: queue.GenerationSubject("acme"), ID: "acme/" + id, Body: []byte(body)}); err != nil {
			t.Fatal(err)
		}
	}
}

// taken counts the generations that came with a key.
func (f *fleet) taken(key string) (n int) {
	for _, e := range f.posthog.Taken() {
		if e.APIKey == key && e.Event == "$ai_generation" {
			n++
		}
	}
	return n
}

func (f *fleet) count(t *testing.T, stream string) uint64 {
	t.Helper()
	n, err := queue.Waiting(t.Context(), f.conn, stream)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func (f *fleet) states(t *testing.T) (keys []string) {
	t.Helper()
	bucket, err := f.conn.Bucket(t.Context(), queue.BucketState)
	if err != nil {
		t.Fatal(err)
	}
	if err := bucket.Each(t.Context(), func(e queue.Entry) { keys = append(keys, e.Key) }); err != nil {
		t.Fatal(err)
	}
	return keys
}

// soon waits until it holds, and returns how long that took.
func soon(t *testing.T, what string, ok func() bool) time.Duration {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for began := time.Now(); ; <-tick.C {
		if ok() {
			return time.Since(began)
		}
		if time.Since(began) > time.Minute {
			t.Fatalf("never: %s", what)
		}
	}
}

func TestAnOperatorsChangesAreInForceAtOnce(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	f.put(t, "acme.main", plantedKey)
	f.publish(t, 10)
	if took := soon(t, "the first are delivered", func() bool { return f.taken(plantedKey) == 10 }); took > inForce {
		t.Errorf("delivered %s after the put", took)
	}

	f.op(t, 0, "destinations pause acme.main")
	paused := soon(t, "what comes is held", func() bool { f.publish(t, 1); return f.count(t, queue.StreamHeld) > 0 })
	before := f.taken(plantedKey)
	f.publish(t, 5)
	soon(t, "the rest is held", func() bool { return f.count(t, queue.StreamHeld) >= 6 && f.count(t, queue.StreamGenerations) == 0 })
	if paused > inForce || f.taken(plantedKey) > before {
		t.Errorf("paused after %s, and %d events more", paused, f.taken(plantedKey)-before)
	}
	if got := f.op(t, 0, "destinations list").Out; !strings.Contains(got, "main         paused") {
		t.Errorf("listed as\n%s", got)
	}
	f.op(t, 0, "destinations resume acme.main")
	soon(t, "what was held is delivered", func() bool { return f.taken(plantedKey) == f.nth && f.count(t, queue.StreamHeld) == 0 })
	f.quiet(t)
}

func TestAnotherKeyMendsA401(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	f.put(t, "acme.main", plantedKey)
	refused := sandbox.Match{APIKey: plantedKey, Path: pathOfV1}
	f.posthog.Always(refused, sandbox.Status(401))
	f.publish(t, 3)
	soon(t, "they are held", func() bool { return f.count(t, queue.StreamHeld) == 3 })
	soon(t, "it is listed", func() bool {
		return strings.Contains(f.op(t, 0, "destinations list").Out, "held: unauthorized (401)")
	})
	if got := f.op(t, 1, "destinations resume acme.main"); !strings.Contains(got.Out, "acme.main was probed and stays held: unauthorized (401)") {
		t.Errorf("resumed: %+v", got)
	}
	f.put(t, "acme.main", secondKey)
	soon(t, "they are delivered", func() bool { return f.taken(secondKey) == 3 && f.count(t, queue.StreamHeld) == 0 })

	// The same outage, mended at PostHog: nobody waits for the next probe.
	f.posthog.Always(sandbox.Match{APIKey: secondKey, Path: pathOfV1}, sandbox.Status(401))
	f.publish(t, 3)
	soon(t, "they are held", func() bool { return f.count(t, queue.StreamHeld) == 3 })
	f.posthog.Clear(sandbox.Match{APIKey: secondKey, Path: pathOfV1})
	if got := f.op(t, 0, "destinations resume acme.main"); !strings.Contains(got.Out, "acme.main answers: it is ") && !strings.Contains(got.Out, "healthy already") {
		t.Errorf("resumed: %+v", got)
	}
	soon(t, "they are delivered", func() bool { return f.taken(secondKey) == 6 })
	if trail := f.trail(t); !strings.Contains(trail, "destination_woken     acme.main") {
		t.Errorf("the trail:\n%s", trail)
	}
	f.quiet(t)
}

func TestWhatIsHeldGoesWhereTheDeleterSays(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	f.put(t, "acme.old", plantedKey)
	f.op(t, 0, "destinations pause acme.old")
	soon(t, "it is paused", func() bool { f.publish(t, 1); return f.count(t, queue.StreamHeld) > 0 })
	f.publish(t, 4)
	soon(t, "they are held", func() bool { return f.count(t, queue.StreamGenerations) == 0 && f.count(t, queue.StreamHeld) >= 5 })
	held := int(f.count(t, queue.StreamHeld)) //nolint:gosec // a handful
	if got := f.op(t, 1, "destinations delete acme.old --yes --held drain"); !strings.Contains(got.Err, "acme.old is paused, and so delivers nothing") {
		t.Errorf("drained: %+v", got)
	}
	f.put(t, "acme.new", otherKey, "--privacy-mode")
	got := f.op(t, 0, "destinations delete acme.old --yes --held move=new --by ann").Out
	if !strings.Contains(got, fmt.Sprintf("%d held branches moved to acme.new", held)) {
		t.Errorf("deleted:\n%s", got)
	}
	soon(t, "the other has them", func() bool { return f.taken(otherKey) == held })
	for _, e := range f.posthog.Taken() {
		if e.APIKey == otherKey && strings.Contains(string(e.Properties), `"hi"`) {
			t.Errorf("content for a private destination: %s", e.Properties)
		}
	}
	soon(t, "nothing is left of the old one", func() bool { return len(f.states(t)) == 0 && f.count(t, queue.StreamWakeups) == 0 })
	if trail := f.trail(t); !strings.Contains(trail, "held_moved            acme.old") {
		t.Errorf("the trail:\n%s", trail)
	}

	f.op(t, 0, "destinations pause acme.new")
	soon(t, "it is paused", func() bool { f.publish(t, 1); return f.count(t, queue.StreamHeld) > 0 })
	f.op(t, 0, "destinations disable acme.new --held discard --yes")
	soon(t, "nothing is held", func() bool { return f.count(t, queue.StreamHeld) == 0 })
	if trail := f.trail(t); !strings.Contains(trail, "held_discarded        acme.new") {
		t.Errorf("the trail:\n%s", trail)
	}
	f.quiet(t)
}

func TestDrainingWaitsForDelivery(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	f.put(t, "acme.main", plantedKey)
	f.posthog.Always(sandbox.Match{Path: pathOfV1}, sandbox.Status(401))
	f.publish(t, 5)
	soon(t, "they are held", func() bool { return f.count(t, queue.StreamHeld) == 5 })
	if got := f.op(t, 1, "destinations delete acme.main --yes --held drain --timeout 1s"); !strings.Contains(got.Err, "acme.main: 5 held branches: still held, and so nothing was deleted") {
		t.Errorf("drained: %+v", got)
	}
	f.posthog.Clear(sandbox.Match{Path: pathOfV1})
	f.op(t, 0, "destinations delete acme.main --yes --held drain")
	if n := f.taken(plantedKey); n != 5 {
		t.Errorf("%d delivered before it was deleted", n)
	}
	soon(t, "nothing is left of it", func() bool { return len(f.states(t)) == 0 && f.count(t, queue.StreamWakeups) == 0 })
	f.quiet(t)
}

// quiet holds all that was said against the keys.
func (f *fleet) quiet(t *testing.T) {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	if strings.Contains(f.said.String(), "phc_planted") {
		t.Errorf("a key was said:\n%s", f.said.String())
	}
}
