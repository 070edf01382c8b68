package telemetry

import (
	"runtime"
	"runtime/debug"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/hogcast/hogcast/pkg/outcome"
)

// heldEnds are the ways in which a held branch ends.
var heldEnds = []outcome.End{outcome.Delivered, outcome.DeadLettered}

// zero makes every series of a closed list exist, so that a rate over the first
// failure is seen.
func (m *Metrics) zero(states []string) {
	each(m.Outcomes, outcome.Ends())
	each(m.Filtered, outcome.FilterReasons())
	each(m.Dead, outcome.DeadReasons())
	each(m.Attempts, outcome.Causes())
	each(m.Held, outcome.HoldReasons())
	each(m.HeldEnds, heldEnds)
	each(m.Shortened, []string{"content", "distinct_id"})
	for _, from := range states {
		for _, to := range states {
			if from != to {
				m.StateChanges.WithLabelValues(from, to)
			}
		}
	}
}

func each[T ~string](v *prometheus.CounterVec, values []T) {
	for _, value := range values {
		v.WithLabelValues(string(value))
	}
}

// buildInfo tells what runs.
func buildInfo(version string) prometheus.Collector {
	revision := "unknown"
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				revision = s.Value
			}
		}
	}
	g := prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "hogcast_build_info", Help: "1, with version, revision and Go version as labels.",
	}, []string{"version", "revision", "goversion"})
	g.WithLabelValues(version, revision, runtime.Version()).Set(1)
	return g
}
