package main

import (
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// paths are of every value that has a default.
func paths(t *testing.T) [][]string {
	t.Helper()
	values, err := readValues(filepath.Join(chartDir(root), "values.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var out [][]string
	var walk func(at []string, m map[string]any)
	walk = func(at []string, m map[string]any) {
		for _, key := range slices.Sorted(maps.Keys(m)) {
			path := append(slices.Clone(at), key)
			out = append(out, path)
			if child, ok := m[key].(map[string]any); ok {
				walk(path, child)
			}
		}
	}
	walk(nil, values)
	return out
}

// set puts a value where a path says, into everything switched on.
func set(t *testing.T, path []string, value any) map[string]any {
	t.Helper()
	values, err := parseValues(everythingOn)
	if err != nil {
		t.Fatal(err)
	}
	m := values
	for _, key := range path[:len(path)-1] {
		child, ok := m[key].(map[string]any)
		if !ok {
			child = map[string]any{}
			m[key] = child
		}
		m = child
	}
	m[path[len(path)-1]] = value
	return values
}

const everythingOn = `
podMonitor: {enabled: true}
serviceMonitor: {enabled: true}
prometheusRule: {enabled: true}
dashboards: {enabled: true}
autoscaling: {enabled: true}
worker: {traces: {enabled: true, endpoint: 'http://otel:4318'}}
test: {monitoringURLs: ['http://nats-0:8222']}
`

// ofTemplates is what templates say of themselves, not of a value.
var ofTemplates = regexp.MustCompile(`nil pointer|interface conversion|YAML parse|error calling|can't evaluate|wrong type`)

// A null takes a default away: what comes out is whole, or the error names the
// value.
func TestANullTakesAValueAwayOrIsRefused(t *testing.T) {
	t.Parallel()
	s, err := known()
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range paths(t) {
		name := strings.Join(path, ".")
		if name == "podSecurityContext.seccompProfile.type" {
			continue // of Kubernetes' own form
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			out, err := render(chartDir(root), release{values: set(t, path, nil)})
			if err != nil {
				if !strings.Contains(err.Error(), path[len(path)-1]) || ofTemplates.MatchString(err.Error()) {
					t.Errorf("got %v", err)
				}
				return
			}
			for _, o := range out.objects {
				for _, problem := range s.check(o) {
					t.Errorf("%s: %s", o.id(), problem)
				}
				if strings.Contains(o.text, ": null\n") && o.kind() != "ConfigMap" || strings.Contains(o.text, "<nil>") || strings.Contains(o.text, "%!") {
					t.Errorf("%s:\n%s", o.id(), o.text)
				}
			}
		})
	}
}
