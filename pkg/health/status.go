package health

import (
	"time"

	"github.com/hogcast/hogcast/pkg/outcome"
)

// Status is a destination's health as the fleet shares it. The zero Status is
// healthy.
type Status struct {
	State State `json:"state"`
	// Reason is why: the cause of the failure, or the owner's wish.
	Reason Reason `json:"reason,omitempty"`
	Code   int    `json:"status,omitempty"` // HTTP, of the failure
	// Detail is what the poison guard has found: the cause of the letters.
	Detail string `json:"detail,omitempty"`
	// Revision of the destination that this is about; with another it says
	// nothing, and so a change of configuration resumes at once.
	Revision string    `json:"revision,omitempty"`
	Host     string    `json:"host,omitempty"`
	Since    time.Time `json:"since,omitzero"`
	// LastProbe, Gap: while fresh events arrive one of them is the probe
	// FreshGap after the last; held ones are Gap after it.
	LastProbe time.Time     `json:"last_probe,omitzero"`
	Gap       time.Duration `json:"gap,omitempty"`
	// NotBefore is what the destination has asked for, or the end of a probe
	// that is under way: none starts before.
	NotBefore time.Time `json:"not_before,omitzero"`
	Worker    string    `json:"worker,omitempty"` // which wrote this
}

// Reason is why a destination is not healthy.
type Reason = outcome.HoldReason

// Gaps between probes.
const (
	FreshGapMin = time.Second // with FreshGapMax the bounds of the wait while fresh events arrive
	FreshGapMax = 3 * time.Second
	FirstGap    = 5 * time.Second // of held events; it doubles up to MaxGap
	MaxGap      = 60 * time.Second
	// Steady is how long success has to last for the gap to fall back.
	Steady = 60 * time.Second
	// GuardGap is between two tries of what the poison guard holds.
	GuardGap = time.Minute
	// GuardPardon is how long the guard stays off after an operator's release.
	GuardPardon = time.Hour
)

// Blocked reports whether events are to be held rather than sent.
func (s Status) Blocked() bool {
	return s.State == Paced || s.State == Open || s.State == Held
}

// About reports whether the status is about this revision of the destination.
func (s Status) About(revision string) bool { return s.Revision == "" || s.Revision == revision }

// NextProbe is when a held event is the next probe, where no fresh one is
// before.
func (s Status) NextProbe() time.Time { return later(s.LastProbe.Add(s.Gap), s.NotBefore) }

// Pardoned reports whether an operator has released the poison guard, and it
// is not to trip again yet.
func (s Status) Pardoned(now time.Time) bool {
	return s.State == Healthy && s.Reason == outcome.Guarded && now.Before(s.NotBefore)
}

// Pardon is the status that an operator's release leaves.
func Pardon(now time.Time) Status {
	return Status{State: Healthy, Reason: outcome.Guarded, NotBefore: now.Add(GuardPardon)}
}

// FreshProbe is when a fresh event is the next probe. jitter is within [0, 1).
func (s Status) FreshProbe(jitter float64) time.Time {
	if s.Reason == outcome.Guarded {
		return s.NextProbe()
	}
	wait := FreshGapMin + time.Duration(jitter*float64(FreshGapMax-FreshGapMin))
	return later(s.LastProbe.Add(wait), s.NotBefore)
}

// Probing is the status while a probe is under way that takes at most limit.
func (s Status) Probing(now time.Time, limit time.Duration) Status {
	s.LastProbe, s.NotBefore = now, now.Add(limit)
	return s
}

// Probed is the status after a failed probe. Of a held event the gap grows.
func (s Status) Probed(now time.Time, p Probe) Status {
	s.NotBefore = now.Add(p.Sample.RetryAfter)
	if p.Held && s.Reason != outcome.Guarded {
		s.Gap = min(max(s.Gap, FirstGap)*2, MaxGap)
	}
	if state := stateFor(Classify(p.Sample.Cause)); p.Sample.Failed && state != Healthy {
		if state != s.State {
			s.Since = now
		}
		s.State, s.Reason, s.Code = state, Reason(p.Sample.Cause), p.Sample.Status
	}
	return s
}

// Probe is what a probe came to.
type Probe struct {
	Sample Sample
	Held   bool // it was a held event, not a fresh one
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
