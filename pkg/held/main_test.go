package held_test

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/hogcast/hogcast/pkg/destination"
	"github.com/hogcast/hogcast/pkg/embedded"
	"github.com/hogcast/hogcast/pkg/envelope"
	"github.com/hogcast/hogcast/pkg/fleet"
	"github.com/hogcast/hogcast/pkg/health"
	"github.com/hogcast/hogcast/pkg/held"
	"github.com/hogcast/hogcast/pkg/outcome"
	"github.com/hogcast/hogcast/pkg/queue"
	"github.com/hogcast/hogcast/test/natstest"
)

func TestMain(m *testing.M) {
	flag.Parse()
	// These tests wait for servers more than they compute.
	if err := flag.Set("test.parallel", "8"); err != nil {
		panic(err)
	}
	goleak.VerifyTestMain(m)
}

// patience bounds every wait of these tests.
const patience = 30 * time.Second

const endpoint = "https://posthog.example.com"

func destinationOf(tenant string) *destination.Destination {
	return &destination.Destination{
		ID: destination.ID{Tenant: tenant, Name: "main"}, Enabled: true, APIKey: destination.NewSecret("phc_" + tenant),
		Endpoint: endpoint, Protocol: destination.Auto, SamplingRate: 1,
	}
}

// town is one NATS, with the destinations that all of its workers know.
type town struct {
	server  *embedded.Server
	outside *queue.Conn // who looks on, and parks by hand
	set     atomic.Pointer[destination.Set]
	parked  atomic.Uint64
}

func (tn *town) Current() *destination.Set { return tn.set.Load() }

func (tn *town) know(all ...*destination.Destination) { tn.set.Store(destination.NewSet(all)) }

func newTown(t *testing.T, change ...func(*queue.Params)) *town {
	t.Helper()
	s := natstest.Start(t, embedded.Config{MaxPayload: 64 << 10})
	tn := &town{server: s}
	tn.know()
	tn.outside = tn.connect(t)
	p := queue.DefaultParams()
	for _, c := range change {
		c(&p)
	}
	natstest.SetUp(t, tn.outside, p)
	return tn
}

func (tn *town) connect(t *testing.T) *queue.Conn {
	t.Helper()
	return natstest.Connect(t, tn.server)
}

// worker takes turns at what is held, and delivers it into a list.
type worker struct {
	conn   *queue.Conn
	hand   *queue.Hand
	window *queue.Window
	board  *fleet.Board
	waker  *held.Waker
	quota  *held.Quota
	parker *held.Parker
	keeper *held.Keeper
	sink   *sink

	stopKeeper func() // may be called twice
	die        func() // its leases are renewed no more
}

// worker starts a worker whose parts stop in the order of a real one's.
func (tn *town) worker(t *testing.T, name string, change ...func(*held.Params)) *worker {
	t.Helper()
	w := tn.idle(t, name, change...)
	w.stopKeeper = background(t, w.keeper.Run)
	return w
}

// idle is a worker that takes no turns.
func (tn *town) idle(t *testing.T, name string, change ...func(*held.Params)) *worker {
	t.Helper()
	w := &worker{conn: tn.connect(t), window: queue.NewWindow(queue.DefaultWindow), stopKeeper: func() {}}
	w.hand = queue.NewHand(w.window, 200*time.Millisecond, nil)
	w.board = fleet.New(fleet.Params{Conn: w.conn, Worker: name, ProbeLimit: time.Second})
	w.waker = held.NewWaker(w.conn, nil)
	w.quota = held.NewQuota(w.board.Workers, nil)
	w.parker = held.NewParker(w.conn, w.waker, w.quota)
	w.sink = &sink{w: w}
	p := held.Params{
		Conn: w.conn, Hand: w.hand, Window: w.window.Part(queue.DefaultWindow / 2), Registry: tn, Board: w.board,
		Deliverer: w.sink, Waker: w.waker, Quota: w.quota,
	}
	for _, c := range change {
		c(&p)
	}
	w.keeper = held.NewKeeper(p)
	background(t, w.board.Run)
	background(t, w.waker.Run)
	w.die = background(t, w.hand.Heartbeats)
	t.Cleanup(func() {
		w.stopKeeper()
		over, cancel := context.WithCancel(context.Background())
		cancel()
		w.hand.Drain(over)
	})
	w.board.CaughtUp(t.Context())
	return w
}

// background runs a part until the test ends, or what is returned is called.
func background(t *testing.T, run func(context.Context)) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { run(ctx) })
	stop = func() { cancel(); running.Wait() }
	t.Cleanup(stop)
	return stop
}

// branch is the nth record of a destination, as it leaves a generation message.
func branch(to destination.ID, n uint64) held.Branch {
	from := envelope.Source{Stream: queue.StreamGenerations, Sequence: n, Time: time.Unix(1_700_000_000, 0)}
	return held.Branch{To: to, From: from, Envelope: envelope.Envelope{
		Source: from, MsgID: fmt.Sprint(to.Tenant, "/", n), Reason: "server_error", Body: []byte(text(to, n)),
	}}
}

func text(to destination.ID, n uint64) string { return fmt.Sprint(to.Tenant, " ", n) }

// texts are those of the first n records of a destination.
func texts(to destination.ID, n uint64) []string {
	var all []string
	for i := range n {
		all = append(all, text(to, i+1))
	}
	return all
}

// hold parks the first n records of a destination without waking anybody.
// host is its host's token, or "".
func (tn *town) hold(t *testing.T, to destination.ID, host string, n uint64) {
	t.Helper()
	p := held.NewParker(tn.outside, held.NewWaker(tn.outside, nil), held.NewQuota(func() int { return 1 }, nil))
	for i := range n {
		b := branch(to, i+1)
		b.Host = host
		b.From.Time = b.From.Time.Add(time.Duration(tn.parked.Add(1))) //nolint:gosec // small
		if err := p.Park(t.Context(), b); err != nil {
			t.Fatal(err)
		}
	}
}

// rouse has a turn taken now.
func (tn *town) rouse(t *testing.T, to destination.ID) {
	t.Helper()
	if err := tn.outside.Rouse(t.Context(), queue.WakeupSubject(to.Tenant, to.Name)); err != nil {
		t.Fatal(err)
	}
}

// block writes a state as another worker would have, and waits until those who
// are to know it do. A probe is due.
func (tn *town) block(t *testing.T, to *destination.Destination, change func(*health.Status), workers ...*worker) {
	t.Helper()
	at := time.Now().Add(-time.Hour)
	s := health.Status{
		State: health.Open, Reason: "server_error", Code: 503, Revision: to.Revision(),
		Since: at, LastProbe: at, Gap: health.FirstGap, Worker: fmt.Sprint("w", at.UnixNano()),
	}
	if change != nil {
		change(&s)
	}
	tn.write(t, to.String(), s)
	for _, w := range workers {
		natstest.Eventually(t, "the state is known", func() bool { return w.board.Status(to).Worker == s.Worker })
	}
}

func (tn *town) write(t *testing.T, key string, s health.Status) {
	t.Helper()
	value, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	b, err := tn.outside.Bucket(t.Context(), queue.BucketState)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Set(t.Context(), key, value); err != nil {
		t.Fatal(err)
	}
}

// blockHost is block for a host.
func (tn *town) blockHost(t *testing.T, token string, workers ...*worker) {
	t.Helper()
	at := time.Now().Add(-time.Hour)
	tn.write(t, "_host."+token, health.Status{
		State: health.Open, Reason: "server_error", Code: 503, Host: endpoint, Since: at, LastProbe: at, Gap: health.FirstGap,
	})
	for _, w := range workers {
		natstest.Eventually(t, "the host's state is known", func() bool { return w.board.HostStatus(token).Blocked() })
	}
}

// count is how many messages a subject, or a filter, has.
func (tn *town) count(t *testing.T, stream, subject string) uint64 {
	t.Helper()
	by, err := tn.outside.CountBySubject(t.Context(), stream, subject)
	if err != nil {
		t.Fatal(err)
	}
	var n uint64
	for _, count := range by {
		n += count
	}
	return n
}

func (tn *town) heldFor(t *testing.T, id destination.ID) uint64 {
	t.Helper()
	return tn.count(t, queue.StreamHeld, queue.HeldSubject(id.Tenant, id.Name))
}

func (tn *town) wakeupsFor(t *testing.T, id destination.ID) uint64 {
	t.Helper()
	return tn.count(t, queue.StreamWakeups, queue.WakeupSubject(id.Tenant, id.Name))
}

// sink is a Deliverer: it takes what it is told to take, and remembers.
type sink struct {
	w *worker

	mu     sync.Mutex
	taken  []string // in order
	probed []string
	buried map[outcome.DeadReason][]string
	moved  []string
	// rerouted are records that were held before they could be routed.
	rerouted []string

	down    atomic.Bool                       // nothing is taken, no probe is answered
	refuses atomic.Pointer[destination.ID]    // this one's branches are not taken
	gate    atomic.Pointer[chan struct{}]     // if set: what is delivered waits for it
	before  atomic.Pointer[func(text string)] // if set: called with each
	alone   atomic.Int64                      // how often nothing else was to be in hand
}

func (s *sink) Deliver(d *queue.Delivery, to *destination.Destination, done func(bool)) {
	if hook := s.before.Load(); hook != nil {
		(*hook)(string(d.Data))
	}
	gate := s.gate.Load()
	if gate == nil {
		s.deliver(d, to, done)
		return
	}
	go func() {
		<-*gate
		s.deliver(d, to, done)
	}()
}

func (s *sink) deliver(d *queue.Delivery, to *destination.Destination, done func(bool)) {
	if s.refused(to.ID) {
		s.w.board.Observe(to, health.Sample{Cause: outcome.Timeout, Failed: true, Took: 10 * time.Second})
	}
	if s.down.Load() || s.refused(to.ID) {
		s.w.hand.Settle(d, queue.HandBack())
		done(false)
		return
	}
	s.note(&s.taken, string(d.Data))
	s.w.hand.Settle(d, queue.Ack())
	done(true)
}

func (s *sink) Probe(ctx context.Context, m queue.StoredMessage, p held.ProbeOf) bool {
	s.note(&s.probed, string(m.Body))
	if hook := s.before.Load(); hook != nil {
		(*hook)(string(m.Body))
	}
	if gate := s.gate.Load(); gate != nil {
		<-*gate
	}
	key := fleet.Key{ID: p.To.ID, Host: p.Host}
	if s.down.Load() || p.Host == "" && s.refused(p.To.ID) {
		s.w.board.Probed(key, health.Probe{Held: true, Sample: health.Sample{
			Cause: outcome.ServerError, Status: 503, Failed: true,
		}}, false)
		return false
	}
	stream := queue.StreamHeld
	if p.Host != "" {
		stream = queue.StreamHeldHosts
	}
	if err := s.w.conn.Delete(ctx, stream, m.Sequence); err != nil {
		return false
	}
	s.note(&s.taken, string(m.Body))
	s.w.board.Probed(key, health.Probe{Held: true}, true)
	return true
}

func (s *sink) bury(reason outcome.DeadReason, text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.buried == nil {
		s.buried = make(map[outcome.DeadReason][]string)
	}
	s.buried[reason] = append(s.buried[reason], text)
}

func (s *sink) BuryStored(ctx context.Context, m queue.StoredMessage, reason outcome.DeadReason) bool {
	s.bury(reason, string(m.Body))
	return s.w.conn.Delete(ctx, queue.StreamOfHeld(m.Subject), m.Sequence) == nil
}

func (s *sink) Alone(context.Context) (held.Deliverer, func()) {
	s.alone.Add(1)
	return s, func() {}
}

func (s *sink) Bury(d *queue.Delivery, reason outcome.DeadReason, done func(bool)) {
	s.bury(reason, string(d.Data))
	s.w.hand.Settle(d, queue.Ack())
	done(true)
}

func (s *sink) Move(d *queue.Delivery, to destination.ID, done func(bool)) {
	e, err := envelope.Parse(d.Header, d.Data)
	if err == nil {
		from := envelope.Source{Stream: d.Stream, Sequence: d.Sequence, Time: d.Time}
		err = s.w.parker.Park(context.Background(), held.Branch{To: to, From: from, Envelope: *e})
	}
	if err != nil {
		s.w.hand.Settle(d, queue.HandBack())
		done(false)
		return
	}
	s.note(&s.moved, string(d.Data))
	s.w.hand.Settle(d, queue.Ack())
	done(true)
}

func (s *sink) Reroute(_ context.Context, d *queue.Delivery, done func(bool)) {
	s.note(&s.rerouted, string(d.Data))
	s.w.hand.Settle(d, queue.Ack())
	done(true)
}

func (s *sink) refused(id destination.ID) bool {
	refused := s.refuses.Load()
	return refused != nil && *refused == id
}

func (s *sink) note(list *[]string, text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	*list = append(*list, text)
}

func (s *sink) got(list *[]string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(*list)
}

func (s *sink) delivered() []string { return s.got(&s.taken) }

func (s *sink) probes() []string { return s.got(&s.probed) }

func (s *sink) letters(reason outcome.DeadReason) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.buried[reason])
}

// throughout watches that is holds for a while.
func throughout(t *testing.T, d time.Duration, what string, is func() bool) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	over := time.After(d)
	for {
		select {
		case <-over:
			return
		case <-tick.C:
			if !is() {
				t.Fatalf("it does not hold that %s", what)
			}
		}
	}
}
