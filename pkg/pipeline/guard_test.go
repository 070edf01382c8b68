package pipeline_test

import (
	"fmt"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/hogcast/hogcast/pkg/destination"
	"github.com/hogcast/hogcast/pkg/envelope"
	"github.com/hogcast/hogcast/pkg/outcome"
	"github.com/hogcast/hogcast/pkg/queue"
)

func TestTheGuardHoldsADestinationMostOfWhoseEventsWouldBeBuried(t *testing.T) {
	t.Parallel()
	bad := to("bad", false)
	w := start(t, queue.DefaultParams(), bad, to("good", false))
	w.posthog.set("bad", &outcome.Verdict{Action: outcome.Bury, Cause: outcome.DroppedByServer, Status: 200, Detail: "rejected"})
	for i := range 400 {
		id := fmt.Sprint("g", i)
		w.publish(t, id, rec("acme", id, ""))
	}
	await(t, "the acknowledgement", func() bool { return w.unacknowledged(t) == 0 })
	letters, held := len(w.letters(t)), int(w.held(t, "bad"))
	// Two requests may have been under way when the guard tripped.
	if letters < 49 || letters > 250 || letters+held != 400 {
		t.Errorf("%d letters and %d held of 400", letters, held)
	}
	if events, _ := w.posthog.counts(); events != 400 {
		t.Errorf("the other destination got %d events, want 400", events)
	}
	if s := w.board.Status(bad); s.Reason != outcome.Guarded || s.Detail != "dropped_by_server rejected" || w.board.Guards() != 1 {
		t.Errorf("status %+v, %d guards", s, w.board.Guards())
	}
}

func TestTheGuardHoldsUnreadableRecordsOfSeveralTenants(t *testing.T) {
	t.Parallel()
	var all []*destination.Destination
	for _, tenant := range []string{"a", "b", "c", "acme"} {
		d := to("main", false)
		d.Tenant = tenant
		all = append(all, d)
	}
	w := start(t, queue.DefaultParams(), all...)
	for i := range 100 {
		for _, tenant := range []string{"a", "b", "c"} {
			err := w.conn.Publish(t.Context(), queue.Message{
				Subject: queue.GenerationSubject(tenant), ID: fmt.Sprint(tenant, "/", i),
				Body: fmt.Appendf(nil, `{"id":"g%d","tenant":%q}`, i, tenant),
			})
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	w.publish(t, "ok", rec("acme", "ok", ""))
	await(t, "the acknowledgement", func() bool { return w.unacknowledged(t) == 0 })
	held, err := w.conn.HeldCount(t.Context(), "hogcast.held.*._")
	if err != nil {
		t.Fatal(err)
	}
	letters := len(w.letters(t))
	if letters > 60 || letters+int(held) != 300 { //nolint:gosec // a few hundred
		t.Errorf("%d letters and %d held of 300", letters, held)
	}
	if events, _ := w.posthog.counts(); events != 1 {
		t.Errorf("%d events, want the readable one", events)
	}
}

func TestWhatTheGuardHoldsKeepsNothingFromItsDestination(t *testing.T) {
	t.Parallel()
	const guarded, cause = 5_200, "dropped_by_server rejected" // more than a drain may have asleep
	main := to("main", false)
	w := start(t, queue.DefaultParams(), main)
	if !w.board.GuardCause(cause) {
		t.Fatal("the guard is not on")
	}
	var parking errgroup.Group
	parking.SetLimit(64)
	for n := range uint64(guarded) {
		parking.Go(func() error {
			id := fmt.Sprint("g", n)
			return w.conn.Publish(t.Context(), heldMessage("main", rec("acme", id, ""), n, func(e *envelope.Envelope) {
				e.Reason, e.Detail = string(outcome.Guarded), cause
			}))
		})
	}
	if err := parking.Wait(); err != nil {
		t.Fatal(err)
	}
	w.park(t, "main", rec("acme", "behind", ""), guarded+1)
	await(t, "what is behind them", func() bool { events, _ := w.posthog.counts(); return events >= 1 && w.held(t, "main") == 0 })
	line := queue.HeldHostSubject(queue.GuardToken(cause), "acme", "main")
	inLine := func() uint64 {
		by, err := w.conn.CountBySubject(t.Context(), queue.StreamHeldHosts, ">")
		if err != nil {
			t.Fatal(err)
		}
		return by[line]
	}
	events, _ := w.posthog.counts()
	if got := inLine(); int(got)+events != guarded+1 || events > 2 {
		t.Errorf("%d were sent and %d are in the line of their cause; one of the %d may be tried, and one is to be sent", events, got, guarded)
	}
}
