package delivery_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hogcast/hogcast/pkg/delivery"
	"github.com/hogcast/hogcast/pkg/destination"
	"github.com/hogcast/hogcast/pkg/event"
	"github.com/hogcast/hogcast/pkg/outcome"
)

// breaksOn answers with a verdict where a batch holds a bad event, and accepts
// otherwise.
func breaksOn(v outcome.Verdict, bad ...string) senderFunc {
	return func(_ context.Context, _ *destination.Destination, batch []*event.Event) []outcome.Verdict {
		if slices.ContainsFunc(batch, func(e *event.Event) bool { return slices.Contains(bad, e.UUID) }) {
			return all(batch, v)
		}
		<-time.After(10 * time.Millisecond) // what breaks does so before
		return all(batch, accepted)
	}
}

func TestABatchThatFailsTwiceWhileOthersSucceedIsSplitDownToTheBadEvent(t *testing.T) {
	t.Parallel()
	for _, v := range []outcome.Verdict{broken, timedOut, {Action: outcome.Retry, Cause: outcome.Connection}} {
		synctest.Test(t, func(t *testing.T) {
			var l log
			e, acme, bad := newEnds(), to("acme"), name(17)
			d := newDispatcher(t, delivery.DefaultConfig(), l.around(breaksOn(v, bad)))
			for i := range 300 {
				d.Submit(e.item(acme, name(i)))
			}
			stop := time.After(20 * time.Second)
			for i, ticking := 300, true; ticking; i++ { // its neighbours, all the time
				select {
				case <-time.After(500 * time.Millisecond):
					d.Submit(e.item(acme, name(i)))
				case <-stop:
					ticking = false
				}
			}
			for i := range 300 {
				if i == 17 {
					continue
				}
				if got := e.of(t, name(i)); got.End != delivery.Delivered {
					t.Fatalf("%s: event %d: %+v", v.Cause, i, got)
				}
				if got := l.inEach()[name(i)]; got > 16 {
					t.Errorf("%s: event %d was in %d requests", v.Cause, i, got)
				}
			}
			got := e.of(t, bad)
			if got.End != delivery.Undelivered || got.Verdict != v || got.Failures < 3 || got.Failures > got.Attempts || got.FirstFailure.IsZero() {
				t.Errorf("%s: the bad event: %+v", v.Cause, got)
			}
			requests := l.all()
			at := slices.IndexFunc(requests, func(r request) bool { return len(r.UUIDs) == 1 && r.UUIDs[0] == bad })
			for _, r := range requests[at:] {
				if len(r.UUIDs) > 1 && slices.Contains(r.UUIDs, bad) {
					t.Errorf("%s: once known, the bad event went with others again", v.Cause)
				}
			}
			if after := requests[at].At.Sub(requests[0].At); after > 10*time.Second {
				t.Errorf("%s: the bad event was found after %s", v.Cause, after)
			}
			d.Stop(t.Context())
		})
	}
}

func TestSeveralBadEventsAreFoundToo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var l log
		e, acme, bad := newEnds(), to("acme"), []string{name(3), name(40), name(41), name(97)}
		d := newDispatcher(t, delivery.DefaultConfig(), l.around(breaksOn(broken, bad...)))
		for i := range 300 {
			item := e.item(acme, name(i))
			item.Deadline = time.Now().Add(time.Minute)
			d.Submit(item)
		}
		for i := range 80 {
			<-time.After(500 * time.Millisecond)
			d.Submit(e.item(acme, "neighbour"+name(i)))
		}
		for i := range 300 {
			if !slices.Contains(bad, name(i)) && e.when(name(i)).IsZero() {
				t.Errorf("event %d is not delivered, after %d requests", i, l.inEach()[name(i)])
			}
		}
		<-time.After(30 * time.Second)
		for _, uuid := range bad {
			if got := e.of(t, uuid); got.End != delivery.Undelivered || got.Failures < 3 {
				t.Errorf("%s: %+v", uuid, got)
			}
		}
		requests := l.all()
		if last := requests[len(requests)-1]; len(last.UUIDs) != 1 {
			t.Errorf("the last request had %v", last.UUIDs)
		}
		d.Stop(t.Context())
	})
}

func TestWhereAllFailsNothingIsSplit(t *testing.T) {
	t.Parallel()
	for _, v := range []outcome.Verdict{broken, limited(0)} {
		synctest.Test(t, func(t *testing.T) {
			var l log
			e, acme := newEnds(), to("acme")
			d := newDispatcher(t, delivery.DefaultConfig(), l.around(scripted(accepted, v, v, v, v, v, v)))
			d.Submit(e.item(acme, "before")) // it had been well
			<-time.After(time.Second)
			for i := range 50 {
				d.Submit(e.item(acme, name(i)))
			}
			<-time.After(13 * time.Second)
			for _, r := range l.all()[1:] {
				if len(r.UUIDs) != 50 {
					t.Errorf("%s: a request of %d events", v.Cause, len(r.UUIDs))
				}
			}
			d.Stop(t.Context())
		})
	}
}

func TestFailuresCountOnlyBesideNeighboursThatSucceed(t *testing.T) {
	t.Parallel()
	dropped := outcome.Verdict{Action: outcome.Retry, Cause: outcome.NoVerdict, Status: 200}
	for name, c := range map[string]struct {
		before  time.Duration // when a neighbour was accepted; 0: never
		verdict outcome.Verdict
		want    bool
	}{
		"nothing was accepted":              {0, broken, false},
		"something was, 9 s before":         {9 * time.Second, broken, true},
		"something was, 11 s before":        {11 * time.Second, broken, false},
		"no verdict, beside a neighbour":    {time.Second, dropped, true},
		"a rate limit is nobody's fault":    {time.Second, limited(0), false},
		"nor is what we interrupt":          {time.Second, outcome.Verdict{Action: outcome.Retry, Cause: outcome.Interrupted}, false},
		"a hold says nothing of the event":  {time.Second, outcome.Verdict{Action: outcome.Hold, Cause: outcome.Forbidden, Status: 403}, false},
		"a timeout, 1 s after a neighbour":  {time.Second, timedOut, true},
		"a connection that was broken, too": {time.Second, outcome.Verdict{Action: outcome.Retry, Cause: outcome.Connection}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				e, acme := newEnds(), to("acme")
				d := newDispatcher(t, delivery.DefaultConfig(), breaksOn(c.verdict, "a"))
				if c.before > 0 {
					d.Submit(e.item(acme, "neighbour"))
					<-time.After(c.before)
				}
				item := e.item(acme, "a")
				item.Probe = true
				d.Submit(item)
				<-time.After(time.Second)
				got := e.of(t, "a")
				if failed := got.Failures == 1 && !got.FirstFailure.IsZero(); failed != c.want || got.Failures > 1 {
					t.Errorf("%+v, want a failure to count: %t", got, c.want)
				}
				d.Stop(t.Context())
			})
		})
	}
}

func TestWhatHasLittleTimeLeftShortensNoOthersRequest(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e, acme := newEnds(), to("acme")
		var mu sync.Mutex
		left := map[string]time.Duration{}
		var l log
		d := newDispatcher(t, delivery.DefaultConfig(), l.around(func(ctx context.Context, _ *destination.Destination, batch []*event.Event) []outcome.Verdict {
			deadline, _ := ctx.Deadline()
			mu.Lock()
			defer mu.Unlock()
			for _, one := range batch {
				left[one.UUID] = time.Until(deadline)
			}
			return all(batch, accepted)
		}))
		config := delivery.DefaultConfig()
		for i, stay := range []time.Duration{15 * time.Second, 1500 * time.Millisecond, 15 * time.Second, 1200 * time.Millisecond} {
			item := e.item(acme, name(i))
			item.Deadline = time.Now().Add(stay)
			d.Submit(item)
		}
		d.Stop(t.Context())
		if len(l.all()) != 2 {
			t.Errorf("requests: %v", l.all())
		}
		for i, want := range []time.Duration{config.RequestTimeout, 1200 * time.Millisecond, config.RequestTimeout, 1200 * time.Millisecond} {
			if got := left[name(i)]; got != want {
				t.Errorf("item %d had %s, want %s", i, got, want)
			}
		}
	})
}

func TestWhatWasTriedAndHasLittleTimeLeftIsGivenUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e, acme, start := newEnds(), to("acme"), time.Now()
		var l log
		d := newDispatcher(t, delivery.DefaultConfig(), l.around(scripted(limited(13500*time.Millisecond))))
		d.Submit(e.item(acme, "a"))
		<-time.After(14 * time.Second)
		if got := e.of(t, "a"); got.End != delivery.Undelivered || got.Attempts != 1 || e.when("a").Sub(start) > time.Second {
			t.Errorf("%+v after %s, want it given up at once", got, e.when("a").Sub(start))
		}
		d.Stop(t.Context())
	})
}

// suspects are n items of a destination that have failed before.
func (e *ends) suspects(to *destination.Destination, n int) (all []*delivery.Item) {
	for i := range n {
		item := e.item(to, "suspect"+name(i))
		item.Suspect, item.Background = true, true
		all = append(all, item)
	}
	return all
}

func TestSuspectsAreSplitAtOnceAndTroubleNobodyElse(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var l log
		var s samples
		e, acme, bad := newEnds(), to("acme"), "suspect"+name(17)
		config := delivery.DefaultConfig()
		config.Observe = s.observe
		d := newDispatcher(t, config, l.around(breaksOn(broken, bad)))
		d.Submit(e.item(acme, name(0)))
		<-time.After(time.Second) // the destination takes events
		for i, item := range e.suspects(acme, 50) {
			d.Submit(item)
			d.Submit(e.item(acme, name(i+1)))
		}
		for i := range 40 {
			<-time.After(500 * time.Millisecond)
			d.Submit(e.item(acme, "neighbour"+name(i)))
		}
		for _, r := range l.all() {
			if slices.ContainsFunc(r.UUIDs, func(u string) bool { return u[0] == 's' }) && slices.ContainsFunc(r.UUIDs, func(u string) bool { return u[0] != 's' }) {
				t.Fatalf("suspects went with others: %v", r.UUIDs)
			}
		}
		for i := range 50 {
			suspect := "suspect" + name(i)
			if got := e.of(t, name(i)); got.End != delivery.Delivered || l.inEach()[name(i)] != 1 {
				t.Errorf("event %d: %+v after %d requests", i, got, l.inEach()[name(i)])
			}
			if suspect != bad && (e.of(t, suspect).End != delivery.Delivered || l.inEach()[suspect] > 8) {
				t.Errorf("%s: %+v after %d requests", suspect, e.of(t, suspect), l.inEach()[suspect])
			}
		}
		if got := e.of(t, bad); got.End != delivery.Undelivered || got.Failures < 3 {
			t.Errorf("the bad event: %+v", got)
		}
		for _, sample := range s.got() {
			if sample.Failed || sample.Stalled {
				t.Errorf("charged to the destination: %+v", sample)
			}
		}
		d.Stop(t.Context())
	})
}

func TestADestinationThatTakesNothingIsChargedForSuspectsToo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var s samples
		e := newEnds()
		config := delivery.DefaultConfig()
		config.Observe = s.observe
		d := newDispatcher(t, config, senderFunc(func(_ context.Context, _ *destination.Destination, batch []*event.Event) []outcome.Verdict {
			return all(batch, broken)
		}))
		for _, item := range e.suspects(to("acme"), 3) {
			d.Submit(item)
		}
		<-time.After(20 * time.Second)
		if got := s.got(); len(got) == 0 || !got[0].Failed {
			t.Errorf("told: %+v", got)
		}
		if got := e.of(t, "suspect"+name(0)); got.End != delivery.Undelivered || got.Failures != 0 {
			t.Errorf("got %+v", got)
		}
		d.Stop(t.Context())
	})
}
