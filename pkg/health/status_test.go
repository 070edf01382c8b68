package health_test

import (
	"encoding/json"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hogcast/hogcast/pkg/health"
	"github.com/hogcast/hogcast/pkg/outcome"
)

func TestBlockedStatesHoldEvents(t *testing.T) {
	t.Parallel()
	want := []health.State{health.Paced, health.Open, health.Held}
	var got []health.State
	for _, s := range append(health.States(), "") {
		if (health.Status{State: s}).Blocked() {
			got = append(got, s)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("blocked (-want +got):\n%s", diff)
	}
}

func TestAStatusIsAboutItsRevisionAlone(t *testing.T) {
	t.Parallel()
	s := health.Status{State: health.Held, Revision: "r1"}
	if !s.About("r1") || s.About("r2") {
		t.Errorf("about r1 %t, r2 %t; want true, false", s.About("r1"), s.About("r2"))
	}
	if s = (health.Status{State: health.Open}); !s.About("r1") || !s.About("r2") {
		t.Error("a host's status is about every revision")
	}
}

func TestProbeTimes(t *testing.T) {
	t.Parallel()
	s := health.Status{State: health.Open, LastProbe: origin, Gap: 20 * time.Second}
	asked := s
	asked.NotBefore = after(time.Minute)
	for name, tt := range map[string]struct{ got, want time.Time }{
		"held, after the gap":                    {s.NextProbe(), after(20 * time.Second)},
		"held, not before what was asked":        {asked.NextProbe(), after(time.Minute)},
		"fresh, at the earliest":                 {s.FreshProbe(0), after(time.Second)},
		"fresh, in the middle":                   {s.FreshProbe(0.5), after(2 * time.Second)},
		"fresh, not before what was asked":       {asked.FreshProbe(0.5), after(time.Minute)},
		"none while another is under way, held":  {s.Probing(after(time.Second), 15*time.Second).NextProbe(), after(21 * time.Second)},
		"none while another is under way, fresh": {s.Probing(after(time.Second), 15*time.Second).FreshProbe(0), after(16 * time.Second)},
	} {
		if !tt.got.Equal(tt.want) {
			t.Errorf("%s: %s, want %s", name, tt.got, tt.want)
		}
	}
	if latest := s.FreshProbe(0.999999); latest.After(after(3 * time.Second)) {
		t.Errorf("a fresh event waits until %s, longer than 3 s", latest)
	}
}

func TestTheGapGrowsFromFiveSecondsToAMinute(t *testing.T) {
	t.Parallel()
	s := health.Status{State: health.Open, Gap: health.FirstGap, LastProbe: origin}
	var got []time.Duration
	for at := origin; len(got) < 6; at = s.NextProbe() {
		got = append(got, s.Gap)
		s = s.Probing(at, time.Second).Probed(at, health.Probe{Held: true, Sample: refused()})
	}
	want := []time.Duration{5, 10, 20, 40, 60, 60}
	for i := range want {
		want[i] *= time.Second
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("gaps (-want +got):\n%s", diff)
	}
}

func TestWhatAFailedProbeChanges(t *testing.T) {
	t.Parallel()
	was := health.Status{
		State: health.Open, Reason: "server_error", Code: 503, Revision: "r1", Since: origin,
		LastProbe: after(5 * time.Second), Gap: 5 * time.Second, NotBefore: after(20 * time.Second),
	}
	now := after(6 * time.Second)
	limited := failed(outcome.RateLimited, 429, 0)
	limited.RetryAfter = time.Minute
	with := func(change func(*health.Status)) health.Status {
		s := was
		s.NotBefore = now // the probe is over
		change(&s)
		return s
	}
	tests := map[string]struct {
		probe health.Probe
		want  health.Status
	}{
		"a fresh one leaves the gap":               {health.Probe{Sample: refused()}, with(func(*health.Status) {})},
		"a held one doubles it":                    {health.Probe{Sample: refused(), Held: true}, with(func(s *health.Status) { s.Gap *= 2 })},
		"another failure of the kind is no news":   {health.Probe{Sample: failed(outcome.Timeout, 0, 0)}, with(func(s *health.Status) { s.Reason, s.Code = "timeout", 0 })},
		"one that was interrupted says nothing":    {health.Probe{Sample: failed(outcome.Interrupted, 0, 0)}, with(func(*health.Status) {})},
		"one that did not fail as a whole neither": {health.Probe{Sample: health.Sample{Cause: outcome.Unauthorized}}, with(func(*health.Status) {})},
		"the owner has to act now": {health.Probe{Sample: failed(outcome.Unauthorized, 401, 0)}, with(func(s *health.Status) {
			s.State, s.Reason, s.Code, s.Since = health.Held, "unauthorized", 401, now
		})},
		"it asks for a minute": {health.Probe{Sample: limited}, with(func(s *health.Status) {
			s.State, s.Reason, s.Code, s.Since, s.NotBefore = health.Paced, "rate_limited", 429, now, now.Add(time.Minute)
		})},
	}
	for name, tt := range tests {
		if diff := cmp.Diff(tt.want, was.Probed(now, tt.probe)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestAHostIsDownWithManyAndNoAcceptance(t *testing.T) {
	t.Parallel()
	now := after(time.Hour)
	for name, tt := range map[string]struct {
		open     int
		accepted time.Time
		want     bool
	}{
		"twenty, and never an acceptance":           {20, time.Time{}, true},
		"twenty, and none for a while":              {20, now.Add(-3*time.Second - 1), true},
		"twenty, but it has accepted just now":      {20, now, false},
		"twenty, but it has accepted 3 seconds ago": {20, now.Add(-3 * time.Second), false},
		"nineteen":              {19, time.Time{}, false},
		"a thousand, just now":  {1000, now, false},
		"a thousand, and quiet": {1000, now.Add(-time.Minute), true},
	} {
		if got := health.HostDown(tt.open, tt.accepted, now); got != tt.want {
			t.Errorf("%s: %t, want %t", name, got, tt.want)
		}
	}
}

func TestAStatusSurvivesItsWayThroughTheBucket(t *testing.T) {
	t.Parallel()
	want := health.Status{
		State: health.Paced, Reason: "rate_limited", Code: 429, Revision: "r1", Host: "abc", Since: origin,
		LastProbe: after(time.Second), Gap: 5 * time.Second, NotBefore: after(time.Minute), Worker: "w1",
	}
	text, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	var got health.Status
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if text, err = json.Marshal(health.Status{State: health.Draining}); err != nil || string(text) != `{"state":"draining"}` {
		t.Errorf("what is not known is left out: %s, %v", text, err)
	}
}

func TestEveryReasonOfAStateIsOnTheList(t *testing.T) {
	t.Parallel()
	for _, c := range outcome.Causes() {
		if health.Classify(c) != health.Fine && !slices.Contains(outcome.HoldReasons(), health.Reason(c)) {
			t.Errorf("%s makes a state, and is no reason to hold", c)
		}
	}
}
