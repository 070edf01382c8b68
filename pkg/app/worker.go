// Package app wires the parts into programs that start and stop as one. Layer
// 5. It touches no flags, signals or exits, so that tests run it in-process.
package app

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/hogcast/hogcast/pkg/deadletter"
	"github.com/hogcast/hogcast/pkg/delivery"
	"github.com/hogcast/hogcast/pkg/destination"
	"github.com/hogcast/hogcast/pkg/fleet"
	"github.com/hogcast/hogcast/pkg/health"
	"github.com/hogcast/hogcast/pkg/held"
	"github.com/hogcast/hogcast/pkg/pipeline"
	"github.com/hogcast/hogcast/pkg/posthog"
	"github.com/hogcast/hogcast/pkg/queue"
	"github.com/hogcast/hogcast/pkg/registry"
	"github.com/hogcast/hogcast/pkg/telemetry"
)

// WorkerConfig is what a worker needs to run.
type WorkerConfig struct {
	NATS         queue.ConnectConfig
	Destinations string // file or folder
	Listen       string // address of /livez, /readyz and /metrics; "" for none
	// AdminListen is the address of Go's profiles; "" for none. Another than a
	// loopback address is refused, unless AdminAllowRemote: a heap profile can
	// hold records.
	AdminListen      string
	AdminAllowRemote bool
	EgressAllow      []netip.Prefix

	Window         int64         // bytes in hand; default 64 MiB
	MainLaneMax    time.Duration // default 15 s
	HoldMax        time.Duration // default held's
	RequestTimeout time.Duration // default 10 s
	DrainTimeout   time.Duration // default 20 s
	Name           string        // default: host name and process id
	Version        string
	Logger         *zap.Logger
	// Listening, if set, is told the address that Listen came to.
	Listening func(addr string)
	// AdminListening, if set, is told the address that AdminListen came to.
	AdminListening func(addr string)
	// Consuming, if set, is called when all is started.
	Consuming func()
}

func (c WorkerConfig) withDefaults() WorkerConfig {
	if c.Window == 0 {
		c.Window = queue.DefaultWindow
	}
	if c.MainLaneMax == 0 {
		c.MainLaneMax = 15 * time.Second
	}
	if c.RequestTimeout == 0 {
		c.RequestTimeout = 10 * time.Second
	}
	if c.DrainTimeout == 0 {
		c.DrainTimeout = 20 * time.Second
	}
	if c.Name == "" {
		host, _ := os.Hostname()
		c.Name = fmt.Sprintf("%s-%d", host, os.Getpid())
	}
	if c.Version == "" {
		c.Version = "dev"
	}
	if c.Logger == nil {
		c.Logger = zap.NewNop()
	}
	return c
}

// Validate reports every setting that makes no sense, and relations that the
// parts can't see by themselves.
func (c WorkerConfig) Validate() error {
	c = c.withDefaults()
	var errs []error
	if c.Destinations == "" {
		errs = append(errs, errors.New("destinations: missing; give a file or folder with --destinations"))
	}
	if c.RequestTimeout > c.MainLaneMax {
		errs = append(errs, fmt.Errorf("request-timeout: %s is more than main-lane-max, %s; no request may outlive its record's stay", c.RequestTimeout, c.MainLaneMax))
	}
	return errors.Join(append(errs, c.checkAdmin())...)
}

// RunWorker runs a worker until ctx ends, then drains it: fetching stops at
// once, what is in hand is finished, and what is not by DrainTimeout is handed
// back. The error is why it could not start or go on; nil after a clean stop.
//
//	6 consumer ──records──▶ 4 handler ──items──▶ 3 dispatcher ──batches──▶ 2 sender ──▶ PostHog
//	                         ▲ │ ▲  ▲                  │ │
//	                         │ │ │  └──── results ─────┘ └─samples─▶ 1 board
//	                         │ │ └─ admits what the board lets pass
//	                         │ └──letters──▶ DEAD, branches──▶ HELD, 2 wake-ups
//	5 keeper ──held branches─┘
//	1 NATS, destinations, metrics, board
//
// Lower numbers start first and stop last.
func RunWorker(ctx context.Context, c WorkerConfig) error {
	if err := c.Validate(); err != nil {
		return err
	}
	c = c.withDefaults()
	w := &worker{config: c, log: c.Logger.With(zap.String("worker", c.Name)), metrics: prometheus.NewRegistry()}
	defer w.stopAll()
	if err := w.start(ctx); err != nil {
		if ctx.Err() != nil {
			return nil // told to stop while starting
		}
		return err
	}
	return w.run(ctx)
}

const (
	// drainShare is the part of the window, in percent, that drains of held
	// work may take.
	drainShare = 60
	// boardWait is how long a worker that starts waits to learn what the fleet
	// knows of destinations.
	boardWait = 5 * time.Second
)

type worker struct {
	config  WorkerConfig
	log     *zap.Logger
	metrics *prometheus.Registry

	conn       *queue.Conn
	files      *registry.Files
	board      *fleet.Board
	waker      *held.Waker
	keeper     *held.Keeper
	sender     *posthog.Sender
	dispatcher *delivery.Dispatcher
	consumer   *queue.Consumer
	handler    *pipeline.Handler
	readiness  readiness

	stops []stop // in order of construction; run in reverse
}

type stop struct {
	name string
	run  func()
}

func (w *worker) onStop(name string, run func()) { w.stops = append(w.stops, stop{name, run}) }

func (w *worker) stopAll() {
	for _, part := range slices.Backward(w.stops) {
		w.log.Debug("stopping", zap.String("part", part.name))
		part.run()
	}
}

func (w *worker) start(ctx context.Context) error {
	c := w.config
	metrics := telemetry.New(w.metrics, c.Version)
	if err := errors.Join(w.listen(), w.profiles()); err != nil {
		return err
	}
	var err error
	w.files, err = registry.OpenFiles(registry.FilesParams{
		Path: c.Destinations, Logger: w.log,
		OnChange: func(now *destination.Set, ids []destination.ID) { w.board.Changed(now, ids...) },
	})
	if err != nil {
		return err
	}

	nats := c.NATS
	nats.Name, nats.Wait, nats.Logger = "hogcast worker "+c.Name, true, w.log
	if w.conn, err = queue.Connect(ctx, nats); err != nil {
		return err
	}
	w.onStop("nats", w.conn.Close)
	if err := w.awaitSetUp(ctx); err != nil {
		return err
	}

	w.board = fleet.New(fleet.Params{
		Conn: w.conn, Worker: c.Name, ProbeLimit: c.MainLaneMax, Logger: w.log,
		Blocked: func(match func(*destination.Destination) bool) { w.dispatcher.Release(match) },
	})

	w.sender, err = posthog.NewSender(posthog.Config{
		RequestTimeout: c.RequestTimeout, EgressAllow: c.EgressAllow,
		UserAgent: "hogcast/" + c.Version, OnAttempt: attempts(metrics, w.log),
	})
	if err != nil {
		return err
	}
	w.onStop("sender", w.sender.Close)
	w.waker = held.NewWaker(w.conn, w.log)
	w.background("wake-ups", w.waker.Run)
	return w.flows(ctx, metrics)
}

// flows builds what records flow through.
func (w *worker) flows(ctx context.Context, metrics *telemetry.Metrics) error {
	c := w.config
	window := queue.NewWindow(c.Window)
	deliveryConfig := delivery.DefaultConfig()
	deliveryConfig.RequestTimeout = c.RequestTimeout
	deliveryConfig.Observe, deliveryConfig.Workers = w.board.Observe, w.board.Workers
	deliveryConfig.Blocked = func(to *destination.Destination) bool { return w.board.Standing(to).Gate == fleet.Park }
	deliveryConfig.Pressed = window.Pressed
	var err error
	if w.dispatcher, err = delivery.New(deliveryConfig, w.sender); err != nil {
		return err
	}
	w.consumer, err = queue.NewConsumer(queue.ConsumerConfig{
		Conn: w.conn, Window: window, Hold: func() bool { return w.handler.Stuck() || w.board.Ours() }, Logger: w.log,
	})
	if err != nil {
		return err
	}
	quota := held.NewQuota(w.board.Workers, w.log)
	letters := deadletter.NewWriter(w.conn, int(w.conn.NATS.MaxPayload()))
	letters.OnDiscard(func(d deadletter.Discard) {
		metrics.Discarded.Inc()
		w.log.Warn("a dead letter was discarded to make room for a newer one", zap.String("tenant", d.Tenant),
			zap.String("destination", d.Destination), zap.String("reason", d.Reason), zap.Uint64("sequence", d.Sequence))
	})
	w.handler = pipeline.New(pipeline.Params{
		Registry: w.files, Health: w.board, Deliverer: w.dispatcher, Settler: w.consumer, Metrics: metrics,
		Parker: held.NewParker(w.conn, w.waker, quota), Letters: letters,
		Worker: c.Name, MainLaneMax: c.MainLaneMax, Logger: w.log,
	})
	w.keeper = held.NewKeeper(held.Params{
		Conn: w.conn, Hand: w.consumer.Hand, Window: window.Part(c.Window * drainShare / 100),
		Registry: w.files, Board: w.board, Deliverer: w.handler.HeldBranches(w.conn), Waker: w.waker, Quota: quota,
		HoldMax: c.HoldMax, Logger: w.log,
	})
	w.gauges()
	if err := w.files.Listed(ctx); err != nil {
		return err
	}
	w.background("board", w.board.Run)
	w.background("destinations", w.files.Run)
	known, cancel := context.WithTimeout(ctx, boardWait)
	defer cancel()
	w.board.CaughtUp(known)
	w.board.Changed(w.files.Current())
	return nil
}

// background runs a part until the worker stops.
func (w *worker) background(name string, run func(context.Context)) {
	ctx, cancel := context.WithCancel(context.Background())
	var done sync.WaitGroup
	done.Go(func() { run(ctx) })
	w.onStop(name, func() { cancel(); done.Wait() })
}

// awaitSetUp checks what the worker needs of JetStream. Only an answer can say
// that something is missing; no answer means wait.
func (w *worker) awaitSetUp(ctx context.Context) error {
	const again = time.Second
	told := false
	for {
		err := queue.Check(ctx, w.conn)
		if err == nil || !errors.Is(err, queue.ErrUnavailable) {
			return err
		}
		if !told {
			w.log.Warn("waiting for jetstream", zap.Error(err))
			told = true
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(again):
		}
	}
}

// run consumes until ctx ends or consuming can't go on, then drains.
func (w *worker) run(ctx context.Context) error {
	ctx, stopHeld := context.WithCancel(ctx)
	defer stopHeld()
	w.background("heartbeats", w.consumer.Heartbeats)
	w.log.Info("consuming", zap.Int("destinations", w.files.Current().Len()), zap.String("version", w.config.Version))
	w.readiness.ready = func() bool { return w.consumer.Ready() && !w.handler.Stuck() }
	w.readiness.started.Store(true)
	if w.config.Consuming != nil {
		w.config.Consuming()
	}
	held := make(chan struct{})
	go func() { defer close(held); w.keeper.Run(ctx) }()
	err := w.consumer.Run(ctx, w.handler.Handle)
	if err != nil {
		stopHeld()
	}
	w.readiness.draining.Store(true)
	w.drain(held)
	return err
}

// drain finishes what is in hand within the drain timeout. Interrupted work
// spends no attempt and is handed back at once.
func (w *worker) drain(held <-chan struct{}) {
	began := time.Now()
	w.log.Info("draining", zap.Int("records", w.consumer.Stats().InHand), zap.Duration("at_most", w.config.DrainTimeout))
	ctx, cancel := context.WithTimeout(context.Background(), w.config.DrainTimeout)
	defer cancel()
	w.handler.Quiesce(ctx)
	w.dispatcher.Stop(ctx)
	w.handler.Stop(ctx)
	<-held
	handedBack := w.consumer.Drain(ctx)
	s := w.consumer.Stats()
	w.log.Info("stopped", zap.Int64("acked", s.Acked), zap.Int64("handed_back", s.HandedBack),
		zap.Int("unfinished", handedBack), zap.Duration("after", time.Since(began)))
}

func (w *worker) gauges() {
	gauge := func(name, help string, read func() float64) { telemetry.Gauge(w.metrics, name, help, read) }
	gauge("hogcast_records_in_hand", "Records that this worker has been handed and has not settled.",
		func() float64 { return float64(w.consumer.Stats().InHand) })
	gauge("hogcast_lanes", "Destinations that events wait for or are being sent to.",
		func() float64 { return float64(w.dispatcher.Stats().Lanes) })
	gauge("hogcast_requests_in_flight", "Requests to destinations under way.",
		func() float64 { return float64(w.dispatcher.Stats().Requests) })
	for _, state := range health.States()[1:] {
		telemetry.LabelledGauge(w.metrics, "hogcast_destination_states", "Destinations that are not healthy, by state, as the fleet shares it.",
			"state", string(state), func() float64 { return float64(w.board.Count()[state]) })
	}
	gauge("hogcast_poison_guards", "Poison guards that are on: destinations and causes whose records are held instead of dead-lettered.",
		func() float64 { return float64(w.board.Guards()) })
	gauge("hogcast_stuck", "1 while branches can be stored neither as held work nor as dead letters, and nothing is fetched.",
		func() float64 {
			if w.handler.Stuck() {
				return 1
			}
			return 0
		})
	gauge("hogcast_workers", "Workers alive.", func() float64 { return float64(w.board.Workers()) })
	gauge("hogcast_held_turns", "Held subjects that this worker is probing or draining.",
		func() float64 { return float64(w.keeper.Active()) })
	gauge("hogcast_destinations", "Destinations in force.",
		func() float64 { return float64(w.files.Current().Len()) })
	gauge("hogcast_records_abandoned", "Records whose lease ran out in hand since the start; they came again elsewhere.",
		func() float64 { return float64(w.consumer.Stats().Abandoned) })
}
