package main

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/engine"
	"helm.sh/helm/v3/pkg/releaseutil"
	"sigs.k8s.io/yaml"
)

// kubeVersion is the oldest that the chart serves.
const kubeVersion = "v1.30.0"

func chartDir(root string) string { return filepath.Join(root, "deployments", "helm", "hogcast") }

// release is what the chart is rendered for.
type release struct {
	name, namespace string // default: hogcast, hogcast
	values          map[string]any
}

// rendered is a chart's objects and notes.
type rendered struct {
	objects []object
	notes   string
}

// render renders as `helm template` does.
func render(dir string, r release) (rendered, error) {
	var out rendered
	chart, err := loader.LoadDir(dir)
	if err != nil {
		return out, err
	}
	version, err := chartutil.ParseKubeVersion(kubeVersion)
	if err != nil {
		return out, err
	}
	caps := chartutil.DefaultCapabilities.Copy()
	caps.KubeVersion = *version
	options := chartutil.ReleaseOptions{Name: orElse(r.name, "hogcast"), Namespace: orElse(r.namespace, "hogcast"), Revision: 1, IsInstall: true}
	// Coalescing writes into what it is given.
	values, err := chartutil.ToRenderValuesWithSchemaValidation(chart, deepCopy(r.values), options, caps, false)
	if err != nil {
		return out, err
	}
	files, err := engine.Engine{Strict: false}.Render(chart, values)
	if err != nil {
		return out, err
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if strings.HasSuffix(name, "NOTES.txt") {
			out.notes = files[name]
			continue
		}
		objects, err := parse(files[name])
		if err != nil {
			return out, fmt.Errorf("%s: %w", name, err)
		}
		out.objects = append(out.objects, objects...)
	}
	return out, nil
}

// parse reads a file of objects. A key that comes twice is an error.
func parse(text string) ([]object, error) {
	manifests := releaseutil.SplitManifests(text)
	keys := slices.Collect(maps.Keys(manifests))
	slices.SortFunc(keys, func(a, b string) int { return len(a) - len(b) + strings.Compare(a, b)*boolToInt(len(a) == len(b)) })
	var out []object
	for _, key := range keys {
		o := object{text: strings.TrimSpace(manifests[key])}
		if err := yaml.UnmarshalStrict([]byte(manifests[key]), &o.content); err != nil {
			return nil, fmt.Errorf("%w in:\n%s", err, o.text)
		}
		if len(o.content) > 0 {
			out = append(out, o)
		}
	}
	return out, nil
}

func boolToInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

// readValues reads files of values; a later file's come before an earlier's.
func readValues(files ...string) (map[string]any, error) {
	all := map[string]any{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		values, err := parseValues(string(text))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		all = chartutil.MergeTables(values, all)
	}
	return all, nil
}

func parseValues(text string) (map[string]any, error) {
	values, err := chartutil.ReadValues([]byte(text))
	return values, err
}

func deepCopy(values map[string]any) map[string]any {
	out := make(map[string]any, len(values))
	for k, v := range values {
		if m, ok := v.(map[string]any); ok {
			v = deepCopy(m)
		}
		out[k] = v
	}
	return out
}
