package replay_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/goleak"

	"github.com/hogcast/hogcast/pkg/deadletter"
	"github.com/hogcast/hogcast/pkg/destination"
	"github.com/hogcast/hogcast/pkg/embedded"
	"github.com/hogcast/hogcast/pkg/envelope"
	"github.com/hogcast/hogcast/pkg/outcome"
	"github.com/hogcast/hogcast/pkg/queue"
	"github.com/hogcast/hogcast/pkg/replay"
	"github.com/hogcast/hogcast/test/natstest"
)

func TestMain(m *testing.M) {
	flag.Parse()
	// These tests wait for servers more than they compute.
	if err := flag.Set("test.parallel", "16"); err != nil {
		panic(err)
	}
	goleak.VerifyTestMain(m)
}

const (
	patience = 20 * time.Second
	// lease is short where a test waits until a dead runner's has run out, and
	// long where a slow machine must not make a living one look dead.
	lease     = 200 * time.Millisecond
	longLease = 4 * time.Second
)

// world is a real queue with dead letters in it.
type world struct {
	conn   *queue.Conn
	reader *deadletter.Reader
	writer *deadletter.Writer
	bucket *queue.Bucket
	jobs   *replay.Jobs
	params queue.Params
	tenant string // whose letters and held messages these are
}

// as is the same world for another tenant.
func (w *world) as(tenant string) *world {
	other := *w
	other.tenant = tenant
	return &other
}

// patient makes the leases long.
func (w *world) patient() *world {
	w.jobs = replay.NewJobs(w.bucket, longLease)
	return w
}

func newWorld(t *testing.T, change ...func(*queue.Params)) *world {
	t.Helper()
	conn := natstest.Connect(t, natstest.Start(t, embedded.Config{}))
	w := &world{conn: conn, params: queue.DefaultParams(), tenant: "acme"}
	for _, c := range change {
		c(&w.params)
	}
	natstest.SetUp(t, conn, w.params)
	var err error
	if w.bucket, err = conn.Bucket(t.Context(), queue.BucketJobs); err != nil {
		t.Fatal(err)
	}
	w.reader, w.writer = deadletter.NewReader(conn), deadletter.NewWriter(conn, int(conn.NATS.MaxPayload()))
	w.jobs = replay.NewJobs(w.bucket, lease)
	return w
}

// runner is a runner that nothing happens to.
func (w *world) runner(name string, change ...func(*replay.Params)) *replay.Runner {
	p := replay.Params{
		Letters: w.reader, Held: w.conn, Jobs: w.jobs, Name: name,
		HeldQuota: w.params.HeldQuota, MaxPayload: int(w.conn.NATS.MaxPayload()), Poll: 10 * time.Millisecond,
	}
	for _, c := range change {
		c(&p)
	}
	return replay.NewRunner(p)
}

func knowing(set *destination.Set) func(*replay.Params) {
	return func(p *replay.Params) { p.Destinations = set }
}

// to makes destinations of the tenant.
func (w *world) to(change func(*destination.Destination), names ...string) *destination.Set {
	var all []*destination.Destination
	for _, name := range names {
		d := &destination.Destination{ID: destination.ID{Tenant: w.tenant, Name: name}, Enabled: true, SamplingRate: 1}
		if change != nil {
			change(d)
		}
		all = append(all, d)
	}
	return destination.NewSet(all)
}

func rec(tenant, id string) string {
	return `{"id":"` + id + `","tenant":"` + tenant + `","created_at":"` + time.Now().UTC().Format(time.RFC3339) +
		`","model":"m","messages":[{"role":"user","content":"canary ` + id + `"}]}`
}

func (w *world) letter(i int, dest string, reason outcome.DeadReason) deadletter.Letter {
	id := fmt.Sprintf("g%d", i)
	return deadletter.Letter{
		Tenant: w.tenant, Destination: dest, Reason: reason,
		Envelope: envelope.Envelope{
			Source: envelope.Source{Stream: queue.StreamGenerations, Sequence: uint64(i), Time: time.Now()}, //nolint:gosec // small
			MsgID:  w.tenant + "/" + id, RecordID: id, Detail: "why", Status: 400, Attempts: 7, Field: "f", Worker: "w", Mapping: "1",
			FirstAttempt: time.Now(), LastAttempt: time.Now(), Traceparent: "00-1-2-01", Body: []byte(rec(w.tenant, id)),
		},
	}
}

func (w *world) bury(t *testing.T, letters ...deadletter.Letter) {
	t.Helper()
	for _, l := range letters {
		if _, err := w.writer.Write(t.Context(), l); err != nil {
			t.Fatal(err)
		}
	}
}

// buryMany buries letters g1 to gn for a destination.
func (w *world) buryMany(t *testing.T, n int, dest string) {
	t.Helper()
	for i := 1; i <= n; i++ {
		w.bury(t, w.letter(i, dest, outcome.Dropped))
	}
}

// held is `<destination> <record id>` of each held message, sorted.
func (w *world) held(t *testing.T) []string {
	t.Helper()
	got := []string{}
	for _, m := range w.heldMessages(t) {
		got = append(got, strings.TrimPrefix(m.Subject, "hogcast.held."+w.tenant+".")+" "+m.Header[envelope.HeaderRecordID][0])
	}
	slices.Sort(got)
	return got
}

// heldMessages reads one by one: a work queue takes no consumer that
// acknowledges nothing.
func (w *world) heldMessages(t *testing.T) (all []*jetstream.RawStreamMsg) {
	t.Helper()
	stream, err := w.conn.JS.Stream(t.Context(), queue.StreamHeld)
	if err != nil {
		t.Fatal(err)
	}
	for sequence := uint64(1); ; {
		m, err := stream.GetMsg(t.Context(), sequence, jetstream.WithGetMsgSubject(queue.HeldSubject(w.tenant, "*")))
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, m)
		sequence = m.Sequence + 1
	}
}

func (w *world) store(t *testing.T, stream string) *queue.Store {
	t.Helper()
	s, err := w.conn.Store(t.Context(), stream)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// dead is `<destination or _> <record id>` of each letter, sorted.
func (w *world) dead(t *testing.T) []string {
	t.Helper()
	got := []string{}
	if err := w.reader.Each(t.Context(), deadletter.Filter{Tenant: w.tenant}, false, func(s *deadletter.Stored) error {
		got = append(got, deadletter.Token(s.Destination)+" "+s.Envelope.RecordID)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	slices.Sort(got)
	return got
}

// deliver takes everything out of HELD, as workers would.
func (w *world) deliver(t *testing.T) {
	t.Helper()
	state, err := w.store(t, queue.StreamHeld).State(t.Context())
	if err == nil {
		err = w.store(t, queue.StreamHeld).Purge(t.Context(), "hogcast.held.>", state.LastSequence)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func (w *world) wakeups(t *testing.T) map[string]uint64 {
	t.Helper()
	counts, err := w.conn.CountBySubject(t.Context(), queue.StreamWakeups, queue.WakeupSubject(w.tenant, "*"))
	if err != nil {
		t.Fatal(err)
	}
	return counts
}

// lines are `<prefix><n>` for n from 1 to last, sorted.
func lines(prefix string, last int) []string {
	all := []string{}
	for i := 1; i <= last; i++ {
		all = append(all, fmt.Sprintf("%s%d", prefix, i))
	}
	slices.Sort(all)
	return all
}

var errDead = errors.New("this process is dead")

// mortal is a process that dies at the nth time that it comes to a step. From
// then on it can do nothing more, whatever its code tries.
type mortal struct {
	*deadletter.Reader
	*queue.Conn
	*queue.Bucket

	mu   sync.Mutex
	step string
	left int
	dead bool
	died context.CancelFunc
}

// die makes a runner that dies, and a context that ends when it has.
func (w *world) die(t *testing.T, step string, n int, change ...func(*replay.Params)) (context.Context, *replay.Runner) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	m := &mortal{Reader: w.reader, Conn: w.conn, Bucket: w.bucket, step: step, left: n, died: cancel}
	return ctx, w.runner("mortal", append(change, func(p *replay.Params) {
		p.Letters, p.Held, p.Jobs = mortalLetters{m}, mortalHeld{m}, replay.NewJobs(mortalBucket{m}, lease)
	})...)
}

func (m *mortal) at(step string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.dead && step == m.step {
		if m.left--; m.left == 0 {
			m.dead = true
			m.died()
		}
	}
	if m.dead {
		return errDead
	}
	return nil
}

// around does something between two steps; dead, it does nothing.
func (m *mortal) around(what string, do func() error) error {
	if err := m.at("before " + what); err != nil {
		return err
	}
	return errors.Join(do(), m.at("after "+what))
}

type mortalLetters struct{ *mortal }

func (m mortalLetters) Page(ctx context.Context, f deadletter.Filter, from uint64, limit int) (page deadletter.Page, err error) {
	err = m.around("page", func() error { page, err = m.Reader.Page(ctx, f, from, limit); return err })
	return page, err
}

func (m mortalLetters) Each(ctx context.Context, f deadletter.Filter, bodies bool, use func(*deadletter.Stored) error) error {
	return m.Reader.Each(ctx, f, bodies, use)
}

func (m mortalLetters) Get(ctx context.Context, sequence uint64) (s *deadletter.Stored, err error) {
	err = m.around("get", func() error { s, err = m.Reader.Get(ctx, sequence); return err })
	return s, err
}

func (m mortalLetters) Drop(ctx context.Context, sequence uint64) error {
	return m.around("delete", func() error { return m.Reader.Drop(ctx, sequence) })
}

type mortalHeld struct{ *mortal }

func (m mortalHeld) Publish(ctx context.Context, msg queue.Message) error {
	return m.around("publish", func() error { return m.Conn.Publish(ctx, msg) })
}

func (m mortalHeld) WakeUp(ctx context.Context, subject string) error {
	return m.around("wake-up", func() error { return m.Conn.WakeUp(ctx, subject) })
}

func (m mortalHeld) CountBySubject(ctx context.Context, stream, filter string) (map[string]uint64, error) {
	return m.Conn.CountBySubject(ctx, stream, filter)
}

type mortalBucket struct{ *mortal }

func (m mortalBucket) Get(ctx context.Context, key string) (e queue.Entry, err error) {
	err = m.around("load", func() error { e, err = m.Bucket.Get(ctx, key); return err })
	return e, err
}

func (m mortalBucket) Put(ctx context.Context, key string, value []byte, last uint64) (revision uint64, err error) {
	err = m.around("save", func() error { revision, err = m.Bucket.Put(ctx, key, value, last); return err })
	return revision, err
}

func (m mortalBucket) Delete(ctx context.Context, key string, last uint64) error {
	return m.around("forget", func() error { return m.Bucket.Delete(ctx, key, last) })
}

func (m mortalBucket) Each(ctx context.Context, use func(queue.Entry)) error {
	return m.Bucket.Each(ctx, use)
}
