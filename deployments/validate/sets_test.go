package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/lint"
	"helm.sh/helm/v3/pkg/lint/support"
)

func TestEverySetOfValuesIsWellFormedAndKeepsThePolicies(t *testing.T) {
	t.Parallel()
	s, err := known()
	if err != nil {
		t.Fatal(err)
	}
	for name, values := range sets(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			out, err := render(chartDir(root), release{values: values})
			if err != nil {
				t.Fatal(err)
			}
			ids := map[string]bool{}
			for _, o := range out.objects {
				for _, problem := range append(s.check(o), policies(o)...) {
					t.Errorf("%s: %s", o.id(), problem)
				}
				if ids[o.id()] {
					t.Errorf("%s is there twice", o.id())
				}
				ids[o.id()] = true
				if len(o.name()) > 63 {
					t.Errorf("the name %s is longer than 63", o.name())
				}
			}
			if !strings.Contains(out.notes, "rollout status") {
				t.Errorf("the notes tell no next step:\n%s", out.notes)
			}
		})
	}
}

func TestEverySetOfValuesPassesHelmsLinter(t *testing.T) {
	t.Parallel()
	version, err := chartutil.ParseKubeVersion(kubeVersion)
	if err != nil {
		t.Fatal(err)
	}
	for name, values := range sets(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, m := range lint.AllWithKubeVersion(chartDir(root), values, "hogcast", version).Messages {
				if m.Severity > support.InfoSev {
					t.Error(m)
				}
			}
		})
	}
}

// The checks have to find what they look for.
func TestTheChecksFindWhatIsWrong(t *testing.T) {
	t.Parallel()
	s, err := known()
	if err != nil {
		t.Fatal(err)
	}
	out := with(t, "autoscaling: {enabled: true}\npodMonitor: {enabled: true}")
	deployment := out.find(t, "Deployment", "hogcast-worker").text
	for name, c := range map[string]struct{ text, old, new, want string }{
		"an unknown field":            {deployment, "minReadySeconds: 5", "minReadySecs: 5", "minReadySecs"},
		"an unknown field far down":   {deployment, "periodSeconds: 2", "periodSecs: 2", "periodSecs"},
		"a wrong type":                {deployment, "minReadySeconds: 5", "minReadySeconds: soon", "minReadySeconds"},
		"an unknown kind":             {deployment, "kind: Deployment", "kind: Deploymant", "no Deploymant"},
		"an unknown version":          {deployment, "apps/v1", "apps/v2", "apps/v2"},
		"an unknown field of a CRD":   {out.find(t, "ScaledObject", "hogcast-worker").text, "pollingInterval", "pollInterval", "pollInterval"},
		"a missing field of a CRD":    {out.find(t, "ScaledObject", "hogcast-worker").text, "scaleTargetRef:\n    name: hogcast-worker", "scaleTargetRef: {}", "scaleTargetRef"},
		"a wrong duration of a CRD":   {out.find(t, "PodMonitor", "hogcast-worker").text, "interval: 15s", "interval: soon", "interval"},
		"metadata of a CRD":           {out.find(t, "PodMonitor", "hogcast-worker").text, "namespace: hogcast", "namespase: hogcast", "namespase"},
		"root":                        {deployment, "runAsNonRoot: true", "runAsNonRoot: false", "restricted profile"},
		"a writable root":             {deployment, "readOnlyRootFilesystem: true", "readOnlyRootFilesystem: false", "can be written"},
		"the token":                   {deployment, "automountServiceAccountToken: false", "automountServiceAccountToken: true", "token"},
		"the latest image":            {deployment, "hogcast:0.1.0", "hogcast:latest", "no version"},
		"an image without a tag":      {deployment, "hogcast:0.1.0", "hogcast", "no version"},
		"more memory than asked for":  {deployment, "limits:\n              memory: 512Mi", "limits:\n              memory: 513Mi", "not the request"},
		"a CPU limit":                 {deployment, "limits:\n", "limits:\n              cpu: 1\n", "CPU is limited"},
		"liveness that asks for NATS": {deployment, "path: /livez", "path: /readyz", "liveness"},
		"no grace period":             {deployment, "terminationGracePeriodSeconds: 35", "", "grace"},
		"service links":               {deployment, "enableServiceLinks: false", "enableServiceLinks: true", "service links"},
		"no GOMEMLIMIT":               {deployment, "name: GOMEMLIMIT", "name: OTHER", "GOMEMLIMIT"},
		"an escalation of privileges": {deployment, "allowPrivilegeEscalation: false", "allowPrivilegeEscalation: true", "restricted profile"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if !strings.Contains(c.text, c.old) {
				t.Fatalf("there is no %q to break in:\n%s", c.old, c.text)
			}
			objects, err := parse(strings.ReplaceAll(c.text, c.old, c.new))
			if err != nil || len(objects) != 1 {
				t.Fatal(err)
			}
			problems := append(s.check(objects[0]), policies(objects[0])...)
			if !slices.ContainsFunc(problems, func(p string) bool { return strings.Contains(p, c.want) }) {
				t.Errorf("got %q, want …%s…", problems, c.want)
			}
		})
	}
}

// What Go understands is no fault: it writes units otherwise than Kubernetes.
func TestGOMEMLIMITAsGoWritesItIsTaken(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]bool{"400MiB": true, "400Mi": false, "419430400": true, "0.4GiB": false, "600MiB": false, "off": false} {
		out := with(t, "extraEnvs: [{name: GOMEMLIMIT, value: '"+value+"'}]")
		if problems := policies(out.find(t, "Deployment", "hogcast-worker")); (len(problems) == 0) != want {
			t.Errorf("%s: %q", value, problems)
		}
	}
}

func TestAKeyThatComesTwiceIsFound(t *testing.T) {
	t.Parallel()
	if _, err := parse("kind: A\nmetadata: {name: x}\nkind: B\n"); err == nil {
		t.Error("it is not")
	}
}

// What no field of the chart's values says in its tests was never tried.
func TestTheSetsTouchEveryBranchOfTheTemplates(t *testing.T) {
	t.Parallel()
	kinds := map[string]bool{}
	for _, values := range sets(t) {
		out, err := render(chartDir(root), release{values: values})
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range out.objects {
			kinds[o.kind()] = true
		}
	}
	for _, want := range []string{
		"ConfigMap", "Deployment", "ExternalSecret", "HTTPRoute", "HorizontalPodAutoscaler", "Ingress", "Job", "NetworkPolicy", "Pod",
		"PodDisruptionBudget", "PodMonitor", "PrometheusRule", "ScaledObject", "Secret", "Service", "ServiceAccount", "ServiceMonitor",
	} {
		if !kinds[want] {
			t.Errorf("no set of values makes a %s", want)
		}
	}
}

func TestNoSetIsInThePackage(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join(chartDir(root), ".helmignore"))
	if err != nil || !strings.Contains(string(text), "ci/\n") {
		t.Errorf("ci/ would be in the chart's package (%v)", err)
	}
}
