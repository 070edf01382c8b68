// Package canary_test is the proof that nothing leaks: records with a canary in
// each place that holds content go through a whole worker, and every exit of the
// process is watched: request bodies, whatever is published to NATS or stored
// there, logs, metrics. Destinations are in Privacy Mode, redact by pattern, or
// change to either while their PostHog fails, so that held work and dead letters
// fill.
package canary_test

import (
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
