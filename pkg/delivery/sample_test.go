package delivery_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hogcast/hogcast/pkg/delivery"
	"github.com/hogcast/hogcast/pkg/destination"
	"github.com/hogcast/hogcast/pkg/event"
	"github.com/hogcast/hogcast/pkg/health"
	"github.com/hogcast/hogcast/pkg/outcome"
)

// samples keeps what Observe was told.
type samples struct {
	mu  sync.Mutex
	all []health.Sample
}

func (s *samples) observe(_ *destination.Destination, sample health.Sample) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all = append(s.all, sample)
}

func (s *samples) got() []health.Sample {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]health.Sample(nil), s.all...)
}

func TestHealthIsToldWhatEachRequestCameToAsAWhole(t *testing.T) {
	t.Parallel()
	v := func(action outcome.Action, cause outcome.Cause, status int) outcome.Verdict {
		return outcome.Verdict{Action: action, Cause: cause, Status: status}
	}
	overQuota, dropped := v(outcome.Hold, outcome.OverQuota, 200), v(outcome.Bury, outcome.DroppedByServer, 200)
	asked, missing := v(outcome.Retry, outcome.RetryAsked, 200), v(outcome.Retry, outcome.NoVerdict, 200)
	tooLargeToSend := v(outcome.Bury, outcome.EventTooLarge, 0)
	for name, c := range map[string]struct {
		verdicts []outcome.Verdict
		want     health.Sample
	}{
		"all accepted":                     {[]outcome.Verdict{accepted, accepted}, health.Sample{Cause: outcome.OK, Status: 200, Accepted: 2}},
		"a server error":                   {[]outcome.Verdict{broken, broken}, health.Sample{Cause: outcome.ServerError, Status: 503, Failed: true}},
		"a rate limit":                     {[]outcome.Verdict{limited(time.Hour), limited(time.Hour)}, health.Sample{Cause: outcome.RateLimited, Status: 429, Failed: true, RetryAfter: time.Hour}},
		"a hold":                           {[]outcome.Verdict{overQuota, overQuota}, health.Sample{Cause: outcome.OverQuota, Status: 200, Failed: true}},
		"a hold of some":                   {[]outcome.Verdict{accepted, overQuota}, health.Sample{Cause: outcome.OverQuota, Status: 200, Accepted: 1}},
		"one dropped":                      {[]outcome.Verdict{dropped, accepted}, health.Sample{Cause: outcome.OK, Status: 200, Accepted: 1}},
		"all dropped":                      {[]outcome.Verdict{dropped, dropped}, health.Sample{Cause: outcome.DroppedByServer, Status: 200}},
		"some asked again":                 {[]outcome.Verdict{accepted, asked}, health.Sample{Cause: outcome.OK, Status: 200, Accepted: 1}},
		"all asked again":                  {[]outcome.Verdict{asked, asked}, health.Sample{Cause: outcome.RetryAsked, Status: 200}},
		"some left out":                    {[]outcome.Verdict{missing, accepted}, health.Sample{Cause: outcome.OK, Status: 200, Accepted: 1}},
		"all left out":                     {[]outcome.Verdict{missing, missing}, health.Sample{Cause: outcome.NoVerdict, Status: 200, Failed: true}},
		"one asked again, one left out":    {[]outcome.Verdict{asked, missing}, health.Sample{Cause: outcome.RetryAsked, Status: 200}},
		"one never sent, the other failed": {[]outcome.Verdict{tooLargeToSend, broken}, health.Sample{Cause: outcome.ServerError, Status: 503, Failed: true}},
		"the batch is at fault":            {[]outcome.Verdict{refused, refused}, health.Sample{Cause: outcome.BadRequest, Status: 400}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var s samples
				e, acme := newEnds(), to("acme")
				config := delivery.DefaultConfig()
				config.Observe = s.observe
				var first sync.Once
				d := newDispatcher(t, config, slow(time.Second, func(_ context.Context, _ *destination.Destination, batch []*event.Event) []outcome.Verdict {
					verdicts := all(batch, accepted)
					first.Do(func() { verdicts = c.verdicts })
					return verdicts
				}))
				for i := range c.verdicts {
					d.Submit(e.item(acme, name+string(rune('0'+i))))
				}
				<-time.After(1500 * time.Millisecond)
				c.want.Revision, c.want.Took = acme.Revision(), time.Second
				got := s.got()
				if len(got) == 0 {
					t.Fatal("nothing was told")
				}
				if diff := cmp.Diff(c.want, got[0]); diff != "" {
					t.Errorf("sample (-want +got):\n%s", diff)
				}
				d.Stop(t.Context())
			})
		})
	}
}

func TestHealthIsToldOnceOfARequestThatStalls(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var s samples
		e, acme := newEnds(), to("acme")
		config := delivery.DefaultConfig()
		config.Observe = s.observe
		d := newDispatcher(t, config, hang(nil))
		d.Submit(e.item(acme, "a"))
		<-time.After(10*time.Second + 300*time.Millisecond)
		want := []health.Sample{
			{Revision: acme.Revision(), Cause: outcome.Timeout, Took: config.StallAfter, Stalled: true},
			{Revision: acme.Revision(), Cause: outcome.Timeout, Took: 10 * time.Second, Failed: true},
		}
		if diff := cmp.Diff(want, s.got()); diff != "" {
			t.Errorf("samples (-want +got):\n%s", diff)
		}
		abandon(t, d)
	})
}

func TestARequestDoesNotStallWhereItsLaneHasSomethingAccepted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var s samples
		e, acme := newEnds(), to("acme")
		config := delivery.DefaultConfig()
		config.Observe = s.observe
		hanging := hang(nil)
		d := newDispatcher(t, config, senderFunc(func(ctx context.Context, to *destination.Destination, batch []*event.Event) []outcome.Verdict {
			if batch[0].UUID == "hangs" {
				return hanging(ctx, to, batch)
			}
			return all(batch, accepted)
		}))
		d.Submit(e.item(acme, "hangs"))
		<-time.After(time.Second)
		d.Submit(e.item(acme, "passes"))
		<-time.After(4 * time.Second)
		for _, got := range s.got() {
			if got.Stalled {
				t.Errorf("stalled: %+v", got)
			}
		}
		abandon(t, d)
	})
}
