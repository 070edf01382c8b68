package scrub_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hogcast/hogcast/pkg/deadletter"
	"github.com/hogcast/hogcast/pkg/destination"
	"github.com/hogcast/hogcast/pkg/embedded"
	"github.com/hogcast/hogcast/pkg/envelope"
	"github.com/hogcast/hogcast/pkg/outcome"
	"github.com/hogcast/hogcast/pkg/queue"
	"github.com/hogcast/hogcast/pkg/scrub"
	"github.com/hogcast/hogcast/test/natstest"
)

const canary = "CANARY-7f3a"

// rig is a server with something stored on it, and the destinations in force.
type rig struct {
	conn *queue.Conn
	mu   sync.Mutex
	set  *destination.Set
}

func (r *rig) Current() *destination.Set {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.set
}

func (r *rig) force(private ...string) {
	var all []*destination.Destination
	for _, tenant := range []string{"acme", "beta"} {
		d := &destination.Destination{ID: destination.ID{Tenant: tenant, Name: "main"}, Enabled: true, SamplingRate: 1}
		for _, p := range private {
			d.PrivacyMode = d.PrivacyMode || p == tenant
		}
		all = append(all, d)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.set = destination.NewSet(all)
}

func newRig(t *testing.T, change ...func(*queue.Params)) *rig {
	t.Helper()
	params := queue.DefaultParams()
	for _, c := range change {
		c(&params)
	}
	conn := natstest.Connect(t, natstest.Start(t, embedded.Config{}))
	natstest.SetUp(t, conn, params)
	r := &rig{conn: conn}
	r.force()
	return r
}

func recordOf(tenant, id string) []byte {
	return fmt.Appendf(nil, `{"id":%q,"tenant":%q,"created_at":"2026-01-02T03:04:05Z","model":"m","messages":[{"role":"user","content":%q}]}`, id, tenant, canary)
}

func sourceOf(n uint64) envelope.Source {
	return envelope.Source{Stream: queue.StreamGenerations, Sequence: n, Time: time.Unix(0, int64(n))} //nolint:gosec // small
}

// fill stores n branches of a tenant in each place, and one letter that could
// not be read.
func (r *rig) fill(t *testing.T, tenant string, n int) {
	t.Helper()
	letters := deadletter.NewWriter(r.conn, 1<<20)
	for i := range n {
		id := fmt.Sprint("g", i)
		e := envelope.Envelope{Source: sourceOf(uint64(i + 1)), RecordID: id, Reason: "timeout", Detail: "timeout: " + canary, Body: recordOf(tenant, id)} //nolint:gosec // small
		for _, subject := range []string{queue.HeldSubject(tenant, "main"), queue.HeldHostSubject("0011", tenant, "main")} {
			if err := r.conn.Publish(t.Context(), queue.Message{Subject: subject, ID: subject + id, Header: e.Headers(), Body: e.Body}); err != nil {
				t.Fatal(err)
			}
		}
		l := deadletter.Letter{Tenant: tenant, Destination: "main", Reason: outcome.Dropped, Envelope: e}
		if _, err := letters.Write(t.Context(), l); err != nil {
			t.Fatal(err)
		}
	}
	l := deadletter.Letter{Tenant: tenant, Reason: outcome.Malformed, Envelope: envelope.Envelope{Source: sourceOf(9999), Body: []byte(canary)}}
	if _, err := letters.Write(t.Context(), l); err != nil {
		t.Fatal(err)
	}
}

// stored reads everything of a tenant.
func (r *rig) stored(t *testing.T, tenant string) (all []queue.StoredMessage) {
	t.Helper()
	for stream, filter := range map[string]string{
		queue.StreamHeld: queue.HeldSubject(tenant, "*"), queue.StreamHeldHosts: queue.HeldHostSubject("*", tenant, "*"),
		queue.StreamDead: queue.DeadFilter(tenant, "", ""),
	} {
		store, err := r.conn.Store(t.Context(), stream)
		if err == nil {
			err = store.Scan(t.Context(), queue.ScanParams{Filter: filter}, func(m queue.StoredMessage) error {
				all = append(all, m)
				return nil
			})
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return all
}

// leaks counts the messages in which the canary is.
func leaks(all []queue.StoredMessage) (n int) {
	for _, m := range all {
		e, err := envelope.Parse(m.Header, m.Body)
		if err != nil {
			n++
			continue
		}
		raw, _ := e.Record()
		if strings.Contains(string(raw)+e.Detail, canary) {
			n++
		}
	}
	return n
}

func (r *rig) run(t *testing.T, change ...func(*scrub.Params)) *scrub.Service {
	t.Helper()
	p := scrub.Params{
		Conn: r.conn, Registry: r, Letters: deadletter.NewWriter(r.conn, 1<<20), Worker: "w",
		Settle: 50 * time.Millisecond, Look: 20 * time.Millisecond,
	}
	for _, c := range change {
		c(&p)
	}
	s := scrub.New(p)
	t.Cleanup(runService(s))
	return s
}

// start is run, and returns what stops it.
func (r *rig) start(t *testing.T) (stop func()) {
	t.Helper()
	return runService(scrub.New(scrub.Params{
		Conn: r.conn, Registry: r, Letters: deadletter.NewWriter(r.conn, 1<<20), Worker: "w",
		Settle: 50 * time.Millisecond, Look: 20 * time.Millisecond,
	}))
}

func runService(s *scrub.Service) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { s.Run(ctx) })
	return func() { cancel(); running.Wait() }
}

func (r *rig) jobs(t *testing.T) *scrub.Jobs {
	t.Helper()
	bucket, err := r.conn.Bucket(t.Context(), queue.BucketJobs)
	if err != nil {
		t.Fatal(err)
	}
	return scrub.NewJobs(bucket)
}

// done waits until acme's job is done.
func (r *rig) done(t *testing.T) scrub.Job {
	t.Helper()
	jobs, id := r.jobs(t), destination.ID{Tenant: "acme", Name: "main"}
	deadline := time.After(20 * time.Second)
	for {
		job, _, err := jobs.Get(t.Context(), id)
		if err == nil && job.State == scrub.Done {
			return job
		}
		select {
		case <-deadline:
			t.Fatalf("not done: %+v, %v", job, err)
		case <-time.After(5 * time.Millisecond):
		}
	}
}

func TestAStricterRuleScrubsWhatIsStoredAlready(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.fill(t, "acme", 30)
	r.fill(t, "beta", 3)
	before := len(r.stored(t, "acme"))
	s := r.run(t)
	r.force("acme")
	s.Changed([]destination.ID{{Tenant: "acme", Name: "main"}})
	job := r.done(t)
	all := r.stored(t, "acme")
	if len(all) != before || leaks(all) != 0 {
		t.Errorf("%d messages of %d, %d of them leak", len(all), before, leaks(all))
	}
	if job.Rewritten != 91 || job.Withheld != 1 || job.Foreign != 0 || job.Total != 91 {
		t.Errorf("job: %+v", job.Tally)
	}
	if others := r.stored(t, "beta"); leaks(others) != len(others) {
		t.Error("another tenant's letters were touched")
	}
	for _, m := range all {
		if e, err := envelope.Parse(m.Header, m.Body); err != nil || e.Source.Stream != queue.StreamGenerations || m.Subject == "" {
			t.Errorf("%s: %+v, %v", m.Subject, e, err)
		}
	}
}

func TestWhatWasStoredWhileNobodyWasThereIsFoundAtTheStart(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.fill(t, "acme", 5)
	r.force("acme")
	r.run(t)
	r.done(t)
	if n := leaks(r.stored(t, "acme")); n != 0 {
		t.Errorf("%d messages leak", n)
	}
}

func TestAScrubThatWasDoneIsNotDoneAgainButWhenAsked(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.fill(t, "acme", 2)
	r.force("acme")
	s := r.run(t)
	first := r.done(t)
	r.fill(t, "acme", 2) // as a worker with the old rules would
	s.Changed([]destination.ID{{Tenant: "acme", Name: "main"}})
	id := destination.ID{Tenant: "acme", Name: "main"}
	if job, _, err := r.jobs(t).Get(t.Context(), id); err != nil || !job.Created.Equal(first.Created) {
		t.Errorf("a second job for the same rules: %+v, %v", job, err)
	}
	if _, err := r.jobs(t).Ask(t.Context(), id, "somebody"); err != nil {
		t.Fatal(err)
	}
	r.done(t)
	if n := leaks(r.stored(t, "acme")); n != 0 {
		t.Errorf("%d messages leak", n)
	}
}

// A scrub that is stopped anywhere goes on where it was, and stores nothing
// twice.
func TestAScrubThatIsKilledIsFinishedByAnother(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.fill(t, "acme", 40)
	before := len(r.stored(t, "acme"))
	r.force("acme")
	for _, after := range []uint64{1, 17, 60} {
		ctx, cancel := context.WithCancel(t.Context())
		err := scrub.ScanUntil(ctx, r.conn, r, after)
		cancel()
		if !errors.Is(err, scrub.ErrKilled) {
			t.Fatalf("after %d: %v", after, err)
		}
	}
	r.run(t)
	r.done(t)
	if all := r.stored(t, "acme"); len(all) != before || leaks(all) != 0 {
		t.Errorf("%d messages of %d, %d of them leak", len(all), before, leaks(all))
	}
}

func TestACancelledScrubStops(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.force("acme")
	id := destination.ID{Tenant: "acme", Name: "main"}
	jobs := r.jobs(t)
	if _, err := jobs.Cancel(t.Context(), id); !errors.Is(err, scrub.ErrNoJob) {
		t.Errorf("cancelling none: %v", err)
	}
	if _, err := jobs.Ask(t.Context(), id, "me"); err != nil {
		t.Fatal(err)
	}
	if job, err := jobs.Cancel(t.Context(), id); err != nil || job.State != scrub.Cancelled {
		t.Errorf("%+v, %v", job, err)
	}
	all, err := jobs.List(t.Context())
	if err != nil || len(all) != 1 || all[0].By != "me" {
		t.Errorf("%+v, %v", all, err)
	}
}
