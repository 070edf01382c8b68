package pipeline_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/hogcast/hogcast/pkg/outcome"
	"github.com/hogcast/hogcast/pkg/queue"
)

// counted is a counter's value; label is the value of its one label, or "".
func (w *world) counted(t *testing.T, name, label string) float64 {
	t.Helper()
	families, err := w.metrics.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		for _, m := range family.GetMetric() {
			if family.GetName() == name && (label == "" || m.GetLabel()[0].GetValue() == label) {
				return m.GetCounter().GetValue()
			}
		}
	}
	t.Fatalf("no metric %s %s", name, label)
	return 0
}

func TestARecordThatNamesAPrivateTenantIsNotKeptUnderAnother(t *testing.T) {
	t.Parallel()
	private := to("main", true)
	private.Tenant = "secretive"
	w := start(t, queue.DefaultParams(), to("main", false), private)
	w.publish(t, "g1", rec("secretive", "g1", `,"prompt":"CANARY"`))
	if l := w.onlyLetter(t); l.Tenant != "acme" || l.Envelope.Replayable() || len(l.Envelope.Body) != 0 {
		t.Errorf("got %+v %+v", l, l.Envelope)
	}
}

func TestEveryBranchIsCountedOnceByHowItLeftTheMainLane(t *testing.T) {
	t.Parallel()
	off, paused := to("off", false), to("paused", false)
	off.Enabled, paused.Paused = false, true
	w := start(t, queue.DefaultParams(), off, paused, to("good", false), to("bad", false))
	w.posthog.set("bad", &outcome.Verdict{Action: outcome.Bury, Cause: outcome.DroppedByServer, Status: 200})
	w.publish(t, "g1", rec("acme", "g1", ""))
	await(t, "the acknowledgement", func() bool { return w.unacknowledged(t) == 0 })
	for end, want := range map[outcome.End]float64{
		outcome.Filtered: 1, outcome.Held: 1, outcome.Delivered: 1, outcome.DeadLettered: 1, outcome.SampledOut: 0,
	} {
		if got := w.counted(t, "hogcast_branches_total", string(end)); got != want {
			t.Errorf("%s: counted %v branches, want %v", end, got, want)
		}
	}
}

func TestAnEventTooLargeForPostHogIsKeptWholeAsTooLarge(t *testing.T) {
	t.Parallel()
	w := start(t, queue.DefaultParams(), to("main", false))
	w.posthog.set("main", &outcome.Verdict{Action: outcome.Split, Cause: outcome.PayloadTooLarge, Status: 413, Detail: "too much"})
	body := rec("acme", "g1", `,"prompt":"hello"`)
	w.publish(t, "g1", body)
	l := w.onlyLetter(t)
	if l.Reason != "too_large" || l.Envelope.Status != 413 || string(l.Envelope.Body) != body || !strings.Contains(l.Envelope.Detail, "too much") {
		t.Errorf("got %+v %+v", l, l.Envelope)
	}
}

func TestNothingIsLostWhenAWorkerStopsInTheMiddle(t *testing.T) {
	t.Parallel()
	const n = 600
	w := start(t, queue.DefaultParams(), to("main", false))
	for i := range n {
		id := fmt.Sprintf("g%d", i)
		w.publish(t, id, rec("acme", id, ""))
		if i == n/2 {
			w.stop()
		}
	}
	events, twice := w.posthog.counts()
	left := w.unacknowledged(t)
	await(t, "the last acks", func() bool { left = w.unacknowledged(t); return left+uint64(events) <= n })
	if left+uint64(events) != n || twice != 0 || events == 0 || left == 0 {
		t.Errorf("%d delivered (%d twice) and %d left of %d", events, twice, left, n)
	}
}
