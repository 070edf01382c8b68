package main

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

type trigger struct {
	Name, Type string
	Metadata   map[string]string
}

func triggers(t *testing.T, values string) (object, []trigger) {
	t.Helper()
	o := with(t, values).find(t, "ScaledObject", "hogcast-worker")
	var out []trigger
	list, _ := o.at("spec", "triggers").([]any)
	for _, raw := range list {
		one := object{content: raw.(map[string]any)}
		tr := trigger{Name: one.str("name"), Type: one.str("type"), Metadata: map[string]string{}}
		m, _ := one.at("metadata").(map[string]any)
		for k, v := range m {
			text, ok := v.(string)
			if !ok {
				t.Errorf("metadata %s is no string: %v", k, v)
			}
			tr.Metadata[k] = text
		}
		out = append(out, tr)
	}
	return o, out
}

// constant is a string constant of pkg/queue.
func constant(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "pkg/queue/topology.go"))
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(name + `\s+= "([^"]+)"`).FindSubmatch(text)
	if m == nil {
		t.Fatalf("pkg/queue has no constant %s", name)
	}
	return string(m[1])
}

func TestHeldWorkNeverScalesTheFleet(t *testing.T) {
	t.Parallel()
	generations, workers := constant(t, "StreamGenerations"), constant(t, "ConsumerWorkers")
	for shards, want := range map[int][]string{
		1: {generations},
		3: {generations, generations + "_0", generations + "_1", generations + "_2"},
	} {
		_, have := triggers(t, fmt.Sprintf("{autoscaling: {enabled: true}, setup: {shards: %d}}", shards))
		if len(have) != len(want) {
			t.Fatalf("%d shards: %d triggers", shards, len(have))
		}
		for i, tr := range have {
			if tr.Metadata["stream"] != want[i] || tr.Metadata["consumer"] != workers {
				t.Errorf("%d shards: a trigger on %s of %s", shards, tr.Metadata["consumer"], tr.Metadata["stream"])
			}
		}
	}
	_, have := triggers(t, "autoscaling: {enabled: true, keda: {trigger: prometheus, prometheus: {serverAddress: 'http://p'}}}")
	if strings.Contains(have[0].Metadata["query"], "held") {
		t.Errorf("the query counts what is held: %s", have[0].Metadata["query"])
	}
}

func TestShardsAreAddedUp(t *testing.T) {
	t.Parallel()
	o, have := triggers(t, "{autoscaling: {enabled: true}, setup: {shards: 2}}")
	modifiers := func(key string) string { return o.str("spec", "advanced", "scalingModifiers", key) }
	if got := modifiers("formula"); got != "s0 + s1 + s2" {
		t.Errorf("formula: got %q", got)
	}
	for i, tr := range have {
		if tr.Name != "s"+strconv.Itoa(i) || tr.Metadata["lagThreshold"] != modifiers("target") {
			t.Errorf("trigger %d: %+v; the target is %s", i, tr, modifiers("target"))
		}
	}
	if modifiers("metricType") != "AverageValue" {
		t.Errorf("metricType: got %s", modifiers("metricType"))
	}
	if o, _ = triggers(t, "autoscaling: {enabled: true}"); o.at("spec", "advanced", "scalingModifiers") != nil {
		t.Error("one stream needs no formula")
	}
}

// footprint is what pkg/queue says that a message takes of the window.
func footprint(t *testing.T, bytes int) int {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "pkg/queue/window.go"))
	if err != nil {
		t.Fatal(err)
	}
	if s := string(text); !strings.Contains(s, "return int64(n) + int64(n)/8 + frames") || !strings.Contains(s, "const frames = 3 << 9") {
		t.Fatal("pkg/queue counts otherwise than the chart's lagThreshold; see templates/_keda.tpl")
	}
	return bytes + bytes/8 + 1536
}

// The autoscaler asks for ceil(lag / threshold) workers, where lag counts what
// is in hand, too. While PostHog hangs every window is full: N workers must not
// become more by that.
func TestAnOutageScalesNothing(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		values        string
		window, bytes int
	}{
		{"", 64 << 20, 0},
		{"worker: {window: 32MiB}", 32 << 20, 0},
		{"worker: {config: {window: 48MiB}}", 48 << 20, 0},
		{"autoscaling: {keda: {recordBytes: 4096}}", 64 << 20, 4096},
	} {
		values, err := parseValues(c.values)
		if err != nil {
			t.Fatal(err)
		}
		scaling, _ := values["autoscaling"].(map[string]any)
		if scaling == nil {
			scaling = map[string]any{}
		}
		scaling["enabled"] = true
		values["autoscaling"] = scaling
		out, err := render(chartDir(root), release{values: values})
		if err != nil {
			t.Fatal(err)
		}
		o := out.find(t, "ScaledObject", "hogcast-worker")
		first := o.at("spec", "triggers").([]any)[0].(map[string]any)
		threshold, err := strconv.Atoi(object{content: first}.str("metadata", "lagThreshold"))
		if err != nil {
			t.Fatal(err)
		}
		inHand := c.window / footprint(t, c.bytes)
		for workers := 1; workers <= 200; workers++ {
			if asked := int(math.Ceil(float64(workers*inHand) / float64(threshold))); asked > workers {
				t.Fatalf("%q: %d workers with %d in hand each ask for %d (threshold %d)", c.values, workers, inHand, asked, threshold)
			}
		}
		if threshold > inHand+inHand/100+1 {
			t.Errorf("%q: the threshold %d is far above what is in hand, %d: the fleet grows late", c.values, threshold, inHand)
		}
	}
}

func TestWithoutFiguresTheFleetStaysWhatItIs(t *testing.T) {
	t.Parallel()
	o, _ := triggers(t, "autoscaling: {enabled: true}")
	if got := o.str("spec", "fallback", "behavior"); got != "currentReplicasIfHigher" {
		t.Errorf("fallback: got %q", got)
	}
	_, have := triggers(t, "autoscaling: {enabled: true, keda: {trigger: prometheus, prometheus: {serverAddress: 'http://p'}}}")
	if got := have[0].Metadata["ignoreNullValues"]; got != "false" {
		t.Errorf("an empty answer of Prometheus counts as 0: %q", got)
	}
}
