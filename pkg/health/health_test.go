package health_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hogcast/hogcast/pkg/health"
	"github.com/hogcast/hogcast/pkg/outcome"
)

// origin is when these tests begin; the package has no clock of its own.
var origin = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func after(d time.Duration) time.Time { return origin.Add(d) }

func failed(cause outcome.Cause, status int, took time.Duration) health.Sample {
	return health.Sample{Revision: "r1", Cause: cause, Status: status, Failed: true, Took: took}
}

func refused() health.Sample { return failed(outcome.ServerError, 503, 10*time.Millisecond) }

func accepted(took time.Duration) health.Sample {
	return health.Sample{Revision: "r1", Cause: outcome.OK, Status: 200, Accepted: 3, Took: took}
}

func stalled(took time.Duration) health.Sample {
	return health.Sample{Revision: "r1", Stalled: true, Took: took}
}

func TestEveryCauseHasItsClass(t *testing.T) {
	t.Parallel()
	want := map[outcome.Cause]health.Class{
		outcome.OK: health.Fine, outcome.Warning: health.Fine,
		outcome.Connection: health.Failing, outcome.Timeout: health.Failing, outcome.RequestTimeout: health.Failing,
		outcome.ServerError: health.Failing, outcome.NoVerdict: health.Failing, outcome.UnexpectedBody: health.Failing,
		outcome.UnexpectedResult: health.Failing,
		outcome.RateLimited:      health.Asking,
		outcome.RetryAsked:       health.Fine, // an event's, not the destination's
		outcome.Unauthorized:     health.Owner, outcome.PaymentRequired: health.Owner, outcome.Forbidden: health.Owner,
		outcome.NotServed: health.Owner, outcome.Gone: health.Owner, outcome.Redirected: health.Owner,
		outcome.NotImplemented: health.Owner, outcome.EncodingRefused: health.Owner, outcome.OverQuota: health.Owner,
		outcome.TLS: health.Owner, outcome.EgressRefused: health.Owner, outcome.UnexpectedStatus: health.Owner,
		outcome.BadRequest: health.Fine, outcome.PayloadTooLarge: health.Fine, outcome.DroppedByServer: health.Fine,
		outcome.EventTooLarge: health.Fine, outcome.Unencodable: health.Fine,
		outcome.Interrupted: health.Fine, outcome.Crowded: health.Fine,
	}
	got := make(map[outcome.Cause]health.Class)
	for _, c := range outcome.Causes() {
		got[c] = health.Classify(c)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("classes (-want +got):\n%s", diff)
	}
}
