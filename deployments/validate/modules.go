package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// module is a Go module that is read for its files alone; nothing of it is
// compiled. Its sum is as in go.sum.
type module struct{ path, version, sum string }

// The schemas of Kubernetes' own types, as every version of it publishes them.
var builtins = module{"sigs.k8s.io/kubectl-validate", "v0.0.4", "h1:tGKuv0awYHn11Cb6KPsZKxUmHgavF46K3NvVH0Nse9U="}

// crds are where the operators' own definitions are.
var crds = []struct {
	module

	files []string
}{
	{
		module{"github.com/kedacore/keda/v2", "v2.21.0", "h1:R6z2HZvstK4RLUMxroNACzBj74xGxt3kG59b5Xc+Xps="},
		[]string{"config/crd/bases/keda.sh_scaledobjects.yaml", "config/crd/bases/keda.sh_triggerauthentications.yaml"},
	},
	{
		module{"github.com/prometheus-operator/prometheus-operator", "v0.85.0", "h1:M5xLCLEoaW2IJfnuCwFzzpL+jSVQu3KGT84Pye+fW8s="},
		[]string{
			"example/prometheus-operator-crd/monitoring.coreos.com_podmonitors.yaml",
			"example/prometheus-operator-crd/monitoring.coreos.com_servicemonitors.yaml",
			"example/prometheus-operator-crd/monitoring.coreos.com_prometheusrules.yaml",
		},
	},
	{
		module{"github.com/external-secrets/external-secrets", "v1.3.2", "h1:u2J8RjlHIeF0oZCqtl92adI/uZWUwOesJIDkfql6LqQ="},
		[]string{"config/crds/bases/external-secrets.io_externalsecrets.yaml"},
	},
	{
		module{"sigs.k8s.io/gateway-api", "v1.4.0", "h1:ZwlNM6zOHq0h3WUX2gfByPs2yAEsy/EenYJB78jpQfQ="},
		[]string{"config/crd/standard/gateway.networking.k8s.io_httproutes.yaml"},
	},
}

// fetch brings the module into the module cache and returns its folder.
func (m module) fetch() (string, error) {
	cmd := exec.Command("go", "mod", "download", "-json", m.path+"@"+m.version)
	cmd.Dir = os.TempDir() // no module's requirements are meant
	cmd.Env = append(os.Environ(), "GOFLAGS=-mod=mod", "GOWORK=off")
	out, err := cmd.Output()
	var got struct{ Dir, Sum, Error string }
	if json.Unmarshal(out, &got) == nil && got.Error != "" {
		return "", fmt.Errorf("fetching %s@%s: %s", m.path, m.version, got.Error)
	}
	if err != nil {
		return "", fmt.Errorf("fetching %s@%s: %w", m.path, m.version, err)
	}
	if got.Sum != m.sum {
		return "", fmt.Errorf("%s@%s has the sum %s, expected %s", m.path, m.version, got.Sum, m.sum)
	}
	return got.Dir, nil
}

func (m module) read(file string) ([]byte, error) {
	dir, err := m.fetch()
	if err != nil {
		return nil, err
	}
	return os.ReadFile(filepath.Join(dir, filepath.FromSlash(file)))
}
