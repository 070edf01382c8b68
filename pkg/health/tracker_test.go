package health_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hogcast/hogcast/pkg/health"
	"github.com/hogcast/hogcast/pkg/outcome"
)

// step is one sample at a time after origin.
type step struct {
	at     time.Duration
	sample health.Sample
}

// run tells a new tracker the steps, and returns the status after the last and
// which step it was that tripped first, or -1.
func run(steps []step) (last health.Status, tripped int) {
	var t health.Tracker
	tripped = -1
	for i, s := range steps {
		last = t.Observe(after(s.at), s.sample)
		if last.Blocked() && tripped < 0 {
			tripped = i
		}
	}
	return last, tripped
}

// every repeats a sample n times, gap apart, beginning at from.
func every(from, gap time.Duration, n int, s health.Sample) []step {
	steps := make([]step, n)
	for i := range steps {
		steps[i] = step{from + time.Duration(i)*gap, s}
	}
	return steps
}

func join(parts ...[]step) []step {
	var all []step
	for _, p := range parts {
		all = append(all, p...)
	}
	return all
}

func TestWhenADestinationTrips(t *testing.T) {
	t.Parallel()
	const s = time.Second
	limited := func(retryAfter time.Duration) health.Sample {
		f := failed(outcome.RateLimited, 429, 10*time.Millisecond)
		f.RetryAfter = retryAfter
		return f
	}
	other := refused()
	other.Revision = "r2"
	mixed := refused()
	mixed.Accepted = 1 // of a batch of which the rest failed
	single := failed(outcome.BadRequest, 400, 10*time.Millisecond)
	single.Failed = false
	tests := map[string]struct {
		steps   []step
		tripped int // index of the step; -1: it does not
	}{
		"five failures in a row over a second":              {every(0, 300*time.Millisecond, 5, refused()), 4},
		"four failures, however far apart":                  {every(0, 10*s, 4, refused()), -1},
		"fifty failures at one moment are one blip":         {every(0, 0, 50, refused()), -1},
		"a blip, and the next failure a second later":       {join(every(0, 0, 50, refused()), every(s, 0, 1, refused())), 50},
		"five failures over just less than a second":        {every(0, 240*time.Millisecond, 5, refused()), -1},
		"a failure's own time is part of the span":          {every(0, 0, 5, failed(outcome.ServerError, 503, s)), 4},
		"an acceptance among the failures":                  {join(every(0, s, 4, refused()), every(4*s, s, 1, accepted(10*time.Millisecond)), every(5*s, s, 4, refused())), -1},
		"an acceptance of a part of the batch":              {join(every(0, s, 4, refused()), every(4*s, s, 1, mixed), every(5*s, s, 4, refused())), -1},
		"five failures after an acceptance":                 {join(every(0, s, 4, refused()), every(4*s, s, 1, accepted(10*time.Millisecond)), every(5*s, s, 5, refused())), 9},
		"failures that are more than a minute old":          {join(every(0, s, 4, refused()), every(65*s, s, 4, refused())), -1},
		"another revision starts anew":                      {join(every(0, s, 4, refused()), every(4*s, s, 4, other)), -1},
		"another revision's own five":                       {join(every(0, s, 4, refused()), every(4*s, s, 5, other)), 8},
		"one timeout of ten seconds":                        {every(0, s, 1, failed(outcome.Timeout, 0, 10*s)), 0},
		"two timeouts of five seconds":                      {every(0, 5*s, 2, failed(outcome.Timeout, 0, 5*s)), 1},
		"a slow acceptance, however slow":                   {every(0, s, 5, accepted(30*s)), -1},
		"answers about single events":                       {every(0, s, 50, single), -1},
		"a stall of four seconds where nothing is known":    {every(0, s, 1, stalled(4*s)), -1},
		"stalls of five seconds twice":                      {every(0, s, 2, stalled(5*s)), 1},
		"a stall of two seconds where answers are fast":     {join(every(0, s, 3, accepted(50*time.Millisecond)), every(3*s, s, 1, stalled(2*s))), 3},
		"a stall of one second where answers are fast":      {join(every(0, s, 3, accepted(50*time.Millisecond)), every(3*s, s, 1, stalled(1*s))), -1},
		"a stall of five seconds where answers are slow":    {join(every(0, s, 3, accepted(3*s)), every(3*s, s, 1, stalled(5*s))), -1},
		"stalls count as no failures":                       {every(0, s, 8, stalled(s)), -1},
		"a pause of two seconds":                            {every(0, s, 1, limited(2*s)), 0},
		"a short pause is kept by the lane":                 {every(0, s, 2, limited(s)), -1},
		"three pauses in a row":                             {every(0, s, 3, limited(s)), 2},
		"three pauses without a time":                       {every(0, s, 3, limited(0)), 2},
		"two pauses, an acceptance and two more":            {join(every(0, s, 2, limited(s)), every(2*s, s, 1, accepted(s)), every(3*s, s, 2, limited(s))), -1},
		"our own interruptions charge nobody":               {every(0, s, 50, failed(outcome.Interrupted, 0, 10*s)), -1},
		"an owner's cause in an answer that also took some": {[]step{{0, health.Sample{Revision: "r1", Cause: outcome.OverQuota, Accepted: 1}}}, -1},
	}
	for name, tt := range tests {
		if _, got := run(tt.steps); got != tt.tripped {
			t.Errorf("%s: tripped at step %d, want %d", name, got, tt.tripped)
		}
	}
}

func TestOwnersCausesTripAtOnce(t *testing.T) {
	t.Parallel()
	for _, c := range outcome.Causes() {
		last, tripped := run([]step{{0, failed(c, 403, time.Millisecond)}})
		if want := health.Classify(c) == health.Owner; (tripped == 0) != want {
			t.Errorf("%s: tripped %t, want %t", c, tripped == 0, want)
		} else if want && (last.State != health.Held || last.Reason != health.Reason(c)) {
			t.Errorf("%s: status %+v", c, last)
		}
	}
}

func TestTheStatusTellsWhyAndSinceWhen(t *testing.T) {
	t.Parallel()
	limited := failed(outcome.RateLimited, 429, 0)
	limited.RetryAfter = 30 * time.Second
	tests := map[string]struct {
		steps []step
		want  health.Status
	}{
		"fails": {every(0, time.Second, 5, refused()), health.Status{
			State: health.Open, Reason: "server_error", Code: 503, Revision: "r1", Since: after(4 * time.Second),
			LastProbe: after(4 * time.Second), Gap: 5 * time.Second, NotBefore: after(4 * time.Second),
		}},
		"hangs": {every(0, time.Second, 2, stalled(6*time.Second)), health.Status{
			State: health.Open, Reason: "timeout", Revision: "r1", Since: after(time.Second),
			LastProbe: after(time.Second), Gap: 5 * time.Second, NotBefore: after(time.Second),
		}},
		"asks for a pause": {every(0, 0, 1, limited), health.Status{
			State: health.Paced, Reason: "rate_limited", Code: 429, Revision: "r1", Since: origin,
			LastProbe: origin, Gap: 5 * time.Second, NotBefore: after(30 * time.Second),
		}},
		"refuses the key": {every(0, 0, 1, failed(outcome.Unauthorized, 401, 0)), health.Status{
			State: health.Held, Reason: "unauthorized", Code: 401, Revision: "r1", Since: origin,
			LastProbe: origin, Gap: 5 * time.Second, NotBefore: origin,
		}},
	}
	for name, tt := range tests {
		got, _ := run(tt.steps)
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestTheGapGoesOnWhereTheNextOutageIsSoon(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		was   time.Duration
		again time.Duration // when the next begins
		want  time.Duration
	}{
		"after 59 s it goes on":            {40 * time.Second, 59 * time.Second, 40 * time.Second},
		"after a minute it falls back":     {40 * time.Second, 60 * time.Second, 5 * time.Second},
		"it never goes on below the least": {0, time.Second, 5 * time.Second},
	} {
		var tr health.Tracker
		tr.Closed(origin, health.Status{State: health.Open, Gap: tt.was})
		tr.Observe(after(time.Second/2), accepted(time.Millisecond)) // success does not forget the gap
		got := tr.Observe(after(tt.again), failed(outcome.Unauthorized, 401, 0))
		if got.Gap != tt.want {
			t.Errorf("%s: gap %s, want %s", name, got.Gap, tt.want)
		}
	}
}

func TestAClosedOutageForgetsItsFailures(t *testing.T) {
	t.Parallel()
	var tr health.Tracker
	for i := range 4 {
		tr.Observe(after(time.Duration(i)*time.Second), refused())
	}
	tr.Closed(after(4*time.Second), health.Status{State: health.Open, Gap: health.FirstGap})
	if got := tr.Observe(after(5*time.Second), refused()); got.Blocked() {
		t.Errorf("one failure after the outage tripped: %+v", got)
	}
}

func TestTheTrackerKeepsTheGapOverAChangeOfRevision(t *testing.T) {
	t.Parallel()
	var tr health.Tracker
	tr.Closed(origin, health.Status{State: health.Open, Gap: 40 * time.Second})
	s := failed(outcome.Unauthorized, 401, 0)
	s.Revision = "r2"
	if got := tr.Observe(after(time.Second), s); got.Gap != 40*time.Second || got.Revision != "r2" {
		t.Errorf("status = %+v", got)
	}
}
