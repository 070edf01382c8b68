package plan_test

import (
	"crypto/sha256"
	"fmt"
	"slices"
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

// drawnBefore are the schedules of some seeds as they were when hosts came.
var drawnBefore = map[uint64]string{1: "c586bd731cbe4793", 17: "5be7e97a890aa8e3", 551470: "a7919be9cf8d3ad5"}

func TestASeedKeepsItsScheduleForEver(t *testing.T) {
	t.Parallel()
	for seed, want := range drawnBefore {
		h := sha256.New()
		for _, s := range plan.Draw(seed, options(time.Minute)) {
			fmt.Fprintln(h, s)
		}
		if got := fmt.Sprintf("%x", h.Sum(nil)[:8]); got != want {
			t.Errorf("seed %d has another schedule: %s, was %s", seed, got, want)
		}
	}
}

func TestHostsAddStepsAndChangeNone(t *testing.T) {
	t.Parallel()
	o := options(time.Minute)
	without := plan.Draw(5, o)
	o.Hosts = true
	var rest []plan.Step
	for _, s := range plan.Draw(5, o) {
		if lane := laneOf(s); lane != "hosts" && lane != "split" {
			rest = append(rest, s)
		}
	}
	if diff := cmp.Diff(without, rest); diff != "" {
		t.Error(diff)
	}
}

func TestSchedulesOfHostsKeepTheirRules(t *testing.T) {
	t.Parallel()
	verbs := map[plan.Verb]int{}
	for seed := range uint64(200) {
		o := options(30 * time.Second)
		o.Hosts = true
		ends := map[string]time.Duration{}
		for _, s := range plan.Draw(seed, o) {
			lane := laneOf(s)
			if s.At < ends[lane] || s.End() > o.Duration {
				t.Errorf("seed %d: %s begins before the one before it ends, or ends too late", seed, s)
			}
			ends[lane] = s.End()
			verbs[s.Verb]++
			if s.Verb == plan.FillDisks && s.Target != "all" || s.Verb == plan.LoseNode && !slices.Contains([]string{"0", "1", "2"}, s.Target) {
				t.Errorf("seed %d: %s", seed, s)
			}
		}
	}
	for _, v := range []plan.Verb{plan.Partition, plan.OneWay, plan.Split, plan.LoseNode, plan.FillDisk, plan.FillDisks} {
		if verbs[v] < 50 {
			t.Errorf("%s is drawn %d times in 200 runs of 30 s", v, verbs[v])
		}
	}
	if verbs[plan.FillDisks]*2 > verbs[plan.FillDisk] {
		t.Errorf("all disks are full %d times, one %d times", verbs[plan.FillDisks], verbs[plan.FillDisk])
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
	case plan.Partition, plan.OneWay, plan.LoseNode, plan.FillDisk, plan.FillDisks:
		return "hosts"
	case plan.Split:
		return "split"
	}
	return string(s.Verb) + " " + s.Target
}
