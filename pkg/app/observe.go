package app

import (
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/hogcast/hogcast/pkg/destination"
	"github.com/hogcast/hogcast/pkg/health"
	"github.com/hogcast/hogcast/pkg/outcome"
	"github.com/hogcast/hogcast/pkg/queue"
	"github.com/hogcast/hogcast/pkg/telemetry"
)

// instruments makes the metrics that parts count with, and the gauges that are
// told before there is a connection.
func (w *worker) instruments() *telemetry.Metrics {
	w.metrics.MustRegister(collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	w.gauge("hogcast_nats_connected", "1 while NATS can be talked to.", func() float64 {
		conn := w.nats.Load()
		return one(conn != nil && conn.Connected())
	})
	w.gauge("hogcast_ready", "1 while /readyz says ok.",
		func() float64 { return one(w.readiness.state() == "") })
	return telemetry.New(w.metrics, telemetry.Params{
		Version: w.config.Version, Tenants: w.config.MetricsTenants, States: stateNames(),
	})
}

func stateNames() []string {
	var names []string
	for _, s := range health.States() {
		names = append(names, string(s))
	}
	return names
}

// gauges tells what the parts know at the time of the scrape.
func (w *worker) gauges(window *queue.Window) {
	w.gaugesOfHand(window)
	w.gaugesOfDestinations()
	w.gaugesOfRegistry()
	w.gaugesOfNATS()
}

func (w *worker) gauge(name, help string, read func() float64) {
	telemetry.Gauge(w.metrics, name, help, read)
}

func (w *worker) counter(name, help string, read func() float64) {
	telemetry.CounterOf(w.metrics, name, help, read)
}

func (w *worker) gaugesOfHand(window *queue.Window) {
	w.gauge("hogcast_messages_in_hand", "Messages that this worker has been handed and has not settled: records, held branches and wake-ups.",
		func() float64 { return float64(w.consumer.Stats().InHand) })
	w.gauge("hogcast_window_taken_bytes", "Bytes in flight: what is in hand takes of the window, with the room of pulls that wait.",
		func() float64 { return float64(window.Taken()) })
	w.gauge("hogcast_window_size_bytes", "Bytes that may be in flight.",
		func() float64 { return float64(window.Size()) })
	w.gauge("hogcast_lanes", "Destinations that events wait for or are being sent to.",
		func() float64 { return float64(w.dispatcher.Stats().Lanes) })
	telemetry.Gauges(w.metrics, "hogcast_events_waiting", "Events that wait in lanes: fresh ones, and those drained from what was held.", []string{"class"},
		func(tell func(float64, ...string)) {
			s := w.dispatcher.Stats()
			tell(float64(s.Waiting), "live")
			tell(float64(s.Background), "background")
		})
	w.gauge("hogcast_requests_in_flight", "Requests to destinations under way.",
		func() float64 { return float64(w.dispatcher.Stats().Requests) })
	w.gauge("hogcast_held_turns", "Held subjects that this worker is probing or draining.",
		func() float64 { return float64(w.keeper.Active()) })
	w.gauge("hogcast_stuck", "1 while branches can be stored neither as held work nor as dead letters, and nothing is fetched.",
		func() float64 { return one(w.handler.Stuck()) })
	w.counter("hogcast_leases_lost_total", "Messages whose lease ran out in hand; they came again elsewhere.",
		func() float64 { return float64(w.consumer.Stats().Abandoned) })
	w.counter("hogcast_messages_handed_back_total", "Messages given back to the queue at once.",
		func() float64 { return float64(w.consumer.Stats().HandedBack) })
	w.counter("hogcast_settle_failures_total", "Settlings that did not reach the server; their messages come again.",
		func() float64 { return float64(w.consumer.Stats().Failed) })
}

func (w *worker) gaugesOfDestinations() {
	telemetry.Gauges(w.metrics, "hogcast_destination_states", "Destinations by state, as the fleet shares it: every worker tells the same.", []string{"state"},
		func(tell func(float64, ...string)) {
			count := w.board.Count()
			healthy := w.files.Current().Len()
			for _, state := range health.States()[1:] {
				healthy -= count[state]
				tell(float64(count[state]), string(state))
			}
			tell(float64(max(healthy, 0)), string(health.Healthy))
		})
	telemetry.Gauges(w.metrics, "hogcast_destinations_blocked", "Destinations that are sent nothing for now, by why, as the fleet shares it: every worker tells the same.", []string{"reason"},
		func(tell func(float64, ...string)) {
			count := map[health.Reason]int{}
			w.board.Each(func(_ destination.ID, s health.Status) {
				if s.Blocked() {
					count[s.Reason]++
				}
			})
			for _, reason := range outcome.HoldReasons() {
				tell(float64(count[reason]), string(reason))
			}
		})
	w.gauge("hogcast_poison_guards", "Poison guards that are on: destinations and causes whose records are held instead of dead-lettered.",
		func() float64 { return float64(w.board.Guards()) })
	w.gauge("hogcast_workers", "Workers alive: every worker tells the same.",
		func() float64 { return float64(w.board.Workers()) })
}

func (w *worker) gaugesOfRegistry() {
	w.gauge("hogcast_destinations", "Destinations in force.",
		func() float64 { return float64(w.files.Current().Len()) })
	w.gauge("hogcast_destinations_left_out", "Entries that are left out because something is wrong with them.",
		func() float64 { return float64(w.files.Loads().LeftOut) })
	w.gauge("hogcast_destinations_last_reload_successful", "0 when the last change of the destinations could not be put in force; the last good ones stay.",
		func() float64 { return one(!w.files.Loads().Failed) })
	w.gauge("hogcast_destinations_last_reload_success_timestamp_seconds", "When the destinations in force were loaded.",
		func() float64 { return float64(w.files.Loads().At.UnixMilli()) / 1000 })
	w.counter("hogcast_destinations_reload_failures_total", "Changes of the destinations that could not be put in force.",
		func() float64 { return float64(w.files.Loads().Failures) })
}

func (w *worker) gaugesOfNATS() {
	w.gauge("hogcast_consuming", "1 while the last pull of records was answered.",
		func() float64 { return one(w.consumer.Ready()) })
	w.counter("hogcast_nats_reconnects_total", "Times that the connection to NATS was made anew.",
		func() float64 { return float64(w.conn.NATS.Stats().Reconnects) })
	w.counter("hogcast_nats_errors_total", "Errors of the connection to NATS that had no caller.",
		func() float64 { return float64(w.conn.AsyncErrors()) })
}

func one(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}
