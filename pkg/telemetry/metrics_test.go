package telemetry_test

import (
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/hogcast/hogcast/pkg/telemetry"
)

var update = flag.Bool("update", false, "write the golden file anew")

// TestTheMetricsAreTheGoldenOnes: dashboards and alerts depend on names, and on
// every series being there at 0 from the start.
func TestTheMetricsAreTheGoldenOnes(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewRegistry()
	telemetry.New(registry, "test")
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var got strings.Builder
	for _, f := range families {
		got.WriteString(f.GetName() + " " + strings.ToLower(f.GetType().String()) + ": " + f.GetHelp() + "\n")
		for _, m := range f.GetMetric() {
			for _, label := range m.GetLabel() {
				got.WriteString("  " + label.GetName() + "=" + label.GetValue() + "\n")
			}
		}
	}
	const golden = "testdata/metrics.golden"
	if *update {
		if err := os.WriteFile(golden, []byte(got.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got.String()); diff != "" {
		t.Errorf("(-want +got; mend with -update):\n%s", diff)
	}
}
