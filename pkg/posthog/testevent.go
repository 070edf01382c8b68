package posthog

import (
	"context"
	"fmt"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/google/uuid"

	"github.com/hogcast/hogcast/pkg/destination"
	"github.com/hogcast/hogcast/pkg/event"
	"github.com/hogcast/hogcast/pkg/outcome"
)

// What test events are known by, beside the property hogcast_test.
const (
	testDistinctID = "hogcast-test"
	testTraceID    = "hogcast-connection-test"
)

// Names of events that only tests send.
const (
	eventMetric = "$ai_metric"
	eventSpan   = "$ai_span"
	eventTrace  = "$ai_trace"
)

// testEvent makes the event of a connection's test. It is an AI event, since
// only these meet the quotas and restrictions that the destination's own will
// meet; and of the AI events a metric, which counts as no generation, has no
// tokens, no cost and no content, and makes no person. PostHog wants a trace id
// of every AI event: all tests share one, so that a hundred of them show as one
// trace.
func (s *Sender) testEvent() (*event.Event, error) {
	return s.makeEvent(eventMetric, map[string]any{
		"$ai_trace_id":     testTraceID,
		"$ai_metric_name":  "hogcast_connection_test",
		"$ai_metric_value": "1",
		"hogcast_test":     "connection",
	})
}

func (s *Sender) makeEvent(name string, properties map[string]any) (*event.Event, error) {
	_, version, _ := strings.Cut(s.cfg.UserAgent, "/")
	properties["$ai_lib"], properties["$ai_lib_version"] = "hogcast", version
	encoded, err := json.Marshal(properties, json.Deterministic(true))
	if err != nil {
		return nil, fmt.Errorf("encoding a test event: %w", err)
	}
	return &event.Event{
		UUID: uuid.NewString(), Name: name, DistinctID: testDistinctID, Timestamp: s.cfg.Now().UTC(),
		Personless: true, Properties: encoded,
	}, nil
}

// eventStep sends the test event as a worker would.
func (s *Sender) eventStep(ctx context.Context, dest *destination.Destination) (Step, bool) {
	e, err := s.testEvent()
	if err != nil {
		return Step{Result: StepFailed, What: err.Error(), Cause: outcome.Unencodable}, true
	}
	v := s.Send(ctx, dest, []*event.Event{e})[0]
	step := sentStep(v)
	if step.Result == StepOK {
		step.What = "PostHog accepted a test event"
		if v.Cause == outcome.Warning {
			step.What += ", with a warning: " + v.Detail
		}
	}
	if v.Cause == outcome.NotServed && dest.Protocol != destination.Auto {
		step.What = fmt.Sprintf("the path of protocol %s is not served (status %d)", dest.Protocol, v.Status)
		step.Mend = "set protocol: auto, which finds the one that is"
	}
	return step, step.Result != StepOK
}

// sentStep judges the verdict of an event that a test has sent.
func sentStep(v outcome.Verdict) Step {
	step := Step{Result: StepFailed, Status: v.Status, Cause: v.Cause, What: words(v), Mend: mendFor(v.Cause)}
	switch {
	case v.Action == outcome.Accept:
		step.Result, step.Mend = StepOK, ""
	case v.Cause == outcome.UnexpectedBody, v.Cause == outcome.UnexpectedResult:
	case v.Action == outcome.Retry, v.Status/100 == 5:
		step.Result = StepUndecided
		if v.Status/100 == 5 {
			step.Mend = mendLater
		}
	}
	return step
}

// words says what a verdict is about.
func words(v outcome.Verdict) string {
	what := strings.ReplaceAll(string(v.Cause), "_", " ")
	if v.Status != 0 {
		what += fmt.Sprintf(" (status %d)", v.Status)
	}
	if v.Detail != "" {
		what += ": " + strings.TrimPrefix(v.Detail, what+": ") // Go's own begin alike
	}
	return what
}

// mendFor says what an owner or operator can do about a cause.
func mendFor(c outcome.Cause) string {
	switch c {
	case outcome.Unauthorized:
		return mendKey
	case outcome.PaymentRequired, outcome.OverQuota:
		return "raise the project's limit under Billing in PostHog, or wait for the next period"
	case outcome.Forbidden:
		return "something before PostHog refuses the worker: look for a firewall or an allow-list of addresses"
	case outcome.NotServed, outcome.UnexpectedBody, outcome.UnexpectedResult, outcome.Gone, outcome.NotImplemented, outcome.UnexpectedStatus:
		return mendEndpoint
	case outcome.Redirected:
		return "write the endpoint that it redirects to, if that is your PostHog; hogcast follows no redirect"
	case outcome.TLS:
		return "give the certificate authority of a self-hosted PostHog as ca, in PEM; or mend the certificate's name or dates; is it https that it speaks?"
	case outcome.Connection:
		return "check host and port, or test again in a while"
	case outcome.EgressRefused:
		return "use another endpoint, or have the operator allow this one, as the refusal says"
	case outcome.DroppedByServer:
		return "look for event restrictions or ingestion rules of the project in PostHog"
	case outcome.BadRequest, outcome.PayloadTooLarge, outcome.EncodingRefused, outcome.Unencodable, outcome.EventTooLarge:
		return "check that what answers is a PostHog, and one that is not too old"
	case outcome.OK, outcome.Warning, outcome.Timeout, outcome.RequestTimeout, outcome.RateLimited,
		outcome.ServerError, outcome.RetryAsked, outcome.NoVerdict, outcome.Interrupted, outcome.Crowded:
	}
	return mendLater
}

// printable is an endpoint fit for reports: one with user info is not repeated.
func printable(endpoint string) string {
	if !validEndpoint(endpoint) {
		return "[not an endpoint]"
	}
	return trimSlashes(endpoint)
}

func trimSlashes(endpoint string) string { return strings.TrimRight(endpoint, "/") }

// oneLine joins the errors of a validation.
func oneLine(err error) string { return strings.ReplaceAll(err.Error(), "\n", "; ") }
