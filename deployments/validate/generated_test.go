package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
)

func TestWhatIsGeneratedIsWhatItIsMadeOf(t *testing.T) {
	t.Parallel()
	made, err := generated(root)
	if err != nil {
		t.Fatal(err)
	}
	if drift := made.drift(root); len(drift) > 0 {
		t.Errorf("run `make manifests`:\n%s", strings.Join(drift, "\n"))
	}
}

func TestDriftIsFoundAndMended(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	made := tree{files: map[string]string{"a/b.yaml": "x\n"}, folders: []string{"a"}}
	if got := fmt.Sprint(made.drift(dir)); got != "[a/b.yaml is not what it is made of]" {
		t.Errorf("nothing there: %s", got)
	}
	if _, err := made.write(dir); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"b.yaml": "y\n", "stray.yaml": "z\n"} {
		if err := os.WriteFile(filepath.Join(dir, "a", name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if got := fmt.Sprint(made.drift(dir)); got != "[a/b.yaml is not what it is made of a/stray.yaml is made of nothing]" {
		t.Errorf("changed: %s", got)
	}
	if _, err := made.write(dir); err != nil || len(made.drift(dir)) > 0 {
		t.Errorf("written again: %v, %v", err, made.drift(dir))
	}
}

// kustomized builds an overlay, or the base.
func kustomized(t *testing.T, dir string) []object {
	t.Helper()
	built, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), filepath.Join(root, kustomizeDir, dir))
	if err != nil {
		t.Fatal(err)
	}
	text, err := built.AsYaml()
	if err != nil {
		t.Fatal(err)
	}
	objects, err := parse(string(text))
	if err != nil {
		t.Fatal(err)
	}
	return objects
}

// The plain manifests are the chart's: the same objects, but for the labels of
// Helm.
func TestKustomizeMakesTheChartsObjects(t *testing.T) {
	t.Parallel()
	s, err := known()
	if err != nil {
		t.Fatal(err)
	}
	cases := map[string][]string{"base": nil}
	for name, parts := range overlays {
		cases["overlays/"+name] = parts
	}
	for dir, parts := range cases {
		t.Run(dir, func(t *testing.T) {
			t.Parallel()
			values := baseValues
			for _, part := range parts {
				for _, c := range components {
					if c.name == part {
						values += c.values + "\n"
					}
				}
			}
			want := map[string]object{}
			for _, o := range with(t, values).objects {
				namespace := o.str("metadata", "namespace")
				plain(o.content)
				o.content["metadata"].(map[string]any)["namespace"] = namespace
				want[o.id()] = o
			}
			for _, o := range kustomized(t, dir) {
				for _, problem := range append(s.check(o), policies(o)...) {
					t.Errorf("%s: %s", o.id(), problem)
				}
				if o.kind() == "Namespace" {
					continue
				}
				if !same(want[o.id()], o) {
					t.Errorf("%s is not the chart's:\n%s", o.id(), o.text)
				}
				delete(want, o.id())
			}
			for id := range want {
				t.Errorf("%s is missing", id)
			}
		})
	}
}

func TestAComponentThatChangesTheBaseIsRefused(t *testing.T) {
	t.Parallel()
	made := tree{files: map[string]string{}}
	base, err := kustomizeObjects(root, "")
	if err != nil {
		t.Fatal(err)
	}
	err = made.addComponent(root, component{name: "x", values: "port: 9090"}, base)
	if err == nil || !strings.Contains(err.Error(), "which a component can't") {
		t.Errorf("got %v", err)
	}
}
