package posthog

import (
	"context"
	"time"

	"github.com/google/uuid"

	"github.com/hogcast/hogcast/pkg/destination"
	"github.com/hogcast/hogcast/pkg/event"
	"github.com/hogcast/hogcast/pkg/outcome"
)

// TraceTest is what became of a test trace. It holds no secret and can be
// written as JSON.
type TraceTest struct {
	Tenant      string     `json:"tenant"`
	Destination string     `json:"destination"`
	Endpoint    string     `json:"endpoint"`
	Result      StepResult `json:"result"`
	What        string     `json:"what"`
	Mend        string     `json:"mend,omitempty"`
	// Events is how many were accepted: of four, where the result is ok.
	Events  int    `json:"events"`
	TraceID string `json:"trace_id"`
	// Path is the one that is served; "" where not all were accepted.
	Path string `json:"path,omitempty"`
	// Look is where the trace can be seen, once it is stored.
	Look   string        `json:"look,omitempty"`
	Status int           `json:"status,omitempty"`
	Cause  outcome.Cause `json:"cause,omitempty"`
	Note   string        `json:"note,omitempty"`
}

// Passed reports that PostHog accepted the whole trace.
func (t *TraceTest) Passed() bool { return t.Result == StepOK }

// SendTestTrace sends one trace of two spans, with a generation in the second,
// as a worker would send them, and tells where to look. It costs nothing in
// PostHog's sums and makes no person. A private destination's has no content.
func (s *Sender) SendTestTrace(ctx context.Context, dest *destination.Destination) *TraceTest {
	t := &TraceTest{Tenant: dest.Tenant, Destination: dest.Name, Endpoint: printable(dest.Endpoint), TraceID: uuid.NewString()}
	if form, wrong := formStep(dest); wrong {
		t.tell(form)
		return t
	}
	events, err := s.traceEvents(t.TraceID, dest.PrivacyMode)
	if err != nil {
		t.tell(Step{Result: StepFailed, What: err.Error(), Cause: outcome.Unencodable})
		return t
	}
	worst := Step{Result: StepOK, What: "PostHog accepted a trace of two spans and a generation"}
	for _, v := range s.Send(ctx, dest, events) {
		step := sentStep(v)
		switch {
		case step.Result == StepOK:
			t.Events++
			worst.Status = max(worst.Status, v.Status)
		case worst.Result != StepFailed:
			worst = step
		}
	}
	t.tell(worst)
	if t.Passed() {
		t.Path = string(s.paths(dest)[0])
		t.Look = appURL(dest.Endpoint) + "/llm-analytics/traces/" + t.TraceID
		t.Note = "Accepted, not stored: it shows within a minute or so, in the project that the key belongs to."
	}
	return t
}

func (t *TraceTest) tell(step Step) {
	t.Result, t.What, t.Mend, t.Status, t.Cause = step.Result, step.What, step.Mend, step.Status, step.Cause
}

// traceEvents makes the trace. PostHog would show the spans without a
// generation, too; it is there because the view of generations is what a
// destination is set up for.
func (s *Sender) traceEvents(traceID string, private bool) ([]*event.Event, error) {
	prepare, answer := uuid.NewString(), uuid.NewString()
	generation := map[string]any{
		"$ai_span_id": uuid.NewString(), "$ai_parent_id": answer, "$ai_span_name": "test generation",
		"$ai_model": "hogcast-test", "$ai_provider": "hogcast", "$ai_latency": 0.6,
		"$ai_input_tokens": 5, "$ai_output_tokens": 3, "$ai_total_cost_usd": 0, "$ai_cost_passthrough": true,
		"$ai_is_error": false,
	}
	if !private {
		generation["$ai_input"] = []map[string]any{{"role": "user", "content": "Does this arrive?"}}
		generation["$ai_output_choices"] = []map[string]any{{"role": "assistant", "content": "It does."}}
	}
	parts := []struct {
		name       string
		before     time.Duration // now
		properties map[string]any
	}{
		{eventTrace, time.Second, map[string]any{"$ai_span_id": traceID, "$ai_span_name": "hogcast test trace", "$ai_trace_name": "hogcast test trace", "$ai_latency": 1.0}},
		{eventSpan, time.Second, map[string]any{"$ai_span_id": prepare, "$ai_parent_id": traceID, "$ai_span_name": "prepare", "$ai_latency": 0.3}},
		{eventSpan, 700 * time.Millisecond, map[string]any{"$ai_span_id": answer, "$ai_parent_id": traceID, "$ai_span_name": "answer", "$ai_latency": 0.7}},
		{event.Generation, 650 * time.Millisecond, generation},
	}
	var all []*event.Event
	for _, p := range parts {
		p.properties["$ai_trace_id"], p.properties["hogcast_test"] = traceID, "trace"
		e, err := s.makeEvent(p.name, p.properties)
		if err != nil {
			return nil, err
		}
		e.Timestamp = e.Timestamp.Add(-p.before)
		all = append(all, e)
	}
	return all, nil
}
