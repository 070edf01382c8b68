package pipeline_test

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hogcast/hogcast/pkg/delivery"
	"github.com/hogcast/hogcast/pkg/destination"
	"github.com/hogcast/hogcast/pkg/envelope"
	"github.com/hogcast/hogcast/pkg/held"
	"github.com/hogcast/hogcast/pkg/outcome"
	"github.com/hogcast/hogcast/pkg/pipeline"
	"github.com/hogcast/hogcast/pkg/queue"
)

// gated keeps what is submitted until it is opened.
type gated struct {
	next      pipeline.Deliverer
	open      chan struct{}
	submitted atomic.Int64
}

func (g *gated) Submit(i *delivery.Item) {
	g.submitted.Add(1)
	go func() { <-g.open; g.next.Submit(i) }()
}

func TestASuspectIsAloneInItsProcess(t *testing.T) {
	t.Parallel()
	main := to("main", false)
	g := &gated{open: make(chan struct{})}
	w := startWith(t, queue.DefaultParams(), func(p *pipeline.Params) {
		p.Registry = registry{destination.NewSet([]*destination.Destination{main})}
		p.MainLaneMax = time.Minute
		g.next, p.Deliverer = p.Deliverer, g
	})
	keeper := w.handler.HeldBranches(w.conn)
	w.publish(t, "g1", rec("acme", "g1", ""))
	await(t, "a record in hand", func() bool { return g.submitted.Load() == 1 })
	soon, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if via, _ := keeper.Alone(soon); via != nil {
		t.Fatal("alone while a fresh record is in hand")
	}
	close(g.open)
	var via held.Deliverer
	var release func()
	await(t, "quiet", func() bool { via, release = keeper.Alone(t.Context()); return via != nil })
	if n := w.unacknowledged(t); n != 0 {
		t.Errorf("%d records are in hand beside it", n)
	}

	w.publish(t, "g2", rec("acme", "g2", ""))
	w.park(t, "main", rec("acme", "g3", ""), 1)
	w.park(t, "gone", rec("acme", "g4", ""), 2)
	quiet := time.After(500 * time.Millisecond)
	<-quiet
	if n := g.submitted.Load(); n != 1 {
		t.Errorf("%d were sent meanwhile", n-1)
	}
	other, err := w.conn.Newest(t.Context(), queue.HeldSubject("acme", "gone"))
	if err != nil {
		t.Fatal(err)
	}
	if !via.BuryStored(t.Context(), other, outcome.Expired) {
		t.Error("what is alone is put off, too")
	}
	release()
	await(t, "all the rest", func() bool { return w.held(t, "main") == 0 && w.unacknowledged(t) == 0 })
	if events, twice := w.posthog.counts(); events != 3 || twice != 0 {
		t.Errorf("%d events, %d of them twice; want 3, 0", events, twice)
	}
}

func TestOthersGoOnBetweenTwoSuspects(t *testing.T) {
	t.Parallel()
	w := start(t, queue.DefaultParams(), to("main", false))
	keeper := w.handler.HeldBranches(w.conn)
	via, release := keeper.Alone(t.Context())
	if via == nil {
		t.Fatal("not alone though nothing is in hand")
	}
	if second, _ := keeper.Alone(t.Context()); second != nil {
		t.Error("two are alone at once")
	}
	took := 100 * time.Millisecond
	<-time.After(took)
	release()
	released := time.Now()
	await(t, "the next", func() bool {
		via, release = keeper.Alone(t.Context())
		return via != nil
	})
	if pause := time.Since(released); pause < 8*took {
		t.Errorf("the next is alone after %s", pause)
	}
	release()
}

func TestWhatCrashesWorkersIsBuriedUnread(t *testing.T) {
	t.Parallel()
	for private, replayable := range map[bool]bool{true: false, false: true} {
		main := to("main", private)
		main.Paused = true
		w := start(t, queue.DefaultParams(), main)
		body := rec("acme", "g1", `,"prompt":"CANARY"`)
		w.park(t, "main", body, 1)
		m, err := w.conn.Oldest(t.Context(), queue.HeldSubject("acme", "main"))
		if err != nil {
			t.Fatal(err)
		}
		if !w.handler.HeldBranches(w.conn).BuryStored(t.Context(), m, outcome.CrashesWorker) {
			t.Fatal("not buried")
		}
		l := w.onlyLetter(t)
		if l.Reason != "crashes_worker" || l.Destination != "main" || !strings.Contains(l.Envelope.Detail, "nothing but this record in hand") || l.Envelope.Replayable() != replayable {
			t.Errorf("got %+v %+v", l, l.Envelope)
		}
		if replayable && string(l.Envelope.Body) != body {
			t.Errorf("it keeps %q", l.Envelope.Body)
		}
		if n := w.held(t, "main"); n != 0 {
			t.Errorf("%d are held", n)
		}
	}
}

// park holds a record as another worker would have, and has it drained.
func (w *world) park(t *testing.T, destination, body string, n uint64) {
	t.Helper()
	if err := w.conn.Publish(t.Context(), heldMessage(destination, body, n, nil)); err != nil {
		t.Fatal(err)
	}
	if err := w.conn.Rouse(t.Context(), queue.WakeupSubject("acme", destination)); err != nil {
		t.Fatal(err)
	}
}

// heldMessage is the nth record of a destination as it is held; change may
// change its envelope.
func heldMessage(destination, body string, n uint64, change func(*envelope.Envelope)) queue.Message {
	from := envelope.Source{Stream: queue.StreamGenerations, Sequence: 1_000 + n, Time: time.Unix(1_700_000_000, 0)}
	e := envelope.Envelope{Source: from, MsgID: fmt.Sprint("parked/", n), Reason: "server_error", Body: []byte(body)}
	if change != nil {
		change(&e)
	}
	return queue.Message{
		Subject: queue.HeldSubject("acme", destination), ID: envelope.MoveID(from, destination), Header: e.Headers(), Body: e.Body,
	}
}

func TestASuspectThatIsNotTakenKeepsNobodyFromBeingTried(t *testing.T) {
	t.Parallel()
	main := to("main", false)
	w := start(t, queue.DefaultParams(), main)
	w.posthog.set("main", &outcome.Verdict{Action: outcome.Retry, Cause: outcome.ServerError, Status: 500})
	for n, id := range []string{"first", "second"} {
		if err := w.conn.Publish(t.Context(), heldMessage("main", rec("acme", id, ""), uint64(n), nil)); err != nil { //nolint:gosec // small
			t.Fatal(err)
		}
	}
	source, err := w.conn.DrainSource(t.Context(), w.hand, queue.NewWindow(queue.DefaultWindow), queue.HeldSubject("acme", "main"))
	if err != nil {
		t.Fatal(err)
	}
	via, release := w.handler.HeldBranches(w.conn).Alone(t.Context())
	defer release()
	taken := make(chan bool, 1)
	if _, err := source.Pull(t.Context(), 1, time.Second, func(d *queue.Delivery) {
		via.Deliver(d, main, func(was bool) { taken <- was })
	}); err != nil {
		t.Fatal(err)
	}
	if !<-taken {
		t.Error("it stays at the head")
	}
	await(t, "its move to the end", func() bool {
		newest, err := w.conn.Newest(t.Context(), queue.HeldSubject("acme", "main"))
		return err == nil && strings.Contains(string(newest.Body), "first") && w.held(t, "main") == 2
	})
}
