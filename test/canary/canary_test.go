package canary_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/hogcast/hogcast/pkg/app"
	"github.com/hogcast/hogcast/pkg/embedded"
	"github.com/hogcast/hogcast/pkg/queue"
	"github.com/hogcast/hogcast/pkg/sandbox"
	"github.com/hogcast/hogcast/test/natstest"
)

// world is a worker with everything around it that it can tell something.
type world struct {
	*watch
	conn    *queue.Conn
	posthog *sandbox.Server
	url     string // of PostHog, through the tap
	file    string // of destinations
	address chan string
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{
		watch:   &watch{armed: map[string]bool{}, seen: map[string]int{}},
		posthog: sandbox.New(sandbox.Config{}), file: filepath.Join(t.TempDir(), "destinations.yaml"), address: make(chan string, 1),
	}
	server := natstest.Start(t, embedded.Config{})
	w.conn = natstest.Connect(t, server)
	natstest.SetUp(t, w.conn, queue.DefaultParams())
	tapped := httptest.NewServer(w.tap(w.posthog))
	t.Cleanup(func() { tapped.Close(); _ = w.posthog.Close() })
	w.url = tapped.URL
	w.listen(t, server.ClientURL())
	w.configure(t, "")
	w.run(t, server.ClientURL())
	return w
}

// listen hears every message that is published.
func (w *world) listen(t *testing.T, url string) {
	t.Helper()
	nc, err := nats.Connect(url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	sub, err := nc.Subscribe(">", w.published)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(sub.SetPendingLimits(-1, -1), nc.Flush()); err != nil {
		t.Fatal(err)
	}
}

// configure puts destinations in force: %s is the endpoint.
func (w *world) configure(t *testing.T, entries string) {
	t.Helper()
	text := "destinations:\n" + strings.ReplaceAll(entries, "URL", w.url)
	if err := os.WriteFile(w.file+".new", []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(w.file+".new", w.file); err != nil {
		t.Fatal(err)
	}
}

// run runs a worker, its log on debug level, until the test ends.
func (w *world) run(t *testing.T, url string) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	encoder := zapcore.NewJSONEncoder(zap.NewDevelopmentEncoderConfig())
	go func() {
		ended <- app.RunWorker(ctx, app.WorkerConfig{
			NATS: queue.ConnectConfig{URLs: []string{url}}, Destinations: w.file, Listen: "127.0.0.1:0",
			EgressAllow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, MainLaneMax: 3 * time.Second, RequestTimeout: 2 * time.Second,
			Logger:    zap.New(zapcore.NewCore(encoder, zapcore.AddSync(w.watch), zap.DebugLevel)),
			Listening: func(addr string) { w.address <- addr },
		})
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			w.look("error", []byte(err.Error()))
			t.Errorf("worker: %v", err)
		}
		w.report(t)
	})
	eventually(t, "the worker's start", func() bool { return w.count("reload") > 0 })
}

func (w *world) publish(t *testing.T, tenant string, all map[string]string) {
	t.Helper()
	for id, body := range all {
		err := w.conn.Publish(t.Context(), queue.Message{Subject: queue.GenerationSubject(tenant), ID: tenant + "/" + id, Body: []byte(body)})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// stored looks at every message that is stored since a moment, and counts them
// by stream. The generation stream holds records as they were published.
func (w *world) stored(t *testing.T, since time.Time) map[string]int {
	t.Helper()
	counts := map[string]int{}
	names := w.conn.JS.StreamNames(t.Context())
	for name := range names.Name() {
		if name == queue.StreamGenerations {
			continue
		}
		stream, err := w.conn.JS.Stream(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		info, err := stream.Info(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for seq := max(1, info.State.FirstSeq); seq <= info.State.LastSeq; seq++ {
			m, err := stream.GetMsg(t.Context(), seq)
			if errors.Is(err, jetstream.ErrMsgNotFound) {
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			counts[name]++
			if m.Time.After(since) {
				w.look("stored "+name, []byte(fmt.Sprint(m.Header)), m.Data, inflate(m.Header.Get("Hogcast-Encoding"), m.Data))
			}
		}
	}
	if err := names.Err(); err != nil {
		t.Fatal(err)
	}
	return counts
}

// waiting is how many messages a stream holds of a subject.
func (w *world) waiting(t *testing.T, stream, subject string) (n uint64) {
	t.Helper()
	s, err := w.conn.JS.Stream(t.Context(), stream)
	if err != nil {
		t.Fatal(err)
	}
	info, err := s.Info(t.Context(), jetstream.WithSubjectFilter(subject))
	if err != nil {
		t.Fatal(err)
	}
	for _, count := range info.State.Subjects {
		n += count
	}
	return n
}

func (w *world) acknowledged(t *testing.T) {
	t.Helper()
	eventually(t, "the acknowledgement of all", func() bool { return w.waiting(t, queue.StreamGenerations, ">") == 0 })
}

// metrics looks at /metrics and its kin.
func (w *world) metrics(t *testing.T) {
	t.Helper()
	addr := <-w.address
	w.address <- addr
	for _, path := range []string{"/metrics", "/readyz", "/livez"} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+addr+path, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
		w.look(path, body)
	}
	http.DefaultClient.CloseIdleConnections()
}

const (
	modeKey   = "phc_mode00000000000"
	redactKey = "phc_redact000000000"
	flipKey   = "phc_flip00000000000"
	swapKey   = "phc_swap00000000000"
	amidKey   = "phc_amid00000000000"
	lateKey   = "phc_late00000000000"
)

const private = `
- {tenant: mode, api_key: ` + modeKey + `, endpoint: 'URL', privacy_mode: true}
- {tenant: redact, api_key: ` + redactKey + `, endpoint: 'URL', privacy: {redact: [email]}}
`

// faults play what an outage is made of, each answer a canary's echo.
func echoes(tenant string) []sandbox.Fault {
	echo := "can't store " + address(tenant)
	return []sandbox.Fault{
		sandbox.Body(http.StatusServiceUnavailable, "text/plain", echo),
		sandbox.Body(http.StatusBadRequest, "application/json", `{"error":"`+echo+`","error_description":"`+echo+`"}`),
		sandbox.Body(http.StatusOK, "application/json", `{"results":"`+echo+`"}`),
		sandbox.Drop(echo),
		sandbox.Verdict("retry", echo),
		sandbox.Verdict(echo, echo),
		sandbox.Body(http.StatusUnauthorized, "application/json", `{"detail":"`+echo+`","code":"`+canary+"-"+tenant+`"}`),
	}
}

func TestNothingLeaksFromPrivateDestinations(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.configure(t, private)
	eventually(t, "the destinations", func() bool { return w.count("reload") > 1 })
	w.arm("mode", "redact")
	all := map[string]map[string]string{"mode": {}, "redact": {}}
	for i := range len(echoes("")) + 1 {
		for tenant, sent := range all {
			batch := fmt.Sprintf("b%d", i)
			key := map[string]string{"mode": modeKey, "redact": redactKey}[tenant]
			if i > 0 {
				w.posthog.Script(sandbox.Match{APIKey: key}, echoes(tenant)[i-1].Times(3)...)
			}
			fresh := records(tenant, batch, content)
			if tenant == "redact" {
				fresh = records(tenant, batch, content, metadata)
			}
			maps.Copy(sent, fresh)
			w.publish(t, tenant, fresh)
			w.publish(t, tenant, unreadable(tenant, batch))
		}
		w.acknowledged(t)
		w.metrics(t)
	}
	// Something has to have left by each exit, or nothing was proven.
	counts := w.stored(t, time.Time{})
	for _, exit := range []string{"http", "log", "held", "dead", "$KV", "/metrics"} {
		if w.count(exit) == 0 {
			t.Errorf("nothing left by %s", exit)
		}
	}
	if counts[queue.StreamDead] == 0 {
		t.Errorf("no dead letters: %v", counts)
	}
	if w.posthog.Count() == 0 {
		t.Error("no event was taken")
	}
}

const open = `
- {tenant: flip, api_key: ` + flipKey + `, endpoint: 'URL'}
- {tenant: swap, api_key: ` + swapKey + `, endpoint: 'URL'}
- {tenant: amid, api_key: ` + amidKey + `, endpoint: 'URL'}
- {tenant: late, api_key: ` + lateKey + `, endpoint: 'URL'}
`

const closed = `
- {tenant: flip, api_key: ` + flipKey + `, endpoint: 'URL', privacy_mode: true}
- {tenant: swap, api_key: ` + swapKey + `, endpoint: 'URL', privacy: {redact: [email]}}
- {tenant: amid, api_key: ` + amidKey + `, endpoint: 'URL', privacy_mode: true}
- {tenant: late, api_key: ` + lateKey + `, endpoint: 'URL', privacy: {redact: [email]}}
`

// TestNothingLeaksOnceRulesAreOn turns rules on while PostHog fails: what waits
// in memory, what is held already and what is yet to come must not show a canary
// from then on.
func TestNothingLeaksOnceRulesAreOn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.configure(t, open)
	eventually(t, "the destinations", func() bool { return w.count("reload") > 1 })
	keys := map[string]string{"flip": flipKey, "swap": swapKey}
	for tenant, key := range keys {
		w.posthog.Always(sandbox.Match{APIKey: key}, sandbox.Body(http.StatusServiceUnavailable, "text/plain", "can't store "+address(tenant)))
		w.publish(t, tenant, records(tenant, "before", content, metadata[:0]))
		w.publish(t, tenant, unreadable(tenant, "before"))
	}
	w.acknowledged(t)
	for tenant := range keys {
		if w.waiting(t, queue.StreamHeld, "hogcast.held."+tenant+".>") == 0 {
			t.Fatalf("nothing of %s is held", tenant)
		}
	}
	if len(w.leaks) > 0 {
		t.Fatal("the watch was armed too early")
	}
	// These are on their way while the rules change: the first request hangs.
	hanging := map[string]string{"amid": amidKey, "late": lateKey}
	for tenant, key := range hanging {
		w.posthog.Always(sandbox.Match{APIKey: key}, sandbox.Hang())
		w.publish(t, tenant, records(tenant, "amid", content))
		eventually(t, "a request that hangs", func() bool {
			return slices.ContainsFunc(w.posthog.Requests(), func(r sandbox.Request) bool { return r.APIKey == key })
		})
	}
	reloads := w.count("reload")
	w.configure(t, closed)
	eventually(t, "the rules", func() bool { return w.count("reload") > reloads })
	// A request that was made just before may still be on its way.
	changed := time.Now()
	eventually(t, "the rules in force", func() bool { return time.Since(changed) > time.Second })
	w.arm("amid", "late")
	for tenant, key := range hanging {
		w.posthog.Always(sandbox.Match{APIKey: key}, sandbox.Body(http.StatusBadGateway, "text/plain", "can't store "+address(tenant)))
	}
	w.arm("flip", "swap")
	since := time.Now()
	for tenant, key := range keys {
		w.posthog.Script(sandbox.Match{APIKey: key}, echoes(tenant)...)
		w.publish(t, tenant, records(tenant, "after", content))
		w.publish(t, tenant, unreadable(tenant, "after"))
	}
	w.acknowledged(t)
	// What is held comes back, and is refused: it is buried as the rules allow.
	for tenant, key := range keys {
		w.posthog.Clear(sandbox.Match{APIKey: key})
		w.posthog.Always(sandbox.Match{APIKey: key}, sandbox.Drop("rejected: "+address(tenant)))
		eventually(t, "the end of what is held of "+tenant, func() bool { return w.waiting(t, queue.StreamHeld, "hogcast.held."+tenant+".>") == 0 })
		if n := w.waiting(t, queue.StreamDead, "hogcast.dead."+tenant+".default.dropped"); n < uint64(len(content)) {
			t.Errorf("%d letters of what was held of %s, want at least %d", n, tenant, len(content))
		}
	}
	for tenant, key := range hanging {
		w.posthog.Clear(sandbox.Match{APIKey: key})
		eventually(t, "the events of "+tenant, func() bool {
			return slices.ContainsFunc(w.posthog.Taken(), func(e sandbox.Taken) bool { return e.APIKey == key }) &&
				w.waiting(t, queue.StreamHeld, "hogcast.held."+tenant+".>") == 0
		})
	}
	w.metrics(t)
	counts := w.stored(t, since)
	if w.posthog.Count() == 0 || counts[queue.StreamDead] == 0 {
		t.Errorf("%d events, %v", w.posthog.Count(), counts)
	}
}
