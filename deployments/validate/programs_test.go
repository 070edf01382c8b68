package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// programs are the product's, built once.
var built = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "hogcast-validate-")
	if err != nil {
		return "", err
	}
	cmd := exec.Command("go", "build", "-o", dir+string(filepath.Separator), "./cmd/...")
	cmd.Dir = root
	cmd.Stderr = os.Stderr
	return dir, cmd.Run()
})

func TestMain(m *testing.M) {
	m.Run()
	if dir, err := built(); err == nil {
		_ = os.RemoveAll(dir) // a temporary folder
	}
}

// What the chart says to a program, the program has to understand: its
// arguments, its environment and its file, as --print-config reads them.
func TestTheProgramsUnderstandWhatTheChartTellsThem(t *testing.T) {
	t.Parallel()
	dir, err := built()
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
			for _, o := range out.objects {
				p, ok, err := podOf(o)
				component := o.str("metadata", "labels", "app.kubernetes.io/component")
				// Publisher and console have no server yet.
				if !ok || err != nil || component == "publisher" || component == "console" {
					continue
				}
				understands(t, dir, p, out)
			}
		})
	}
}

func understands(t *testing.T, dir string, p pod, out rendered) {
	t.Helper()
	c := p.spec.Containers[0]
	files := t.TempDir()
	for _, o := range out.objects {
		if o.kind() == "ConfigMap" && o.at("data", "worker.yaml") != nil {
			if err := os.WriteFile(filepath.Join(files, "worker.yaml"), []byte(o.str("data", "worker.yaml")), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	args := slices.Clone(c.Args)
	for i, arg := range args {
		args[i] = strings.Replace(arg, "/etc/hogcast/config", files, 1)
	}
	cmd := exec.Command(filepath.Join(dir, c.Command[0]), append(args, "--print-config")...)
	cmd.Env = []string{"HOME=" + files}
	for _, e := range c.Env {
		value := e.Value
		if e.ValueFrom != nil {
			value = "from-a-reference"
		}
		cmd.Env = append(cmd.Env, e.Name+"="+value)
	}
	text, err := cmd.CombinedOutput()
	// Variables of the worker's the other programs may have, too.
	if err != nil || c.Command[0] == "worker" && strings.Contains(string(text), "warning:") {
		t.Errorf("%s: %s %s: %v\n%s", p.of.id(), c.Command[0], strings.Join(args, " "), err, text)
	}
	if want := p.env("HOGCAST_NATS_URL"); want != "" && !strings.Contains(string(text), strings.Split(want, ",")[0]) {
		t.Errorf("%s: the configuration has not the URL %s:\n%s", p.of.id(), want, text)
	}
}
