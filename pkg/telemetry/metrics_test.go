package telemetry_test

import (
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/hogcast/hogcast/pkg/outcome"
	"github.com/hogcast/hogcast/pkg/telemetry"
	"github.com/hogcast/hogcast/test/golden"
)

func gather(t *testing.T, registry *prometheus.Registry) []*dto.MetricFamily {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	return families
}

// TestTheMetricsAreTheGoldenOnes: dashboards and alerts depend on names, and on
// every series being there at 0 from the start. Those that the worker adds are
// in pkg/app's golden list.
func TestTheMetricsAreTheGoldenOnes(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewRegistry()
	telemetry.New(registry, telemetry.Params{Version: "test", Tenants: 2, States: []string{"healthy", "open"}})
	var got strings.Builder
	for _, f := range gather(t, registry) {
		got.WriteString(f.GetName() + " " + strings.ToLower(f.GetType().String()) + ": " + f.GetHelp() + "\n")
		for _, m := range f.GetMetric() {
			var labels []string
			for _, label := range m.GetLabel() {
				if value := label.GetValue(); label.GetName() != "goversion" && label.GetName() != "revision" {
					labels = append(labels, label.GetName()+"="+value)
				}
			}
			if len(labels) > 0 {
				got.WriteString("  " + strings.Join(labels, " ") + "\n")
			}
		}
	}
	golden.Check(t, "testdata/metrics.golden", got.String())
}

// value is a series' value; the labels are given as name, value, name, value.
func value(t *testing.T, registry *prometheus.Registry, name string, labels ...string) (float64, bool) {
	t.Helper()
	for _, f := range gather(t, registry) {
		if f.GetName() != name {
			continue
		}
		for _, m := range f.GetMetric() {
			have := map[string]string{}
			for _, l := range m.GetLabel() {
				have[l.GetName()] = l.GetValue()
			}
			match := true
			for i := 0; i < len(labels); i += 2 {
				match = match && have[labels[i]] == labels[i+1]
			}
			if match {
				return m.GetCounter().GetValue() + m.GetGauge().GetValue(), true
			}
		}
	}
	return 0, false
}

func TestTheLedgerBalancesWhateverTheEnd(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewRegistry()
	m := telemetry.New(registry, telemetry.Params{})
	imbalance := func(want int64) {
		t.Helper()
		if got := m.Ledger.Imbalance(); got != want {
			t.Errorf("imbalance %d, want %d", got, want)
		}
	}
	m.Ledger.Begin(5)
	imbalance(0)
	for _, end := range []outcome.End{outcome.Delivered, outcome.Held, outcome.Filtered} {
		m.Ended("acme", "main", end)
		m.Ledger.Close(false)
		imbalance(0)
	}
	m.Ledger.Close(true)
	imbalance(0)
	m.Ledger.Repeat()
	m.Ledger.Close(false)
	imbalance(0)
	for name, want := range map[string]float64{
		"hogcast_branches_begun_total": 5, "hogcast_branches_interrupted_total": 1, "hogcast_branches_repeated_total": 1,
		"hogcast_branches_open": 0, "hogcast_ledger_imbalance_branches": 0,
	} {
		if got, ok := value(t, registry, name); !ok || got != want {
			t.Errorf("%s is %v, want %v", name, got, want)
		}
	}
}

func TestABranchThatIsClosedWithoutAnEndOrEndsTwiceShowsAsImbalance(t *testing.T) {
	t.Parallel()
	m := telemetry.New(prometheus.NewRegistry(), telemetry.Params{})
	m.Ledger.Begin(2)
	m.Ledger.Close(false)
	if got := m.Ledger.Imbalance(); got != 1 {
		t.Errorf("a lost branch: imbalance %d, want 1", got)
	}
	m.Ended("", "", outcome.Delivered)
	m.Ended("", "", outcome.Delivered)
	m.Ended("", "", outcome.Delivered)
	m.Ledger.Close(false)
	if got := m.Ledger.Imbalance(); got != -1 {
		t.Errorf("one that ended twice: imbalance %d, want -1", got)
	}
}
