package posthog

import (
	"context"
	"time"

	"github.com/hogcast/hogcast/pkg/destination"
	"github.com/hogcast/hogcast/pkg/outcome"
)

// StepResult is what came of a step of a connection's test, and of the whole.
type StepResult string

// The results. Only OK is a pass: what is undecided may be right or wrong.
const (
	StepOK        StepResult = "ok"
	StepFailed    StepResult = "failed"
	StepUndecided StepResult = "undecided"
	StepSkipped   StepResult = "skipped" // a step before it was in the way
)

// The steps, in their order.
const (
	StepForm  = "form"  // of the settings; nothing is sent
	StepKey   = "key"   // does PostHog know it
	StepEvent = "event" // is a test event accepted, on the path of the workers
	StepPath  = "path"  // which path that is
)

// AcceptedNotStored is what a passed test proves, and what it does not.
const AcceptedNotStored = "Accepted, not stored: PostHog has accepted the test event; " +
	"a project API key can't read it back, so that it is stored can only be seen in PostHog."

// Step is one step of a test. It holds no secret.
type Step struct {
	Name   string     `json:"name"`
	Result StepResult `json:"result"`
	// What was found, in a sentence without its end.
	What string `json:"what"`
	// Mend says what to do about it; "" where there is nothing to do.
	Mend string `json:"mend,omitempty"`
	// Status is the HTTP status of the answer that decided, 0: there was none.
	Status int           `json:"status,omitempty"`
	Cause  outcome.Cause `json:"cause,omitempty"`
	TookMS int64         `json:"took_ms"`
}

// ConnectionTest is what a test of a destination has found. It holds no secret
// and can be written as JSON.
type ConnectionTest struct {
	Tenant      string     `json:"tenant"`
	Destination string     `json:"destination"`
	Endpoint    string     `json:"endpoint"`
	Revision    string     `json:"revision"` // of the settings that were tested
	Result      StepResult `json:"result"`
	// Steps are always all four.
	Steps []Step `json:"steps"`
	// KeyRegion is the cloud that knows the key; "" where none is known to.
	KeyRegion destination.Region `json:"key_region,omitempty"`
	// Path is the one that is served; "" where the test event was not accepted.
	Path string `json:"path,omitempty"`
	// Note is AcceptedNotStored where the test was passed.
	Note string `json:"note,omitempty"`
	// Look is where the test event can be seen, once it is stored.
	Look string `json:"look,omitempty"`
}

// Passed reports that every step was. An undecided test is no pass.
func (t *ConnectionTest) Passed() bool { return t.Result == StepOK }

// TestConnection tests a destination: the form of its settings, whether PostHog
// knows its key, and whether it accepts an event on the path that the workers
// will use. Nothing is asked twice, no redirect is followed, and everything
// passes the same guard and transports as deliveries do. It sends one event
// (see testEvent), and only where the key is not known to be wrong.
//
// It makes at most five requests, each within Config.RequestTimeout, and ends
// when ctx does. That a destination is paused or disabled does not matter.
func (s *Sender) TestConnection(ctx context.Context, dest *destination.Destination) *ConnectionTest {
	t := &ConnectionTest{
		Tenant: dest.Tenant, Destination: dest.Name, Endpoint: printable(dest.Endpoint), Revision: dest.Revision(),
	}
	done := false // nothing more can be learned
	for _, step := range []struct {
		name string
		run  func() (_ Step, end bool)
	}{
		{StepForm, func() (Step, bool) { return formStep(dest) }},
		{StepKey, func() (Step, bool) { return s.keyStep(ctx, dest, t) }},
		{StepEvent, func() (Step, bool) { return s.eventStep(ctx, dest) }},
		{StepPath, func() (Step, bool) { return s.pathStep(dest, t), true }},
	} {
		found := Step{Result: StepSkipped, What: "not tried, because of what was found before"}
		if !done {
			began := time.Now()
			found, done = step.run()
			found.TookMS = time.Since(began).Milliseconds()
		}
		found.Name = step.name
		t.Steps = append(t.Steps, found)
	}
	t.conclude(dest)
	return t
}

func (t *ConnectionTest) conclude(dest *destination.Destination) {
	t.Result = StepOK
	for _, step := range t.Steps {
		switch step.Result {
		case StepFailed:
			t.Result = StepFailed
		case StepUndecided:
			if t.Result == StepOK {
				t.Result = StepUndecided
			}
		case StepOK, StepSkipped:
		}
	}
	if t.Path != "" {
		t.Look = appURL(dest.Endpoint) + "/activity/explore"
	}
	if t.Passed() {
		t.Note = AcceptedNotStored
	}
}

// formStep judges what no request could mend.
func formStep(dest *destination.Destination) (Step, bool) {
	mend := "correct the settings named"
	if err := destination.CheckAPIKey(dest.APIKey.Reveal()); err != nil {
		return Step{Result: StepFailed, What: err.Error(), Mend: mendKey}, true
	}
	if err := dest.Validate(); err != nil {
		return Step{Result: StepFailed, What: oneLine(err), Mend: mend}, true
	}
	if !validEndpoint(dest.Endpoint) {
		return Step{Result: StepFailed, What: "endpoint: not scheme://host", Mend: "write us, eu or https://posthog.example.com"}, true
	}
	return Step{Result: StepOK, What: "key, endpoint and settings have their form"}, false
}

// pathStep tells the path that the workers will use.
func (s *Sender) pathStep(dest *destination.Destination, t *ConnectionTest) Step {
	served := s.paths(dest)[0]
	t.Path = string(served)
	what := "events go to " + string(served)
	if served == pathBatch {
		return Step{Result: StepOK, What: what + ", the older path, which does not tell of events that PostHog drops over quota"}
	}
	return Step{Result: StepOK, What: what + ", which tells what becomes of each event"}
}

// appURL is where PostHog's pages are, for an endpoint that takes events.
func appURL(endpoint string) string {
	switch destination.RegionOf(endpoint) {
	case destination.RegionUS:
		return "https://us.posthog.com"
	case destination.RegionEU:
		return "https://eu.posthog.com"
	}
	return trimSlashes(endpoint)
}
