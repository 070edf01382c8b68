package main

import (
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

const root = "../.."

// known is loaded once: the schemas are large.
var known = sync.OnceValues(loadSchemas)

// sets are the chart's own sets of values, by name.
func sets(t *testing.T) map[string]map[string]any {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(chartDir(root), "ci", "*-values.yaml"))
	if err != nil || len(files) < 8 {
		t.Fatalf("%d sets of values, want at least 8 (%v)", len(files), err)
	}
	out := map[string]map[string]any{}
	for _, file := range files {
		values, err := readValues(file)
		if err != nil {
			t.Fatal(err)
		}
		out[strings.TrimSuffix(filepath.Base(file), "-values.yaml")] = values
	}
	return out
}

// with renders the chart with values in YAML.
func with(t *testing.T, values string) rendered {
	t.Helper()
	out, err := tryWith(t, values)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func tryWith(t *testing.T, text string) (rendered, error) {
	t.Helper()
	values, err := parseValues(text)
	if err != nil {
		t.Fatal(err)
	}
	return render(chartDir(root), release{values: values})
}

// find is the one object of a kind and name.
func (r rendered) find(t *testing.T, kind, name string) object {
	t.Helper()
	for _, o := range r.objects {
		if o.kind() == kind && o.name() == name {
			return o
		}
	}
	t.Fatalf("no %s/%s", kind, name)
	return object{}
}

func (r rendered) has(kind, name string) bool {
	for _, o := range r.objects {
		if o.kind() == kind && o.name() == name {
			return true
		}
	}
	return false
}

// worker is the workers' pod.
func (r rendered) worker(t *testing.T) pod {
	t.Helper()
	for _, o := range r.objects {
		if o.kind() == "Deployment" && strings.HasSuffix(o.name(), "-worker") {
			p, _, err := podOf(o)
			if err != nil {
				t.Fatal(err)
			}
			return p
		}
	}
	t.Fatal("no workers")
	return pod{}
}

// env is the value of a variable of the pod's first container.
func (p pod) env(name string) string {
	for _, e := range p.spec.Containers[0].Env {
		if e.Name == name {
			return e.Value
		}
	}
	return ""
}

// text is everything.
func (r rendered) text() string {
	var all strings.Builder
	for _, o := range r.objects {
		all.WriteString(o.text + "\n---\n")
	}
	return all.String()
}
