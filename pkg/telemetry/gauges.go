package telemetry

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/hogcast/hogcast/pkg/outcome"
)

// Ended counts a branch of the main lane by how it ended. tenant and
// destination may be "" where there is none.
func (m *Metrics) Ended(tenant, destination string, end outcome.End) {
	m.Outcomes.WithLabelValues(string(end)).Inc()
	m.Ledger.ended.Add(1)
	m.Top.ended(tenant, destination, end)
}

// HeldEnded counts a held branch by how it ended.
func (m *Metrics) HeldEnded(tenant, destination string, end outcome.End) {
	m.HeldEnds.WithLabelValues(string(end)).Inc()
	m.Top.heldEnded(tenant, destination, end)
}

// Gauge registers a gauge that is read when it is asked for.
func Gauge(reg prometheus.Registerer, name, help string, read func() float64) {
	reg.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, read))
}

// CounterOf registers a counter that is read when it is asked for.
func CounterOf(reg prometheus.Registerer, name, help string, read func() float64) {
	reg.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Name: name, Help: help}, read))
}

// Labelled are values by the values of a label.
type Labelled func(tell func(value float64, labels ...string))

// Gauges registers gauges of one name whose label values are known only when
// they are asked for.
func Gauges(reg prometheus.Registerer, name, help string, labels []string, read Labelled) {
	reg.MustRegister(&gauges{prometheus.NewDesc(name, help, labels, nil), read})
}

type gauges struct {
	desc *prometheus.Desc
	read Labelled
}

// Describe implements prometheus.Collector.
func (g *gauges) Describe(to chan<- *prometheus.Desc) { to <- g.desc }

// Collect implements prometheus.Collector.
func (g *gauges) Collect(to chan<- prometheus.Metric) {
	g.read(func(value float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(g.desc, prometheus.GaugeValue, value, labels...)
	})
}
