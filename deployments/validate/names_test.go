package main

import (
	"regexp"
	"strings"
	"testing"
)

var label = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$`)

// Whatever a release is called that Helm lets through, its objects have names
// that Kubernetes takes: a Job's and a Service's are the strictest.
func TestAnyNameOfAReleaseMakesNamesThatKubernetesTakes(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("a-", 26) + "b" // 53, the longest of Helm's
	for name, r := range map[string]release{
		"long":               {name: long},
		"with dots":          {name: "llm.prod.hogcast"},
		"long with dots":     {name: strings.Repeat("a.", 26) + "b"},
		"cut at a dash":      {name: strings.Repeat("a", 47) + "-bbbb"},
		"long override":      {values: map[string]any{"fullnameOverride": strings.Repeat("x", 80)}},
		"override with dot":  {values: map[string]any{"fullnameOverride": "hogcast.prod"}},
		"long chart's name":  {values: map[string]any{"nameOverride": strings.Repeat("y", 63)}},
		"longer than it may": {values: map[string]any{"nameOverride": strings.Repeat("y", 61) + "--" + strings.Repeat("y", 20)}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, mode := range []string{"hook", "job"} {
				more, err := parseValues(everythingOn)
				if err != nil {
					t.Fatal(err)
				}
				more["setup"] = map[string]any{"mode": mode}
				for k, v := range r.values {
					more[k] = v
				}
				out, err := render(chartDir(root), release{name: r.name, values: more})
				if err != nil {
					t.Fatal(err)
				}
				for _, o := range out.objects {
					if !label.MatchString(o.name()) && o.kind() != "ConfigMap" {
						t.Errorf("%s: %d characters", o.id(), len(o.name()))
					}
					labels, _ := o.at("metadata", "labels").(map[string]any)
					for k, v := range labels {
						if text, ok := v.(string); !ok || len(text) > 63 || strings.HasSuffix(text, "-") {
							t.Errorf("%s: the label %s is %v", o.id(), k, v)
						}
					}
				}
			}
		})
	}
}

func TestAServiceWhoseNameBeginsWithADigitIsRefused(t *testing.T) {
	t.Parallel()
	if _, err := render(chartDir(root), release{name: "2hogcast"}); err != nil {
		t.Errorf("without a Service: %v", err)
	}
	_, err := render(chartDir(root), release{name: "2hogcast", values: map[string]any{"service": map[string]any{"enabled": true}}})
	if err == nil || !strings.Contains(err.Error(), "fullnameOverride: the name of a Service can't begin with a digit") {
		t.Errorf("got %v", err)
	}
}

// A parent chart switches its parts on and off by `enabled`, and gives all of
// them its `global`.
func TestAParentChartsWordsAreTaken(t *testing.T) {
	t.Parallel()
	with(t, "{enabled: true, global: {imageRegistry: x, anything: [1]}}")
}

func TestTheNotesTellNoPassword(t *testing.T) {
	t.Parallel()
	out := with(t, "nats: {url: ['nats://hogcast:hunter2@a:4222', 'nats://hunter2@b:4222']}")
	if strings.Contains(out.notes, "hunter2") || !strings.Contains(out.notes, "NATS at nats://***@a:4222,nats://***@b:4222.") || !strings.Contains(out.notes, "nats.url: holds credentials") {
		t.Errorf("got\n%s", out.notes)
	}
}

// The notes warn of what is allowed and seldom meant.
func TestTheNotesWarn(t *testing.T) {
	t.Parallel()
	quiet := with(t, "keyRing: {existingSecret: a}").notes
	if strings.Contains(quiet, "Worth a look") {
		t.Errorf("a good release is warned of:\n%s", quiet)
	}
	for values, want := range map[string]string{
		"{podMonitor: {enabled: true}, serviceMonitor: {enabled: true}}":                         "Prometheus reads each worker twice",
		"podDisruptionBudget: {minAvailable: 2}":                                                 "minAvailable: 2 of 2 workers",
		"podDisruptionBudget: {maxUnavailable: 0}":                                               "maxUnavailable: 0. No node with a ready worker can be drained",
		"podDisruptionBudget: {maxUnavailable: 0%}":                                              "maxUnavailable: 0%. No node",
		"podDisruptionBudget: {minAvailable: 100%}":                                              "No node with a ready worker can be drained",
		"{autoscaling: {enabled: true, minReplicas: 3}, podDisruptionBudget: {minAvailable: 3}}": "minAvailable: 3 of 3 workers",
		"worker: {window: 16MiB}":                                                                "a worker asks for 17MiB",
		"resources: null":                                                                        "resources.limits.memory: none",
		"{resources: {requests: {cpu: null}}, autoscaling: {enabled: true, type: hpa}}":          "does nothing without",
	} {
		if got := with(t, values).notes; !strings.Contains(got, want) {
			t.Errorf("%q: no word of %q in\n%s", values, want, got)
		}
	}
	if got := with(t, "podDisruptionBudget: {minAvailable: 1}").notes; strings.Contains(got, "minAvailable") {
		t.Errorf("1 of 2 is warned of:\n%s", got)
	}
}
