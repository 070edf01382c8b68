package delivery_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hogcast/hogcast/pkg/delivery"
	"github.com/hogcast/hogcast/pkg/destination"
	"github.com/hogcast/hogcast/pkg/event"
	"github.com/hogcast/hogcast/pkg/outcome"
)

// server answers as its answer says, after a latency that may depend on how many
// requests are under way, and knows the most there were at once since asked.
type server struct {
	mu      sync.Mutex
	now     int
	peak    int
	latency func(atOnce int) time.Duration
	answer  outcome.Verdict
}

func (s *server) Send(ctx context.Context, _ *destination.Destination, batch []*event.Event) []outcome.Verdict {
	s.mu.Lock()
	s.now++
	s.peak = max(s.peak, s.now)
	wait := time.After(s.latency(s.now))
	s.mu.Unlock()
	select {
	case <-wait:
	case <-ctx.Done():
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now--
	return all(batch, s.answer)
}

func (s *server) peakSince() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	peak := s.peak
	s.peak = s.now
	return peak
}

func (s *server) set(latency func(int) time.Duration, answer outcome.Verdict) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.latency, s.answer = latency, answer
}

func constant(d time.Duration) func(int) time.Duration {
	return func(int) time.Duration { return d }
}

// flood submits n items that may stay for an hour.
func flood(d *delivery.Dispatcher, e *ends, to *destination.Destination, n int) {
	for i := range n {
		d.Submit(e.sized(to, to.Tenant+name(i), 10))
	}
}

// tens is a configuration with small batches, for tests of many requests.
func tens() delivery.Config {
	config := delivery.DefaultConfig()
	config.BatchEvents = 10
	return config
}

func abandon(t *testing.T, d *delivery.Dispatcher) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	d.Stop(ctx)
}

func TestALaneBeginsWithTwoRequestsAndGrowsWhileAnswersAreFast(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &server{latency: constant(100 * time.Millisecond), answer: accepted}
		d := newDispatcher(t, tens(), s)
		flood(d, newEnds(), to("acme"), 6000)
		<-time.After(50 * time.Millisecond)
		if got := s.peakSince(); got != 2 {
			t.Errorf("it began with %d requests, want 2", got)
		}
		<-time.After(500 * time.Millisecond)
		if got := s.peakSince(); got < 5 || got > 8 {
			t.Errorf("after five round trips %d requests, want about one more for each", got)
		}
		<-time.After(2 * time.Second)
		if got := s.peakSince(); got != 16 {
			t.Errorf("in the end %d requests, want the bound of 16", got)
		}
		abandon(t, d)
	})
}

func TestALaneThatNeedsNoMoreDoesNotGrow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &server{latency: constant(40 * time.Millisecond), answer: accepted}
		e := newEnds()
		d := newDispatcher(t, tens(), s)
		for range 100 {
			flood(d, e, to("acme"), 10)
			<-time.After(250 * time.Millisecond)
		}
		s.peakSince()
		flood(d, e, to("acme"), 1000)
		<-time.After(10 * time.Millisecond)
		if got := s.peakSince(); got != 2 {
			t.Errorf("%d requests at once after a time of one at once, want 2", got)
		}
		abandon(t, d)
	})
}

func TestALaneStopsGrowingWhereAnswersGetSlower(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &server{answer: accepted, latency: func(n int) time.Duration { return time.Duration(max(n, 3)) * 50 * time.Millisecond }}
		d := newDispatcher(t, tens(), s)
		flood(d, newEnds(), to("acme"), 6000)
		<-time.After(20 * time.Second)
		if got := s.peakSince(); got < 4 || got > 10 {
			t.Errorf("%d requests at once where the server slows down from 3, want 4 to 10", got)
		}
		abandon(t, d)
	})
}

func TestALaneShrinksWhereItsDestinationRefusesFailsOrIsSlow(t *testing.T) {
	t.Parallel()
	fast := constant(100 * time.Millisecond)
	for name, c := range map[string]struct {
		latency     func(int) time.Duration
		answer      outcome.Verdict
		after       time.Duration // when to look, for three seconds
		least, most int
	}{
		"429":                      {fast, outcome.Verdict{Action: outcome.Retry, Cause: outcome.RateLimited, Status: 429}, 4 * time.Second, 0, 2},
		"503":                      {fast, broken, 4 * time.Second, 0, 2},
		"a hang":                   {constant(time.Hour), accepted, 11 * time.Second, 7, 9},
		"ten times slower":         {constant(time.Second), accepted, 1200 * time.Millisecond, 6, 8},
		"as before: no shrinking":  {fast, accepted, time.Second, 16, 16},
		"held: not the pace's job": {fast, outcome.Verdict{Action: outcome.Hold, Cause: outcome.Unauthorized, Status: 401}, time.Second, 16, 16},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := &server{latency: fast, answer: accepted}
				d := newDispatcher(t, tens(), s)
				flood(d, newEnds(), to("acme"), 20_000)
				<-time.After(3 * time.Second)
				if got := s.peakSince(); got != 16 {
					t.Fatalf("%d requests at once, want 16 to begin with", got)
				}
				s.set(c.latency, c.answer)
				<-time.After(c.after)
				s.peakSince()
				<-time.After(3 * time.Second)
				if got := s.peakSince(); got < c.least || got > c.most {
					t.Errorf("%d requests at once afterwards, want %d to %d", got, c.least, c.most)
				}
				abandon(t, d)
			})
		})
	}
}

func TestAPaceOutlivesAShortIdleTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &server{latency: constant(100 * time.Millisecond), answer: accepted}
		e := newEnds()
		d := newDispatcher(t, tens(), s)
		flood(d, e, to("acme"), 3000)
		<-time.After(5 * time.Second)
		for _, c := range []struct {
			idle time.Duration
			want int
		}{{5 * time.Second, 16}, {time.Minute, 2}} {
			<-time.After(c.idle)
			if got := d.Stats(); got != (delivery.Stats{}) {
				t.Errorf("left while idle: %+v", got)
			}
			s.peakSince()
			flood(d, e, to("acme"), 1000)
			<-time.After(10 * time.Millisecond)
			if got := s.peakSince(); got != c.want {
				t.Errorf("%d requests at once after %s, want %d", got, c.idle, c.want)
			}
			<-time.After(5 * time.Second)
		}
		d.Stop(t.Context())
	})
}

func TestARateIsKeptWithinATenth(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		rate    float64
		workers int
		seconds int
	}{
		"500 a second":                   {500, 1, 20},
		"20 a second":                    {20, 1, 60},
		"a tenth of one a second":        {0.1, 1, 600},
		"200 a second over four workers": {200, 4, 30},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var l log
				config := delivery.DefaultConfig()
				config.Workers = func() int { return c.workers }
				d := newDispatcher(t, config, l.around(accept))
				acme, n := to("acme"), 0
				acme.MaxRate = c.rate
				flood(d, newEnds(), acme, 12_000)
				<-time.After(time.Duration(c.seconds) * time.Second)
				for _, r := range l.all() {
					n += len(r.UUIDs)
				}
				want := c.rate / float64(c.workers) * float64(c.seconds)
				if float64(n) < 0.9*want || float64(n) > 1.1*want {
					t.Errorf("%d events in %d s, want %.0f", n, c.seconds, want)
				}
				if mean := float64(n) / float64(len(l.all())); c.rate >= 100 && mean < 40 {
					t.Errorf("%.1f events a request: the rate tears batches apart", mean)
				}
				abandon(t, d)
			})
		})
	}
}

func TestALaneThatComesAndGoesKeepsItsRate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var l log
		e, acme := newEnds(), to("acme")
		acme.MaxRate = 10
		d := newDispatcher(t, delivery.DefaultConfig(), l.around(accept))
		n := 0
		for i := range 200 { // 20 a second
			d.Submit(e.sized(acme, name(i), 10))
			<-time.After(50 * time.Millisecond)
		}
		for _, r := range l.all() {
			n += len(r.UUIDs)
		}
		if n > 111 {
			t.Errorf("%d events in 10 s, want about 110", n)
		}
		<-time.After(time.Minute)
		if got := d.Stats(); got != (delivery.Stats{}) {
			t.Errorf("left: %+v", got)
		}
		d.Stop(t.Context())
	})
}

func TestConcurrencyIsSharedByTheFleet(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ most, workers, want int }{{6, 3, 2}, {1, 1, 1}, {2, 5, 1}, {8, 1, 8}} {
		synctest.Test(t, func(t *testing.T) {
			s := &server{latency: constant(100 * time.Millisecond), answer: accepted}
			config := tens()
			config.Workers = func() int { return c.workers }
			d := newDispatcher(t, config, s)
			acme := to("acme")
			acme.MaxConcurrency = c.most
			flood(d, newEnds(), acme, 5000)
			<-time.After(3 * time.Second)
			if got := s.peakSince(); got != c.want {
				t.Errorf("%d requests at once of at most %d over %d workers, want %d", got, c.most, c.workers, c.want)
			}
			abandon(t, d)
		})
	}
}
