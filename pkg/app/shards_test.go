package app_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/hogcast/hogcast/pkg/ingest"
	"github.com/hogcast/hogcast/pkg/queue"
)

// gateways publish records of some tenants until they are told to stop; they
// know the shards as of their start, and what they learn since.
type gateways struct {
	world *world
	n     atomic.Int64
	ids   sync.Map // of what was acknowledged
	all   sync.WaitGroup
	stop  chan struct{}
}

func (g *gateways) start(t *testing.T) {
	t.Helper()
	nc, err := nats.Connect(g.world.nats.ClientURL(), nats.MaxReconnects(-1))
	if err != nil {
		t.Fatal(err)
	}
	closed := make(chan struct{})
	nc.SetClosedHandler(func(*nats.Conn) { close(closed) })
	p, err := ingest.New(ingest.Options{Conn: nc})
	if err != nil {
		t.Fatal(err)
	}
	g.all.Go(func() {
		tick := time.NewTicker(2 * time.Millisecond)
		defer tick.Stop()
		for running := true; running; {
			select {
			case <-g.stop:
				running = false
			case <-tick.C:
				g.one(t, p)
			}
		}
		if err := p.Close(context.Background()); err != nil {
			t.Error(err)
		}
		nc.Close()
		<-closed
	})
}

func (g *gateways) one(t *testing.T, p *ingest.Publisher) {
	t.Helper()
	n := g.n.Add(1)
	body := fmt.Appendf(nil, `{"id":"g%d","tenant":"t%d","created_at":"2026-01-02T03:04:05Z","model":"m"}`, n, n%20)
	err := p.Send(t.Context(), body, func(r ingest.Result) {
		if r.Err != nil || r.Duplicate {
			t.Errorf("%+v", r)
		}
		g.ids.Store(r.ID, true)
	})
	if err != nil {
		t.Error(err)
	}
}

func TestAChangeOfTheShardsUnderLoadLosesAndInventsNothing(t *testing.T) {
	t.Parallel()
	destinations := ""
	for n := range 20 {
		destinations += fmt.Sprintf("- {tenant: t%d, api_key: phc_%020d, endpoint: '%%[1]s'}\n", n, n)
	}
	w := newWorld(t, destinations)
	for _, name := range []string{"a", "b"} {
		w.config.Name = name
		defer w.run(t)()
	}
	patiently := func(what string, holds func() bool) {
		t.Helper()
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for deadline := time.Now().Add(time.Minute); !holds() && !t.Failed(); <-tick.C {
			if time.Now().After(deadline) {
				t.Errorf("not in time: %s", what)
			}
		}
	}
	g := &gateways{world: w, stop: make(chan struct{})}
	g.start(t)
	for _, shards := range []int{3, 1, 2} {
		p := queue.DefaultParams()
		p.Shards, p.RemoveDrained = shards, true
		if _, err := queue.Setup(t.Context(), w.conn, p); err != nil {
			t.Error(err)
		}
		g.start(t) // one more, that knows of them
		from := w.posthog.Count()
		patiently("events go on", func() bool { return w.posthog.Count() > from+300 })
	}
	close(g.stop)
	g.all.Wait()
	patiently("all streams are empty", func() bool {
		streams, err := w.conn.GenerationStreams(t.Context())
		if err != nil {
			t.Error(err)
		}
		for _, stream := range streams {
			if w.waiting(t, stream) > 0 {
				return false
			}
		}
		return true
	})
	if got, want := w.posthog.Count(), int(g.n.Load()); got != want || w.posthog.Duplicates() != 0 {
		t.Errorf("%d of %d events, %d of them twice", got, want, w.posthog.Duplicates())
	}
}
