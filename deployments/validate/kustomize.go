package main

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"
)

// kustomizeDir holds plain manifests for those who have no Helm: a base,
// components that add to it, and overlays that put some together.
const kustomizeDir = "deployments/kustomize"

// baseValues are what the base is rendered with.
const baseValues = `
fullnameOverride: hogcast
setup: {mode: job}
test: {enabled: false}
`

// component is a part that a user may add: what values more make of the chart
// than the base's.
type component struct{ name, values, comment string }

var components = []component{
	{"keda", "autoscaling: {enabled: true}", "Scales the workers by what waits in JetStream; needs KEDA."},
	{"hpa", "autoscaling: {enabled: true, type: hpa}", "Scales the workers by CPU."},
	{"podmonitor", "podMonitor: {enabled: true}", "Lets the Prometheus operator find the workers."},
	{"alerts", "prometheusRule: {enabled: true}", "Alerts, for the Prometheus operator."},
	{"dashboards", "dashboards: {enabled: true}", "Dashboards, for Grafana's sidecar."},
}

// overlays put components together.
var overlays = map[string][]string{
	"keda":       {"keda"},
	"monitoring": {"podmonitor", "alerts", "dashboards"},
	"production": {"keda", "podmonitor", "alerts", "dashboards"},
}

const header = "# Generated from deployments/helm/hogcast by `make manifests`; change that.\n"

func kustomizeObjects(root, values string) (map[string]object, error) {
	base, err := parseValues(baseValues)
	if err != nil {
		return nil, err
	}
	more, err := parseValues(values)
	if err != nil {
		return nil, err
	}
	maps.Copy(base, more) // no key is in both
	out, err := render(chartDir(root), release{values: base})
	if err != nil {
		return nil, err
	}
	byName := map[string]object{}
	for _, o := range out.objects {
		plain(o.content)
		file := strings.ToLower(o.kind()) + "-" + o.name() + ".yaml"
		byName[file] = o
	}
	return byName, nil
}

// plain takes away what only a release of Helm has, and the namespace, which
// kustomize sets.
func plain(content map[string]any) {
	metadata, _ := content["metadata"].(map[string]any)
	delete(metadata, "namespace")
	if labels, ok := metadata["labels"].(map[string]any); ok {
		delete(labels, "helm.sh/chart")
		delete(labels, "app.kubernetes.io/managed-by")
	}
}

func (t *tree) addKustomize(root string) error {
	base, err := kustomizeObjects(root, "")
	if err != nil {
		return err
	}
	dir := path.Join(kustomizeDir, "base")
	t.folders = append(t.folders, dir)
	if err := t.addObjects(dir, base); err != nil {
		return err
	}
	t.files[dir+"/namespace.yaml"] = header + namespaceText
	t.files[dir+"/kustomization.yaml"] = header + kustomization("Kustomization", "namespace: hogcast\n", append([]string{"namespace.yaml"}, slices.Sorted(maps.Keys(base))...))
	for _, c := range components {
		if err := t.addComponent(root, c, base); err != nil {
			return fmt.Errorf("component %s: %w", c.name, err)
		}
	}
	for name, parts := range overlays {
		dir := path.Join(kustomizeDir, "overlays", name)
		t.folders = append(t.folders, dir)
		var used []string
		for _, part := range parts {
			if _, ok := t.files[path.Join(kustomizeDir, "components", part, "kustomization.yaml")]; ok {
				used = append(used, "../../components/"+part)
			}
		}
		t.files[dir+"/kustomization.yaml"] = header + kustomization("Kustomization", "namespace: hogcast\n", []string{"../../base"}) +
			"components:\n  - " + strings.Join(used, "\n  - ") + "\n"
	}
	return nil
}

const namespaceText = `apiVersion: v1
kind: Namespace
metadata:
  name: hogcast
  labels:
    pod-security.kubernetes.io/enforce: restricted
`

// noReplicas: what scales the workers owns their number.
const noReplicas = `patches:
  - target: {kind: Deployment, name: hogcast-worker}
    patch: |
      - op: remove
        path: /spec/replicas
`

func (t *tree) addComponent(root string, c component, base map[string]object) error {
	all, err := kustomizeObjects(root, c.values)
	if err != nil {
		return err
	}
	added, more := map[string]object{}, ""
	for file, o := range all {
		was, ok := base[file]
		switch {
		case !ok:
			added[file] = o
		case same(was, o):
		case o.kind() == "Deployment" && o.at("spec", "replicas") == nil:
			more = noReplicas
		default:
			return fmt.Errorf("it changes %s, which a component can't", o.id())
		}
	}
	dir := path.Join(kustomizeDir, "components", c.name)
	t.folders = append(t.folders, dir)
	if len(added) == 0 && more == "" {
		return nil // nothing is made of it yet; kustomize refuses an empty one
	}
	text := kustomization("Component", more, slices.Sorted(maps.Keys(added)))
	t.files[dir+"/kustomization.yaml"] = header + "# " + c.comment + "\n" + text
	return t.addObjects(dir, added)
}

func kustomization(kind, more string, resources []string) string {
	version := "v1beta1"
	if kind == "Component" {
		version = "v1alpha1"
	}
	text := "apiVersion: kustomize.config.k8s.io/" + version + "\nkind: " + kind + "\n" + more
	if len(resources) == 0 {
		return text
	}
	return text + "resources:\n  - " + strings.Join(resources, "\n  - ") + "\n"
}

func (t *tree) addObjects(dir string, objects map[string]object) error {
	for file, o := range objects {
		text, err := yaml.Marshal(o.content)
		if err != nil {
			return err
		}
		t.files[dir+"/"+file] = header + string(text)
	}
	return nil
}

func same(a, b object) bool {
	x, errX := yaml.Marshal(a.content)
	y, errY := yaml.Marshal(b.content)
	return errX == nil && errY == nil && string(x) == string(y)
}
