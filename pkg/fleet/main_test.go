package fleet_test

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/hogcast/hogcast/pkg/destination"
	"github.com/hogcast/hogcast/pkg/embedded"
	"github.com/hogcast/hogcast/pkg/fleet"
	"github.com/hogcast/hogcast/pkg/health"
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

const (
	// patience bounds every wait of these tests.
	patience = 30 * time.Second
	// promptly is how soon what one worker knows has to be in force on another.
	promptly = 10 * time.Second
)

// town is one NATS and the workers' boards on it.
type town struct {
	server  *embedded.Server
	outside *queue.Conn // who looks on
}

func newTown(t *testing.T) *town {
	t.Helper()
	s := natstest.Start(t, embedded.Config{MaxPayload: 64 << 10})
	c := natstest.Connect(t, s)
	natstest.SetUp(t, c, queue.DefaultParams())
	return &town{s, c}
}

// worker is a board that runs; stop ends it, and may be called twice.
type worker struct {
	*fleet.Board
	stop func()
}

func (tn *town) worker(t *testing.T, name string, change ...func(*fleet.Params)) worker {
	t.Helper()
	p := fleet.Params{Conn: natstest.Connect(t, tn.server), Worker: name}
	for _, c := range change {
		c(&p)
	}
	b := fleet.New(p)
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { b.Run(ctx) })
	w := worker{b, func() { cancel(); running.Wait() }}
	t.Cleanup(w.stop)
	known, enough := context.WithTimeout(t.Context(), patience)
	defer enough()
	b.CaughtUp(known)
	if known.Err() != nil {
		t.Fatalf("%s has not caught up", name)
	}
	return w
}

// write puts a state into the bucket as another worker would have.
func (tn *town) write(t *testing.T, key string, s health.Status) {
	t.Helper()
	value, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	if err := tn.bucket(t, queue.BucketState).Set(t.Context(), key, value); err != nil {
		t.Fatal(err)
	}
}

// stored is what the bucket says of a key; the zero Status where it is silent.
func (tn *town) stored(t *testing.T, key string) health.Status {
	t.Helper()
	e, err := tn.bucket(t, queue.BucketState).Get(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	var s health.Status
	if e.Deleted {
		return s
	}
	if err := json.Unmarshal(e.Value, &s); err != nil {
		t.Fatal(err)
	}
	return s
}

func (tn *town) bucket(t *testing.T, name string) *queue.Bucket {
	t.Helper()
	b, err := tn.outside.Bucket(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// wakeups counts the wake-ups of each subject.
func (tn *town) wakeups(t *testing.T) map[string]uint64 {
	t.Helper()
	n, err := tn.outside.CountBySubject(t.Context(), queue.StreamWakeups, ">")
	if err != nil {
		t.Fatal(err)
	}
	return n
}

const endpoint = "https://posthog.example.com"

func destinationOf(tenant string) *destination.Destination {
	return &destination.Destination{
		ID: destination.ID{Tenant: tenant, Name: "main"}, Enabled: true, APIKey: destination.NewSecret("phc_" + tenant),
		Endpoint: endpoint, Protocol: destination.Auto, SamplingRate: 1,
	}
}

// mended is the destination with another key.
func mended(d *destination.Destination) *destination.Destination {
	m := *d
	m.APIKey = destination.NewSecret("phc_mended")
	return &m
}

// long is a state that has been in force for a while: a probe is due.
func long(to *destination.Destination) health.Status {
	at := time.Now().Add(-10 * time.Minute).UTC().Truncate(time.Millisecond)
	return health.Status{
		State: health.Open, Reason: "server_error", Code: 503, Revision: to.Revision(), Host: queue.HostToken(to.Endpoint),
		Since: at, LastProbe: at, Gap: health.FirstGap, NotBefore: at, Worker: "w0",
	}
}

func unauthorized() health.Sample {
	return health.Sample{Cause: outcome.Unauthorized, Status: 401, Failed: true}
}

// timedOut trips by itself: it took too long.
func timedOut() health.Sample {
	return health.Sample{Cause: outcome.Timeout, Failed: true, Took: 10 * time.Second}
}

func accepted() health.Sample {
	return health.Sample{Cause: outcome.OK, Status: 200, Accepted: 1, Took: time.Millisecond}
}

func gate(b worker, to *destination.Destination) fleet.Gate { return b.Standing(to).Gate }

// within polls until is says so.
func within(t *testing.T, limit time.Duration, what string, is func() bool) {
	t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	late := time.After(limit)
	for !is() {
		select {
		case <-tick.C:
		case <-late:
			t.Fatalf("not within %s: %s", limit, what)
		}
	}
}

func tenants(n int) []*destination.Destination {
	all := make([]*destination.Destination, n)
	for i := range all {
		all[i] = destinationOf(fmt.Sprintf("t%d", i))
	}
	return all
}
