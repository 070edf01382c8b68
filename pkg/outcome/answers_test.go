package outcome_test

import (
	"slices"
	"testing"

	"github.com/hogcast/hogcast/pkg/outcome"
)

func TestEveryStatusHasItsMeaning(t *testing.T) {
	t.Parallel()
	type meaning struct {
		action outcome.Action
		cause  outcome.Cause
	}
	special := map[int]meaning{
		400: {outcome.Split, outcome.BadRequest}, 401: {outcome.Hold, outcome.Unauthorized}, 402: {outcome.Hold, outcome.PaymentRequired},
		403: {outcome.Hold, outcome.Forbidden}, 404: {outcome.NextPath, outcome.NotServed}, 405: {outcome.NextPath, outcome.NotServed},
		408: {outcome.Retry, outcome.RequestTimeout}, 410: {outcome.Hold, outcome.Gone}, 413: {outcome.Split, outcome.PayloadTooLarge},
		415: {outcome.NextEncoding, outcome.EncodingRefused}, 429: {outcome.Retry, outcome.RateLimited}, 501: {outcome.Hold, outcome.NotImplemented},
	}
	class := map[int]meaning{
		1: {outcome.Hold, outcome.UnexpectedStatus}, 2: {outcome.Accept, outcome.OK}, 3: {outcome.Hold, outcome.Redirected},
		4: {outcome.Hold, outcome.UnexpectedStatus}, 5: {outcome.Retry, outcome.ServerError},
	}
	for status := 100; status < 600; status++ {
		want, ok := special[status]
		if !ok {
			want = class[status/100]
		}
		if action, cause := outcome.ForStatus(status); action != want.action || cause != want.cause {
			t.Errorf("%d: got %s, %s; want %s, %s", status, action, cause, want.action, want.cause)
		}
	}
}

func TestEveryResultOfV1HasItsMeaning(t *testing.T) {
	t.Parallel()
	tests := []struct {
		result, details string
		action          outcome.Action
		cause           outcome.Cause
	}{
		{"ok", "", outcome.Accept, outcome.OK},
		{"warning", "person_processing_disabled", outcome.Accept, outcome.Warning},
		{"retry", "not_persisted", outcome.Retry, outcome.RetryAsked},
		{"drop", "billing_limit_exceeded", outcome.Hold, outcome.OverQuota},
		{"drop", "llm_events_over_quota", outcome.Hold, outcome.OverQuota},
		{"", "", outcome.Retry, outcome.UnexpectedResult},
		{"OK", "", outcome.Retry, outcome.UnexpectedResult},
	}
	for _, details := range []string{"", "missing_event_name", "event_name_too_long", "missing_distinct_id", "distinct_id_too_large", "invalid_event_timestamp", "malformed_event_properties", "invalid_options", "event_restriction_drop", "ai_event_too_big", "serialization_failed", "rejected", "something new"} {
		tests = append(tests, struct {
			result, details string
			action          outcome.Action
			cause           outcome.Cause
		}{"drop", details, outcome.Bury, outcome.DroppedByServer})
	}
	for _, tt := range tests {
		if action, cause := outcome.ForResult(tt.result, tt.details); action != tt.action || cause != tt.cause {
			t.Errorf("%s %s: got %s, %s; want %s, %s", tt.result, tt.details, action, cause, tt.action, tt.cause)
		}
	}
}

func TestTheListsAreClosedAndWithoutRepeats(t *testing.T) {
	t.Parallel()
	var words []string
	for _, c := range outcome.Causes() {
		words = append(words, string(c))
	}
	slices.Sort(words)
	if len(slices.Compact(slices.Clone(words))) != len(words) {
		t.Errorf("a cause stands twice: %v", words)
	}
	for _, c := range outcome.Causes() {
		if reason := outcome.DeadReasonFor(c); !slices.Contains(outcome.DeadReasons(), reason) {
			t.Errorf("%s is buried as %q, which is not on the list", c, reason)
		}
	}
}
