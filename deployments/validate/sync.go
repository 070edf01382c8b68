package main

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"
)

// tree is files by their path below the repository's root. What lies in its
// folders and is not in it is not to be there.
type tree struct {
	files   map[string]string
	folders []string
}

// generated is everything that is made of something else.
func generated(root string) (tree, error) {
	made := tree{files: map[string]string{}}
	if err := made.addCopies(root); err != nil {
		return made, err
	}
	if err := made.addReadme(root); err != nil {
		return made, err
	}
	return made, made.addKustomize(root)
}

// addReadme lets helm-docs write the chart's README from its values.
func (t *tree) addReadme(root string) error {
	chart, err := filepath.Abs(chartDir(root))
	if err != nil {
		return err
	}
	cmd := exec.Command("go", "tool", "helm-docs", "--dry-run", "--sort-values-order=file", "--log-level=warning", "--chart-search-root="+chart)
	cmd.Dir = filepath.Join(root, "deployments", "validate")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("writing the chart's README: %w", err)
	}
	t.files["deployments/helm/hogcast/README.md"] = strings.TrimSpace(string(out)) + "\n"
	return nil
}

// copies: a chart can hold only what lies within it.
var copies = []struct{ from, to, suffix string }{
	{"deployments/grafana", "deployments/helm/hogcast/files/grafana", ".json"},
	{"deployments/prometheus", "deployments/helm/hogcast/files/prometheus", ".yaml"},
}

func (t *tree) addCopies(root string) error {
	for _, c := range copies {
		t.folders = append(t.folders, c.to)
		files, err := filepath.Glob(filepath.Join(root, filepath.FromSlash(c.from), "*"+c.suffix))
		if err != nil {
			return err
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				return err
			}
			if c.suffix == ".yaml" && !holdsRules(text) {
				continue // tests of the rules, say
			}
			t.files[c.to+"/"+filepath.Base(file)] = string(text)
		}
	}
	return nil
}

// holdsRules reports whether a file is rules for Prometheus.
func holdsRules(text []byte) bool {
	var file struct {
		Groups []any `json:"groups"`
	}
	return yaml.Unmarshal(text, &file) == nil && len(file.Groups) > 0
}

// drift says what differs between the tree and what is below root.
func (t tree) drift(root string) []string {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(t.files)) {
		have, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(name)))
		if err != nil || string(have) != t.files[name] {
			out = append(out, name+" is not what it is made of")
		}
	}
	for _, name := range t.strays(root) {
		out = append(out, name+" is made of nothing")
	}
	return out
}

// strays are files in the tree's folders that it does not have.
func (t tree) strays(root string) []string {
	var out []string
	for _, folder := range t.folders {
		entries, err := os.ReadDir(filepath.Join(root, filepath.FromSlash(folder)))
		if err != nil {
			continue // not there yet
		}
		for _, e := range entries {
			name := folder + "/" + e.Name()
			if _, ok := t.files[name]; !ok && !e.IsDir() && !strings.HasPrefix(e.Name(), ".") {
				out = append(out, name)
			}
		}
	}
	return out
}

// write writes what differs and removes the strays; it tells how many files
// it wrote.
func (t tree) write(root string) (int, error) {
	for _, name := range t.strays(root) {
		if err := os.Remove(filepath.Join(root, filepath.FromSlash(name))); err != nil {
			return 0, err
		}
	}
	written := 0
	for name, text := range t.files {
		file := filepath.Join(root, filepath.FromSlash(name))
		if have, err := os.ReadFile(file); err == nil && string(have) == text {
			continue
		}
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			return written, err
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			return written, err
		}
		written++
	}
	return written, nil
}
