package pipeline_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/hogcast/hogcast/pkg/deadletter"
	"github.com/hogcast/hogcast/pkg/delivery"
	"github.com/hogcast/hogcast/pkg/destination"
	"github.com/hogcast/hogcast/pkg/embedded"
	"github.com/hogcast/hogcast/pkg/envelope"
	"github.com/hogcast/hogcast/pkg/event"
	"github.com/hogcast/hogcast/pkg/fleet"
	"github.com/hogcast/hogcast/pkg/held"
	"github.com/hogcast/hogcast/pkg/outcome"
	"github.com/hogcast/hogcast/pkg/pipeline"
	"github.com/hogcast/hogcast/pkg/queue"
	"github.com/hogcast/hogcast/pkg/telemetry"
	"github.com/hogcast/hogcast/test/natstest"
)

// posthog answers for each event by its destination, and notes what it took.
type posthog struct {
	mu     sync.Mutex
	answer map[string]outcome.Verdict // by destination's name; absent: accept
	breaks map[string]bool            // uuids of events that break their batch
	taken  map[string]int             // `<destination> <uuid>` → how often
	seen   chan struct{}
}

func (p *posthog) Send(_ context.Context, to *destination.Destination, batch []*event.Event) []outcome.Verdict {
	p.mu.Lock()
	defer p.mu.Unlock()
	verdicts := make([]outcome.Verdict, len(batch))
	broken := slices.ContainsFunc(batch, func(e *event.Event) bool { return p.breaks[e.UUID] })
	for i, e := range batch {
		v, ok := p.answer[to.Name]
		if broken {
			v, ok = outcome.Verdict{Action: outcome.Retry, Cause: outcome.ServerError, Status: 500}, true
		}
		if !ok {
			v = outcome.Verdict{Action: outcome.Accept, Cause: outcome.OK}
			p.taken[to.Name+" "+e.UUID]++
		}
		verdicts[i] = v
	}
	select {
	case p.seen <- struct{}{}:
	default:
	}
	return verdicts
}

func (p *posthog) set(name string, v *outcome.Verdict) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if v == nil {
		delete(p.answer, name)
		return
	}
	p.answer[name] = *v
}

func (p *posthog) counts() (events, twice int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, n := range p.taken {
		events++
		if n > 1 {
			twice++
		}
	}
	return events, twice
}

type registry struct{ set *destination.Set }

func (r registry) Current() *destination.Set { return r.set }

type world struct {
	conn    *queue.Conn
	posthog *posthog
	metrics *prometheus.Registry
	board   *fleet.Board
	handler *pipeline.Handler
	hand    *queue.Hand
	stop    func() // as a worker stops; once
}

func to(name string, private bool) *destination.Destination {
	return &destination.Destination{
		ID: destination.ID{Tenant: "acme", Name: name}, Enabled: true, SamplingRate: 1,
		Protocol: destination.Auto, PrivacyMode: private, APIKey: destination.NewSecret("phc_x"),
	}
}

// start runs a whole pipeline over a real NATS, with a posthog of the test's.
func start(t *testing.T, params queue.Params, destinations ...*destination.Destination) *world {
	t.Helper()
	return startWith(t, params, func(p *pipeline.Params) { p.Registry = registry{destination.NewSet(destinations)} })
}

// startWith is start with a registry of the test's.
func startWith(t *testing.T, params queue.Params, change func(*pipeline.Params)) *world {
	t.Helper()
	return startAs(t, params, scene{change: change, tune: func(*world, *delivery.Config) {}, keep: func(*pipeline.Keeper) {}})
}

// scene is what a test changes.
type scene struct {
	change func(*pipeline.Params)
	tune   func(*world, *delivery.Config)
	keep   func(*pipeline.Keeper)
}

func startAs(t *testing.T, params queue.Params, s scene) *world {
	t.Helper()
	conn := natstest.Connect(t, natstest.Start(t, embedded.Config{}))
	natstest.SetUp(t, conn, params)
	w := &world{conn: conn, metrics: prometheus.NewRegistry(), posthog: &posthog{
		answer: map[string]outcome.Verdict{}, taken: map[string]int{}, seen: make(chan struct{}, 1),
	}}
	c := delivery.DefaultConfig()
	c.BatchWait, c.RetryFirst, c.RetryMax = 5*time.Millisecond, 10*time.Millisecond, 50*time.Millisecond
	w.board = fleet.New(fleet.Params{Conn: conn, Worker: "w1"})
	s.tune(w, &c)
	dispatcher, err := delivery.New(c, w.posthog)
	if err != nil {
		t.Fatal(err)
	}
	consumer, err := queue.NewConsumer(queue.ConsumerConfig{Conn: conn})
	if err != nil {
		t.Fatal(err)
	}
	waker := held.NewWaker(conn, nil)
	waking, stopWaker := context.WithCancel(context.Background())
	woken := make(chan struct{})
	go func() { defer close(woken); waker.Run(waking) }()
	p := pipeline.Params{
		Health: w.board, Parker: held.NewParker(conn, waker, nil),
		Deliverer: dispatcher, Settler: consumer, Worker: "w1",
		Letters: deadletter.NewWriter(conn, int(conn.NATS.MaxPayload())), Metrics: telemetry.New(w.metrics, telemetry.Params{Version: "test"}),
		MainLaneMax: 300 * time.Millisecond,
	}
	s.change(&p)
	handler := pipeline.New(p)
	branches := handler.HeldBranches(conn)
	s.keep(branches)
	w.handler, w.hand = handler, consumer.Hand
	ctx, cancel := context.WithCancel(context.Background())
	keeper := held.NewKeeper(held.Params{
		Conn: conn, Hand: consumer.Hand, Window: queue.NewWindow(queue.DefaultWindow), Registry: p.Registry,
		Board: w.board, Deliverer: branches, Waker: waker,
	})
	kept := make(chan struct{})
	go func() { defer close(kept); keeper.Run(ctx) }()
	done := make(chan error, 1)
	go func() { done <- consumer.Run(ctx, handler.Handle) }()
	w.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		drain, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		handler.Quiesce(drain)
		dispatcher.Stop(drain)
		handler.Stop(drain)
		<-kept
		consumer.Drain(drain)
		if off := p.Metrics.Ledger.Imbalance(); off != 0 {
			t.Errorf("the ledger is off by %d branches", off)
		}
		stopWaker()
		<-woken
	})
	t.Cleanup(w.stop)
	return w
}

func rec(tenant, id, more string) string {
	return fmt.Sprintf(`{"id":%q,"tenant":%q,"created_at":"2026-01-02T03:04:05Z","model":"m"%s}`, id, tenant, more)
}

func (w *world) publish(t *testing.T, id, body string) {
	t.Helper()
	err := w.conn.Publish(t.Context(), queue.Message{
		Subject: queue.GenerationSubject("acme"), ID: "acme/" + id, Body: []byte(body),
		Header: map[string][]string{"Traceparent-Not": {"x"}, envelope.HeaderTraceparent: {"00-0123-45-01"}},
	})
	if err != nil {
		t.Fatal(err)
	}
}

// await polls with a deadline.
func await(t *testing.T, what string, holds func() bool) {
	t.Helper()
	awaitFor(t, 20*time.Second, what, holds)
}

func awaitFor(t *testing.T, patience time.Duration, what string, holds func() bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(patience)
	for !holds() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("%s did not come", what)
		}
	}
}

// unacknowledged is how many records the stream still holds.
func (w *world) unacknowledged(t *testing.T) uint64 {
	t.Helper()
	n, err := queue.Waiting(t.Context(), w.conn, queue.StreamGenerations)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func (w *world) letters(t *testing.T) []*deadletter.Stored {
	t.Helper()
	var all []*deadletter.Stored
	err := deadletter.NewReader(w.conn).Each(t.Context(), deadletter.Filter{}, true, func(s *deadletter.Stored) error {
		all = append(all, s)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func (w *world) onlyLetter(t *testing.T) *deadletter.Stored {
	t.Helper()
	await(t, "the acknowledgement", func() bool { return w.unacknowledged(t) == 0 })
	all := w.letters(t)
	if len(all) != 1 {
		t.Fatalf("got %d dead letters, want 1", len(all))
	}
	return all[0]
}

func TestDeliveredRecordsAreAcknowledged(t *testing.T) {
	t.Parallel()
	w := start(t, queue.DefaultParams(), to("main", false))
	for i := range 300 {
		id := fmt.Sprintf("g%d", i)
		w.publish(t, id, rec("acme", id, ""))
	}
	await(t, "the acknowledgement", func() bool { return w.unacknowledged(t) == 0 })
	if events, twice := w.posthog.counts(); events != 300 || twice != 0 || len(w.letters(t)) != 0 {
		t.Errorf("%d events, %d of them twice, %d letters", events, twice, len(w.letters(t)))
	}
}

func TestWhatCantBeReadIsKeptAsMalformed(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ body, field, recordID string }{
		"not JSON":              {"oops", "record", ""},
		"no model":              {`{"id":"g1","tenant":"acme","created_at":"2026-01-02T03:04:05Z"}`, "model", "g1"},
		"the tenant of another": {rec("other", "g1", ""), "tenant", "g1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := start(t, queue.DefaultParams(), to("main", false))
			w.publish(t, "g1", tt.body)
			l := w.onlyLetter(t)
			e := l.Envelope
			if l.Tenant != "acme" || l.Destination != "" || l.Reason != "malformed" || e.Field != tt.field || e.RecordID != tt.recordID {
				t.Errorf("got %+v %+v", l, e)
			}
			if string(e.Body) != tt.body || e.MsgID != "acme/g1" || e.Source.Stream != queue.StreamGenerations || e.Worker != "w1" || e.Traceparent == "" || e.Detail == "" {
				t.Errorf("got %+v", e)
			}
		})
	}
}

func TestWhatCantBeReadCantBeMadePrivate(t *testing.T) {
	t.Parallel()
	w := start(t, queue.DefaultParams(), to("open", false), to("private", true))
	w.publish(t, "g1", `{"id":"g1","messages":"CANARY"`)
	l := w.onlyLetter(t)
	if len(l.Envelope.Body) != 0 || l.Envelope.SHA256 == "" || l.Envelope.Size == 0 || l.Envelope.Replayable() {
		t.Errorf("got %+v", l.Envelope)
	}
}

func TestATenantWithoutDestinationKeepsItsRecords(t *testing.T) {
	t.Parallel()
	w := start(t, queue.DefaultParams())
	w.publish(t, "g1", rec("acme", "g1", ""))
	if l := w.onlyLetter(t); l.Reason != "no_destination" || string(l.Envelope.Body) != rec("acme", "g1", "") {
		t.Errorf("got %+v", l)
	}
}

// held is how many branches a destination of acme has in the held lane.
func (w *world) held(t *testing.T, name string) uint64 {
	t.Helper()
	n, err := w.conn.HeldCount(t.Context(), queue.HeldSubject("acme", name))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestEachDestinationHasItsOwnFate(t *testing.T) {
	t.Parallel()
	w := start(t, queue.DefaultParams(), to("good", false), to("bad", false))
	w.posthog.set("bad", &outcome.Verdict{Action: outcome.Retry, Cause: outcome.ServerError, Status: 503})
	w.publish(t, "g1", rec("acme", "g1", ""))
	await(t, "the good one's event", func() bool { n, _ := w.posthog.counts(); return n == 1 })
	// The bad one's branch is held, and the record done; then it heals.
	await(t, "the acknowledgement", func() bool { return w.unacknowledged(t) == 0 })
	if n := w.held(t, "bad"); n != 1 {
		t.Fatalf("%d branches are held, want 1", n)
	}
	w.posthog.set("bad", nil)
	await(t, "the bad one's event", func() bool { n, _ := w.posthog.counts(); return n == 2 })
	await(t, "the end of what is held", func() bool { return w.held(t, "bad") == 0 })
	if events, twice := w.posthog.counts(); events != 2 || twice != 0 {
		t.Errorf("%d events, %d of them twice; want 2 and none", events, twice)
	}
}

func TestAPausedDestinationsBranchesAreHeldAfterItsPrivacyRules(t *testing.T) {
	t.Parallel()
	paused := to("main", true)
	paused.Paused = true
	w := start(t, queue.DefaultParams(), paused)
	w.publish(t, "g1", rec("acme", "g1", `,"prompt":"CANARY","unknown":"CANARY"`))
	await(t, "the acknowledgement", func() bool { return w.unacknowledged(t) == 0 })
	m, err := w.conn.Oldest(t.Context(), queue.HeldSubject("acme", "main"))
	if err != nil {
		t.Fatal(err)
	}
	e, err := envelope.Parse(m.Header, m.Body)
	if err != nil {
		t.Fatal(err)
	}
	if e.Reason != "paused" || e.RecordID != "g1" || e.Attempts != 0 || e.Source.Stream != queue.StreamGenerations || len(e.Rules) != 1 {
		t.Errorf("got %+v", e)
	}
	if strings.Contains(string(m.Body), "CANARY") || !strings.Contains(string(m.Body), `"id":"g1"`) {
		t.Errorf("held: %s", m.Body)
	}
}

func TestWhatFindsNoRoomInTheHeldLaneIsADeadLetter(t *testing.T) {
	t.Parallel()
	paused := to("main", false)
	paused.Paused = true
	params := queue.DefaultParams()
	params.HeldQuota = 1
	w := start(t, params, paused)
	for i := range 3 {
		id := fmt.Sprint("g", i)
		w.publish(t, id, rec("acme", id, ""))
	}
	await(t, "the acknowledgement", func() bool { return w.unacknowledged(t) == 0 })
	letters := w.letters(t)
	if w.held(t, "main") != 1 || len(letters) != 2 {
		t.Fatalf("%d held and %d letters, want 1 and 2", w.held(t, "main"), len(letters))
	}
	for _, l := range letters {
		if l.Reason != "held_full" || l.Destination != "main" || !l.Envelope.Replayable() || l.Envelope.Detail == "" {
			t.Errorf("got %+v %+v", l, l.Envelope)
		}
	}
}

func TestAPrivateDestinationsLetterHoldsNoContent(t *testing.T) {
	t.Parallel()
	w := start(t, queue.DefaultParams(), to("private", true))
	w.posthog.set("private", &outcome.Verdict{Action: outcome.Bury, Cause: outcome.DroppedByServer, Status: 200, Detail: "you said CANARY"})
	w.publish(t, "g1", rec("acme", "g1", `,"prompt":"CANARY","error":"CANARY","unknown":"CANARY"`))
	l := w.onlyLetter(t)
	e := l.Envelope
	if l.Destination != "private" || l.Reason != "dropped" || e.Status != 200 || e.Attempts != 1 || len(e.Rules) != 1 || e.LastAttempt.IsZero() {
		t.Errorf("got %+v %+v", l, e)
	}
	if all := fmt.Sprintf("%+v %s", e, e.Body); strings.Contains(all, "CANARY") || !strings.Contains(string(e.Body), `"id":"g1"`) {
		t.Errorf("the letter holds content, or no record: %s", all)
	}
}

func TestWithoutRoomAnywhereNothingIsAcknowledged(t *testing.T) {
	t.Parallel()
	w := start(t, queue.DefaultParams(), to("main", false))
	limit := func(bytes int64) {
		stream, err := w.conn.JS.Stream(t.Context(), queue.StreamDead)
		if err != nil {
			t.Fatal(err)
		}
		config := stream.CachedInfo().Config
		config.MaxBytes = bytes
		if _, err := w.conn.JS.UpdateStream(t.Context(), config); err != nil {
			t.Fatal(err)
		}
	}
	limit(64)
	w.publish(t, "g1", "oops 1")
	await(t, "the handler to be stuck", w.handler.Stuck)
	if n := w.unacknowledged(t); n != 1 {
		t.Fatalf("%d records are unacknowledged, want 1", n)
	}
	// Room is made: the record is kept and acknowledged by itself.
	limit(-1)
	await(t, "the acknowledgement", func() bool { return w.unacknowledged(t) == 0 })
	if len(w.letters(t)) != 1 || w.handler.Stuck() {
		t.Errorf("%d letters, stuck: %t", len(w.letters(t)), w.handler.Stuck())
	}
}
