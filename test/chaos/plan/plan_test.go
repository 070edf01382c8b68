package plan_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/hogcast/hogcast/pkg/sandbox"
	"github.com/hogcast/hogcast/test/chaos/load"
	"github.com/hogcast/hogcast/test/chaos/plan"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func options(d time.Duration) plan.Options {
	return plan.Options{
		Duration: d, Workers: 3, Nodes: 3, Streams: []string{"A", "B"},
		Destinations: load.New(1, time.Time{}).Destinations(),
	}
}

func TestASeedGivesOneSchedule(t *testing.T) {
	t.Parallel()
	a, b := plan.Draw(3, options(time.Minute)), plan.Draw(3, options(time.Minute))
	if diff := cmp.Diff(a, b); diff != "" {
		t.Error(diff)
	}
	if cmp.Equal(a, plan.Draw(4, options(time.Minute))) {
		t.Error("another seed gives the same schedule")
	}
}

func TestSchedulesKeepTheirRules(t *testing.T) {
	t.Parallel()
	verbs, faults := map[plan.Verb]int{}, map[string]bool{}
	for seed := range uint64(200) {
		duration := time.Duration(20+seed) * time.Second
		steps := plan.Draw(seed, options(duration))
		ends := map[string]time.Duration{}
		for i, s := range steps {
			verbs[s.Verb]++
			if s.At < 0 || s.For < 0 || s.End() > duration || i > 0 && s.At < steps[i-1].At {
				t.Fatalf("seed %d: %s", seed, s)
			}
			lane := laneOf(s)
			if s.At < ends[lane] {
				t.Errorf("seed %d: %s begins before the one before it ends", seed, s)
			}
			ends[lane] = s.End()
			if s.Fault == "" {
				continue
			}
			faults[s.Fault] = true
			if _, err := sandbox.ParseFault(s.Fault); err != nil {
				t.Error(err)
			}
		}
	}
	if len(verbs) != 17 || len(faults) < 45 {
		t.Errorf("got %d verbs and %d faults: %v", len(verbs), len(faults), verbs)
	}
}

// laneOf names what must not be broken twice at once.
func laneOf(s plan.Step) string {
	switch s.Verb {
	case plan.KillNode, plan.KillNodes, plan.StopNode, plan.TermNode, plan.StepDown:
		return "nodes"
	case plan.KillWorker, plan.StopWorker, plan.TermWorker:
		return "worker " + s.Target
	case plan.Garble, plan.Vanish:
		return "file"
	}
	return string(s.Verb) + " " + s.Target
}
