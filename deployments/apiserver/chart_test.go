package apiserver

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
)

const chart = "../helm/hogcast"

// helm is one version of the command.
type helm struct {
	bin     string
	cluster *cluster
}

// run runs it; a warning of the API server is a failure.
func (h helm) run(t *testing.T, args ...string) string {
	t.Helper()
	cmd := exec.Command(h.bin, args...)
	cmd.Env = append(os.Environ(), "KUBECONFIG="+h.cluster.kubeconfig, "HELM_CACHE_HOME="+t.TempDir())
	out, err := cmd.CombinedOutput()
	if err != nil || strings.Contains(strings.ToLower(string(out)), "warning") {
		t.Fatalf("helm %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

var versions = map[string]string{
	"helm3": "helm.sh/helm/v3/cmd/helm@v3.22.0",
	"helm4": "helm.sh/helm/v4/cmd/helm@v4.3.2",
}

func TestTheChartInARealAPIServer(t *testing.T) {
	c := startCluster(t)
	installCRDs(t, c)
	for name, pkg := range versions {
		t.Run(name, func(t *testing.T) {
			h := helm{tool(t, name, pkg), c}
			t.Run("install, upgrade, test, roll back, uninstall", func(t *testing.T) { lifecycle(t, h, name+"-life") })
			t.Run("from the defaults to every set of values and back", func(t *testing.T) { everySet(t, h, name+"-sets") })
		})
	}
	t.Run("the plain manifests", func(t *testing.T) { plainManifests(t, c) })
}

func installCRDs(t *testing.T, c *cluster) {
	t.Helper()
	dir := t.TempDir()
	if out, err := exec.Command("go", "-C", "../validate", "run", ".", "crds", dir).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.yaml"))
	if err != nil || len(files) == 0 {
		t.Fatal("no CRDs", err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		c.post(t, "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", string(text))
		name := strings.TrimSuffix(filepath.Base(file), ".yaml")
		group, plural, _ := strings.Cut(name, "_")
		eventually(t, name+" is served", func() bool {
			crd, ok := c.get(t, "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/"+plural+"."+group)
			text, _ := json.Marshal(crd["status"]) // what was decoded can be encoded
			return ok && strings.Contains(string(text), `"status":"True","type":"Established"`)
		})
	}
}

// playing runs what nodes and controllers would, while f runs.
func playing(t *testing.T, c *cluster, namespace string, f func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { c.play(ctx, namespace) })
	defer wg.Wait()
	defer cancel()
	f()
}

// lifecycle goes through a release's life, its hooks included.
func lifecycle(t *testing.T, h helm, namespace string) {
	t.Helper()
	h.cluster.namespace(t, namespace)
	deployment := func() map[string]any {
		o, ok := h.cluster.get(t, "/apis/apps/v1/namespaces/"+namespace+"/deployments/hogcast-worker")
		if !ok {
			t.Fatal("no workers")
		}
		spec, _ := o["spec"].(map[string]any)
		return spec
	}
	common := []string{"hogcast", chart, "-n", namespace, "--timeout=60s"}
	playing(t, h.cluster, namespace, func() {
		h.run(t, append([]string{"install"}, common...)...)
		first := deployment()
		h.run(t, append([]string{"upgrade", "--set=worker.drainTimeout=45s,image.tag=9.9.9,autoscaling.enabled=true,podMonitor.enabled=true,prometheusRule.enabled=true,dashboards.enabled=true"}, common...)...)
		second := deployment()
		grace := func(spec map[string]any) any {
			return spec["template"].(map[string]any)["spec"].(map[string]any)["terminationGracePeriodSeconds"]
		}
		if grace(first) != float64(35) || grace(second) != float64(60) {
			t.Errorf("grace periods: %v, %v", grace(first), grace(second))
		}
		if _, ok := h.cluster.get(t, "/apis/keda.sh/v1alpha1/namespaces/"+namespace+"/scaledobjects/hogcast-worker"); !ok {
			t.Error("no ScaledObject after the upgrade")
		}
		h.run(t, "test", "hogcast", "-n", namespace)
		h.run(t, "rollback", "hogcast", "1", "-n", namespace, "--timeout=60s")
		if back := deployment(); !reflect.DeepEqual(back, first) {
			t.Errorf("rolled back the workers are %v, were %v", back, first)
		}
		if _, ok := h.cluster.get(t, "/apis/keda.sh/v1alpha1/namespaces/"+namespace+"/scaledobjects/hogcast-worker"); ok {
			t.Error("the ScaledObject outlives the rollback")
		}
		history := h.run(t, "history", "hogcast", "-n", namespace)
		t.Log("\n" + history)
		h.run(t, "uninstall", "hogcast", "-n", namespace)
	})
	// Helm leaves the pod of the last test, for its log.
	if left := leftovers(t, h.cluster, namespace); !slices.Equal(left, []string{"pods/hogcast-doctor"}) {
		t.Errorf("left after the uninstall: %v", left)
	}
}

// leftovers are the objects of ours in a namespace.
func leftovers(t *testing.T, c *cluster, namespace string) []string {
	t.Helper()
	var out []string
	for _, kind := range []string{
		"/api/v1|configmaps", "/api/v1|secrets", "/api/v1|services", "/api/v1|serviceaccounts", "/api/v1|pods", "/apis/apps/v1|deployments",
		"/apis/batch/v1|jobs", "/apis/policy/v1|poddisruptionbudgets", "/apis/networking.k8s.io/v1|networkpolicies",
		"/apis/keda.sh/v1alpha1|scaledobjects", "/apis/monitoring.coreos.com/v1|podmonitors", "/apis/monitoring.coreos.com/v1|prometheusrules",
	} {
		api, plural, _ := strings.Cut(kind, "|")
		list, ok := c.get(t, api+"/namespaces/"+namespace+"/"+plural)
		if !ok {
			t.Fatalf("no %s", plural)
		}
		items, _ := list["items"].([]any)
		for _, item := range items {
			metadata, _ := item.(map[string]any)["metadata"].(map[string]any)
			if labels, _ := metadata["labels"].(map[string]any); labels["app.kubernetes.io/name"] == "hogcast" {
				out = append(out, fmt.Sprint(plural, "/", metadata["name"]))
			}
		}
	}
	return out
}

// everySet upgrades to each set of values and rolls back: whatever a user turns
// on or off, nothing that can't be changed is in the way.
func everySet(t *testing.T, h helm, namespace string) {
	t.Helper()
	for _, extra := range []string{namespace, "elsewhere", "monitoring"} {
		if _, ok := h.cluster.get(t, "/api/v1/namespaces/"+extra); !ok {
			h.cluster.namespace(t, extra)
		}
	}
	files, err := filepath.Glob(filepath.Join(chart, "ci", "*-values.yaml"))
	if err != nil || len(files) < 8 {
		t.Fatal(files, err)
	}
	playing(t, h.cluster, namespace, func() {
		h.run(t, "install", "hogcast", chart, "-n", namespace, "--timeout=60s")
		for _, file := range files {
			h.run(t, "upgrade", "hogcast", chart, "-n", namespace, "-f", file, "--timeout=60s", "--reset-values")
			h.run(t, "rollback", "hogcast", "-n", namespace, "--timeout=60s") // to the one before, which is the defaults
			t.Log(filepath.Base(file))
		}
		h.run(t, "uninstall", "hogcast", "-n", namespace)
	})
}

// plainManifests applies what kustomize has, strictly.
func plainManifests(t *testing.T, c *cluster) {
	t.Helper()
	c.namespace(t, "hogcast")
	files, err := filepath.Glob("../kustomize/*/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	more, err := filepath.Glob("../kustomize/components/*/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	paths := map[string]string{
		"configmap": "/api/v1/namespaces/hogcast/configmaps", "serviceaccount": "/api/v1/namespaces/hogcast/serviceaccounts",
		"deployment": "/apis/apps/v1/namespaces/hogcast/deployments", "job": "/apis/batch/v1/namespaces/hogcast/jobs",
		"networkpolicy":       "/apis/networking.k8s.io/v1/namespaces/hogcast/networkpolicies",
		"poddisruptionbudget": "/apis/policy/v1/namespaces/hogcast/poddisruptionbudgets",
		"scaledobject":        "/apis/keda.sh/v1alpha1/namespaces/hogcast/scaledobjects", "podmonitor": "/apis/monitoring.coreos.com/v1/namespaces/hogcast/podmonitors",
		"prometheusrule":          "/apis/monitoring.coreos.com/v1/namespaces/hogcast/prometheusrules",
		"horizontalpodautoscaler": "/apis/autoscaling/v2/namespaces/hogcast/horizontalpodautoscalers",
	}
	applied := 0
	for _, file := range slices.Concat(files, more) {
		kind, name, _ := strings.Cut(strings.TrimSuffix(filepath.Base(file), ".yaml"), "-")
		if name == "" { // kustomization.yaml, namespace.yaml
			continue
		}
		path, ok := paths[kind]
		if !ok {
			t.Errorf("%s: where does a %s go?", file, kind)
			continue
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		status, answer, err := c.try(t.Context(), http.MethodPatch, path+"/"+name+"?fieldManager=test&fieldValidation=Strict", "application/apply-patch+yaml", string(text))
		if err != nil || status > 299 || strings.Contains(answer, "\nWarning: ") {
			t.Errorf("%s: %d %v %s", file, status, err, answer)
		}
		applied++
	}
	t.Logf("%d objects applied", applied)
}
