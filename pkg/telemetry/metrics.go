// Package telemetry holds the metrics of a worker. Beside the layers; it owns
// no goroutines. No label holds a tenant, a secret or content; every series of
// a closed list exists at 0 from the start.
package telemetry

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/hogcast/hogcast/pkg/outcome"
)

// Metrics are a worker's series.
type Metrics struct {
	Received       prometheus.Counter
	Redelivered    prometheus.Counter
	Outcomes       *prometheus.CounterVec // outcome
	Filtered       *prometheus.CounterVec // reason
	Dead           *prometheus.CounterVec // reason
	Discarded      prometheus.Counter     // dead letters deleted to make room for others
	LetterFailures prometheus.Counter     // dead letters that could not be written; their records come again
	Held           *prometheus.CounterVec // reason
	HeldEnds       *prometheus.CounterVec // outcome
	Attempts       *prometheus.CounterVec // path, cause
	Duration       prometheus.Histogram
	BatchEvents    prometheus.Histogram
	SentBytes      prometheus.Counter
	EventBytes     prometheus.Counter
	Delay          prometheus.Histogram // publish → accepted
	Dropped        prometheus.Counter   // optional fields left out
	Unknown        prometheus.Counter
	Shortened      *prometheus.CounterVec // what: content, distinct_id
}

// New makes the metrics and registers them.
func New(reg prometheus.Registerer, version string) *Metrics {
	m := &Metrics{
		Received:       counter("hogcast_records_received_total", "Deliveries of generation records to this worker, redeliveries included."),
		Redelivered:    counter("hogcast_records_redelivered_total", "Deliveries of records that had been delivered to a worker before."),
		Outcomes:       vector("hogcast_branches_total", "Branches (one record for one destination) by how they ended.", "outcome"),
		Filtered:       vector("hogcast_branches_filtered_total", "Filtered branches by reason.", "reason"),
		Dead:           vector("hogcast_dead_letters_total", "Dead letters written by reason.", "reason"),
		Discarded:      counter("hogcast_dead_letters_discarded_total", "Dead letters deleted to make room for newer ones of the same destination."),
		LetterFailures: counter("hogcast_dead_letter_failures_total", "Dead letters that could not be written; their records are delivered again."),
		Held:           vector("hogcast_held_total", "Branches written to the held lane, moves within it included, by why they could not be delivered.", "reason"),
		HeldEnds:       vector("hogcast_held_ended_total", "Held branches by how they ended in the end.", "outcome"),
		Attempts:       vector("hogcast_attempts_total", "Requests to destinations by cause of their outcome.", "cause"),
		Duration:       histogram("hogcast_attempt_duration_seconds", "Time of a request to a destination.", []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}),
		BatchEvents:    histogram("hogcast_attempt_events", "Events in a request.", []float64{1, 2, 5, 10, 25, 50, 75, 100}),
		SentBytes:      counter("hogcast_attempt_sent_bytes_total", "Bytes of request bodies as sent, compressed."),
		EventBytes:     counter("hogcast_attempt_body_bytes_total", "Bytes of request bodies before compression."),
		Delay:          histogram("hogcast_delivery_delay_seconds", "Time from the publish of a record to PostHog's yes.", []float64{.05, .1, .25, .5, 1, 2.5, 5, 15, 60, 300, 3600, 21600}),
		Dropped:        counter("hogcast_record_fields_dropped_total", "Optional fields left out of events because they were of the wrong type."),
		Unknown:        counter("hogcast_record_fields_unknown_total", "Top-level fields of records that are none of the schema's."),
		Shortened:      vector("hogcast_events_shortened_total", "Events of which a part was shortened to fit PostHog's limits.", "what"),
	}
	build := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "hogcast_build_info", Help: "1, with the version as a label."}, []string{"version"})
	build.WithLabelValues(version).Set(1)
	reg.MustRegister(m.Received, m.Redelivered, m.Outcomes, m.Filtered, m.Dead, m.Discarded, m.LetterFailures, m.Held, m.HeldEnds, m.Attempts,
		m.Duration, m.BatchEvents, m.SentBytes, m.EventBytes, m.Delay, m.Dropped, m.Unknown, m.Shortened, build)
	m.zero()
	return m
}

// zero makes every series of a closed list exist.
func (m *Metrics) zero() {
	for _, end := range outcome.Ends() {
		m.Outcomes.WithLabelValues(string(end))
	}
	for _, reason := range outcome.FilterReasons() {
		m.Filtered.WithLabelValues(string(reason))
	}
	for _, reason := range outcome.DeadReasons() {
		m.Dead.WithLabelValues(string(reason))
	}
	for _, cause := range outcome.Causes() {
		m.Attempts.WithLabelValues(string(cause))
	}
	for _, reason := range outcome.HoldReasons() {
		m.Held.WithLabelValues(string(reason))
	}
	for _, end := range []outcome.End{outcome.Delivered, outcome.DeadLettered} {
		m.HeldEnds.WithLabelValues(string(end))
	}
	for _, what := range []string{"content", "distinct_id"} {
		m.Shortened.WithLabelValues(what)
	}
}

// Gauge registers a gauge that is read when it is asked for.
func Gauge(reg prometheus.Registerer, name, help string, read func() float64) {
	reg.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, read))
}

// LabelledGauge is Gauge with one label; call it once for each value of it.
func LabelledGauge(reg prometheus.Registerer, name, help, label, value string, read func() float64) {
	reg.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: name, Help: help, ConstLabels: prometheus.Labels{label: value},
	}, read))
}

// Seconds observes a time since.
func Seconds(h prometheus.Histogram, since time.Time) { h.Observe(time.Since(since).Seconds()) }

func counter(name, help string) prometheus.Counter {
	return prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
}

func vector(name, help, label string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, []string{label})
}

func histogram(name, help string, buckets []float64) prometheus.Histogram {
	return prometheus.NewHistogram(prometheus.HistogramOpts{Name: name, Help: help, Buckets: buckets})
}
