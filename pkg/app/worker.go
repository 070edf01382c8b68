// Package app wires the parts into programs that start and stop as one. Layer
// 5. It touches no flags, signals or exits, so that tests run it in-process.
package app

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"sync"
	"sync/atomic"
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
	"github.com/hogcast/hogcast/pkg/scrub"
	"github.com/hogcast/hogcast/pkg/telemetry"
)

// WorkerConfig is what a worker needs to run.
type WorkerConfig struct {
	NATS         queue.ConnectConfig
	Destinations string // file or folder; "": the bucket
	// DefaultDestination has destinations of the tenant `_` stand in for those of
	// each tenant that has none of its own.
	DefaultDestination bool
	Secrets            Secrets // of the bucket
	Listen             string  // address of /livez, /readyz and /metrics; "" for none
	// AdminListen is the address of Go's profiles; "" for none. Another than a
	// loopback address is refused, unless AdminAllowRemote: a heap profile can
	// hold records.
	AdminListen      string
	AdminAllowRemote bool
	EgressAllow      []netip.Prefix
	// EgressProxy, if set, is the HTTP proxy to all that is not of EgressAllow;
	// with EgressProxyResolves it looks the names up, too.
	EgressProxy         *url.URL
	EgressProxyResolves bool

	Window         int64         // bytes in hand; default 64 MiB
	MainLaneMax    time.Duration // default 15 s
	HoldMax        time.Duration // default held's
	RequestTimeout time.Duration // default 10 s
	DrainTimeout   time.Duration // default 20 s
	Name           string        // default: host name and process id
	// MetricsTenants is how many destinations have metrics of their own, those
	// with the most traffic; 0: none.
	MetricsTenants int
	// FiguresEvery is how often one worker of the fleet looks at the streams;
	// default 15 s.
	FiguresEvery time.Duration
	// Traces says where traces go; no endpoint: nowhere. Version, Instance and
	// OnError are the worker's own.
	Traces telemetry.TraceConfig
	// LimitMemory has Go's collector keep this process to what a worker means to
	// take, unless GOMEMLIMIT says otherwise: for a process that is nothing else.
	LimitMemory bool
	Version     string
	Logger      *zap.Logger
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
		errs = append(errs, c.Secrets.Validate())
	}
	if c.RequestTimeout > c.MainLaneMax {
		errs = append(errs, fmt.Errorf("request-timeout: %s is more than main-lane-max, %s; no request may outlive its record's stay", c.RequestTimeout, c.MainLaneMax))
	}
	return errors.Join(append(errs, c.checkAdmin(), c.Traces.Validate())...)
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
	traces  *telemetry.Traces
	nats    atomic.Pointer[queue.Conn] // conn, for the metrics, which are served before it is made

	conn       *queue.Conn
	files      destinations
	followers  followers
	asker      pipeline.Asker // nil: the files hold all that there is
	board      *fleet.Board
	letters    *deadletter.Writer
	scrub      *scrub.Service
	memory     memoryLimit
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
	metrics := w.instruments()
	if err := w.startTraces(); err != nil {
		return err
	}
	if err := errors.Join(w.listen(), w.profiles()); err != nil {
		return err
	}
	if err := w.openFiles(); err != nil {
		return err
	}

	var err error
	nats := c.NATS
	nats.Name, nats.Wait, nats.Logger = "hogcast worker "+c.Name, true, w.log
	if w.conn, err = queue.Connect(ctx, nats); err != nil {
		return err
	}
	w.nats.Store(w.conn)
	w.onStop("nats", w.conn.Close)
	if err := w.awaitSetUp(ctx); err != nil {
		return err
	}

	w.board = fleet.New(fleet.Params{
		Conn: w.conn, Worker: c.Name, Version: c.Version, ProbeLimit: c.MainLaneMax, Logger: w.log,
		Blocked: func(match func(*destination.Destination) bool) { w.dispatcher.Release(match) },
		Moved:   func(from, to health.State) { metrics.StateChanges.WithLabelValues(string(from), string(to)).Inc() },
	})
	w.letters = w.letterWriter(metrics)
	w.scrub = scrub.New(scrub.Params{Conn: w.conn, Registry: w, Letters: w.letters, Worker: c.Name, Speaks: w.board.Speaks, Logger: w.log})
	if err := w.openBucket(ctx); err != nil {
		return err
	}
	w.follow()
	if err := w.awaitDestinations(ctx); err != nil {
		return err
	}

	w.sender, err = posthog.NewSender(posthog.Config{
		RequestTimeout: c.RequestTimeout, EgressAllow: c.EgressAllow,
		EgressProxy: c.EgressProxy, EgressProxyResolves: c.EgressProxyResolves,
		UserAgent: "hogcast/" + c.Version, OnAttempt: newAttempts(metrics, w.traces, w.log).made,
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
	if w.dispatcher, err = delivery.New(deliveryConfig, w.withTraces(w.sender)); err != nil {
		return err
	}
	w.consumer, err = queue.NewConsumer(queue.ConsumerConfig{
		Conn: w.conn, Window: window, Hold: func() bool { return w.handler.Stuck() || w.board.Ours() }, Logger: w.log,
		Name: w.board.Me(), Living: w.board.Living,
	})
	if err != nil {
		return err
	}
	quota := held.NewQuota(w.board.Workers, w.log)
	w.handler = pipeline.New(pipeline.Params{
		Registry: w.files, Asker: w.asker, Health: w.board, Deliverer: w.dispatcher, Settler: w.consumer, Metrics: metrics, Traces: w.traces,
		Parker: held.NewParker(w.conn, w.waker, quota), Letters: w.letters,
		Worker: c.Name, MainLaneMax: c.MainLaneMax, Logger: w.log,
	})
	w.keeper = held.NewKeeper(held.Params{
		Worker: c.Name, Conn: w.conn, Hand: w.consumer.Hand, Window: window.Part(c.Window * drainShare / 100),
		Registry: w.files, Board: w.board, Deliverer: w.handler.HeldBranches(w.conn), Waker: w.waker, Quota: quota,
		HoldMax: c.HoldMax, Logger: w.log,
	})
	w.gauges(window)
	figures := newSurvey(w)
	w.background("board", w.board.Run)
	w.background("figures", figures.run)
	w.background("scrub", w.scrub.Run)
	known, cancel := context.WithTimeout(ctx, boardWait)
	defer cancel()
	w.board.CaughtUp(known)
	w.board.Changed(w.files.Current())
	return nil
}

// letterWriter writes dead letters, and tells of those that make room.
func (w *worker) letterWriter(metrics *telemetry.Metrics) *deadletter.Writer {
	letters := deadletter.NewWriter(w.conn, int(w.conn.NATS.MaxPayload()))
	letters.OnDiscard(func(d deadletter.Discard) {
		metrics.Discarded.Inc()
		w.log.Warn("a dead letter was discarded to make room for a newer one", zap.String("tenant", d.Tenant),
			zap.String("destination", d.Destination), zap.String("reason", d.Reason), zap.Uint64("sequence", d.Sequence))
	})
	return letters
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
	w.log.Info("consuming", zap.String("version", w.config.Version))
	w.readiness.unready = w.unready
	w.readiness.started.Store(true)
	// At once: the last pulls stay open for two seconds more.
	context.AfterFunc(ctx, func() { w.readiness.draining.Store(true) })
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

// unready says why nothing, or not everything, is being consumed; or "".
func (w *worker) unready() string {
	if w.handler.Stuck() {
		return "nothing is fetched: branches can be stored neither as held work nor as dead letters"
	}
	return w.consumer.Unready()
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
