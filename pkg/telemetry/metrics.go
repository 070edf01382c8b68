// Package telemetry holds what a worker tells of itself: metrics and traces.
// Beside the layers. It owns the goroutine of a Traces, until Close; metrics own
// none. No label or attribute holds a secret or content; tenants and
// destinations are labels of a bounded top set alone. Every series of a closed
// list exists at 0 from the start.
package telemetry

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Metrics are a worker's series.
type Metrics struct {
	Received       prometheus.Counter
	Redelivered    prometheus.Counter
	Ledger         *Ledger
	Outcomes       *prometheus.CounterVec // outcome
	Filtered       *prometheus.CounterVec // reason
	Dead           *prometheus.CounterVec // reason
	Discarded      prometheus.Counter     // dead letters deleted to make room for others
	LetterFailures prometheus.Counter     // dead letters that could not be written; their records come again
	Held           *prometheus.CounterVec // reason
	HeldEnds       *prometheus.CounterVec // outcome
	Attempts       *prometheus.CounterVec // cause
	Duration       prometheus.Histogram
	BatchEvents    prometheus.Histogram
	SentBytes      prometheus.Counter
	EventBytes     prometheus.Counter
	Delay          prometheus.Histogram   // publish → accepted
	Dropped        prometheus.Counter     // optional fields left out
	Unknown        prometheus.Counter     // fields that are none of the schema's
	Shortened      *prometheus.CounterVec // what: content, distinct_id
	StateChanges   *prometheus.CounterVec // from, to
	Top            *Top                   // by tenant and destination
}

// Params of the metrics.
type Params struct {
	Version string
	// Tenants is how many destinations have series of their own; the others
	// share one, `_other`. 0: there are none such.
	Tenants int
	// States are the states of a destination, healthy first.
	States []string
}

// New makes the metrics and registers them.
func New(reg prometheus.Registerer, p Params) *Metrics {
	m := &Metrics{
		Received:       counter("hogcast_records_received_total", "Deliveries of generation records to this worker, redeliveries included."),
		Redelivered:    counter("hogcast_records_redelivered_total", "Deliveries of records that had been delivered to a worker before."),
		Outcomes:       vector("hogcast_branches_total", "Branches (one record for one destination) by how they ended in the main lane.", "outcome"),
		Filtered:       vector("hogcast_branches_filtered_total", "Filtered branches by reason.", "reason"),
		Dead:           vector("hogcast_dead_letters_total", "Dead letters written by reason.", "reason"),
		Discarded:      counter("hogcast_dead_letters_discarded_total", "Dead letters deleted to make room for newer ones of the same destination."),
		LetterFailures: counter("hogcast_dead_letter_failures_total", "Dead letters that could not be written; their records are delivered again."),
		Held:           vector("hogcast_held_total", "Branches written to the held lane, moves within it included, by why they could not be delivered.", "reason"),
		HeldEnds:       vector("hogcast_held_ended_total", "Held branches by how they ended in the end: what is drained.", "outcome"),
		Attempts:       vector("hogcast_attempts_total", "Requests to destinations by cause of their outcome.", "cause"),
		Duration:       histogram("hogcast_attempt_duration_seconds", "Time of a request to a destination.", []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}),
		BatchEvents:    histogram("hogcast_attempt_events", "Events in a request: the batch size.", []float64{1, 2, 5, 10, 25, 50, 75, 100}),
		SentBytes:      counter("hogcast_attempt_sent_bytes_total", "Bytes of request bodies as sent, compressed."),
		EventBytes:     counter("hogcast_attempt_body_bytes_total", "Bytes of request bodies before compression."),
		Delay:          histogram("hogcast_delivery_delay_seconds", "Time from the publish of a record to PostHog's yes, held time included.", []float64{.05, .1, .25, .5, 1, 2.5, 5, 15, 60, 300, 3600, 21600}),
		Dropped:        counter("hogcast_record_fields_dropped_total", "Optional fields left out of events because they were of the wrong type."),
		Unknown:        counter("hogcast_record_fields_unknown_total", "Top-level fields of records that are none of the schema's."),
		Shortened:      vector("hogcast_events_shortened_total", "Events of which a part was shortened to fit PostHog's limits.", "what"),
		StateChanges:   vector("hogcast_destination_state_changes_total", "Changes of destinations' states that this worker has decided: the breaker's moves.", "from", "to"),
		Top:            newTop(reg, p.Tenants),
	}
	m.Ledger = newLedger(reg)
	reg.MustRegister(m.Received, m.Redelivered, m.Outcomes, m.Filtered, m.Dead, m.Discarded, m.LetterFailures, m.Held, m.HeldEnds, m.Attempts,
		m.Duration, m.BatchEvents, m.SentBytes, m.EventBytes, m.Delay, m.Dropped, m.Unknown, m.Shortened, m.StateChanges, buildInfo(p.Version))
	m.zero(p.States)
	return m
}

// Seconds observes a time since.
func Seconds(h prometheus.Histogram, since time.Time) { h.Observe(time.Since(since).Seconds()) }

func counter(name, help string) prometheus.Counter {
	return prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
}

func vector(name, help string, labels ...string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
}

func histogram(name, help string, buckets []float64) prometheus.Histogram {
	return prometheus.NewHistogram(prometheus.HistogramOpts{Name: name, Help: help, Buckets: buckets})
}
