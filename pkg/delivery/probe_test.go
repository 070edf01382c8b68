package delivery_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hogcast/hogcast/pkg/delivery"
	"github.com/hogcast/hogcast/pkg/destination"
	"github.com/hogcast/hogcast/pkg/event"
	"github.com/hogcast/hogcast/pkg/outcome"
)

func TestAProbeGoesAloneAndAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var l log
		e, acme, start := newEnds(), to("acme"), time.Now()
		acme.MaxConcurrency, acme.MaxRate = 1, 0.001
		hanging := hang(nil)
		d := newDispatcher(t, delivery.DefaultConfig(), l.around(func(ctx context.Context, to *destination.Destination, batch []*event.Event) []outcome.Verdict {
			if batch[0].UUID == "probe" {
				return all(batch, accepted)
			}
			return hanging(ctx, to, batch)
		}))
		flood(d, e, acme, 5)
		<-time.After(time.Second)
		d.Pause(acme.ID, time.Now().Add(5*time.Second))
		probe := e.item(acme, "probe")
		probe.Probe = true
		d.Submit(probe)
		synctest.Wait()
		if got := e.of(t, "probe"); got.End != delivery.Delivered || got.Attempts != 1 {
			t.Errorf("the probe: %+v", got)
		}
		if got := e.when("probe").Sub(start); got != time.Second {
			t.Errorf("the probe ended after %s, want at once", got)
		}
		if got := l.all(); len(got) != 2 || len(got[1].UUIDs) != 1 {
			t.Errorf("requests: %v", got)
		}
		abandon(t, d)
	})
}

func TestAProbeHasOneAttemptAndItsVerdictDecides(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		verdict outcome.Verdict
		want    delivery.End
	}{
		{accepted, delivery.Delivered},
		{outcome.Verdict{Action: outcome.Bury, Cause: outcome.DroppedByServer, Status: 200}, delivery.Buried},
		{refused, delivery.Buried},
		{tooLarge, delivery.Buried},
		{broken, delivery.Undelivered},
		{timedOut, delivery.Undelivered},
		{limited(time.Second), delivery.Undelivered},
		{outcome.Verdict{Action: outcome.Hold, Cause: outcome.Unauthorized, Status: 401}, delivery.Undelivered},
		{outcome.Verdict{Action: outcome.Retry, Cause: outcome.RetryAsked, Status: 200}, delivery.Undelivered},
	} {
		synctest.Test(t, func(t *testing.T) {
			var l log
			e := newEnds()
			d := newDispatcher(t, delivery.DefaultConfig(), l.around(scripted(c.verdict)))
			probe := e.item(to("acme"), "probe")
			probe.Probe = true
			d.Submit(probe)
			<-time.After(20 * time.Second)
			if got := e.of(t, "probe"); got.End != c.want || got.Verdict != c.verdict || got.Attempts != 1 || len(l.all()) != 1 {
				t.Errorf("%s: %+v after %d requests, want end %d", c.verdict.Cause, got, len(l.all()), c.want)
			}
			if got := d.Stats(); got != (delivery.Stats{}) {
				t.Errorf("left: %+v", got)
			}
			d.Stop(t.Context())
		})
	}
}

func TestAProbeThatSucceedsEndsThePause(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e, acme := newEnds(), to("acme")
		d := newDispatcher(t, delivery.DefaultConfig(), senderFunc(accept))
		d.Pause(acme.ID, time.Now().Add(time.Hour))
		probe := e.item(acme, "probe")
		probe.Probe = true
		d.Submit(probe)
		<-time.After(time.Second)
		d.Submit(e.item(acme, "a"))
		<-time.After(time.Second)
		if got := e.of(t, "a").End; got != delivery.Delivered {
			t.Errorf("after the probe: %v", got)
		}
		d.Stop(t.Context())
	})
}

func TestProbesAreBoundedAndStopEndsThem(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := newEnds()
		d := newDispatcher(t, delivery.DefaultConfig(), hang(nil))
		for i := range 100 {
			probe := e.item(to(name(i)), name(i))
			probe.Probe = true
			d.Submit(probe)
		}
		synctest.Wait()
		if got := d.Stats(); got.Requests != 64 || got.Waiting != 36 {
			t.Errorf("in hand: %+v, want 64 requests and 36 waiting", got)
		}
		abandon(t, d)
		for i := range 100 {
			if got := e.of(t, name(i)); got.End != delivery.Interrupted || got.Attempts != 0 {
				t.Errorf("probe %d: %+v", i, got)
			}
		}
	})
}
