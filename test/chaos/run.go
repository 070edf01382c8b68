package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/hogcast/hogcast/pkg/queue"
	"github.com/hogcast/hogcast/pkg/sandbox"
	"github.com/hogcast/hogcast/test/chaos/load"
	"github.com/hogcast/hogcast/test/chaos/oracle"
	"github.com/hogcast/hogcast/test/chaos/plan"
)

// settings of a run.
type settings struct {
	seed     uint64
	duration time.Duration // of the faults
	bound    time.Duration // of the time to drain after them
	ackWait  time.Duration // of the workers' consumer; 0 leaves it
	rate     int           // records a second
	workers  int
	nodes    int
	shards   int      // of the generation stream
	net      bool     // each node on a host of its own
	args     []string // more flags for the workers
	keep     bool     // logs and stores, also of runs that pass
	tell     func(format string, args ...any)
}

// run is one run: everything that is started for it, from the bottom up.
//
//	5 publishers ──records──▶ 2 three NATS nodes ◀──▶ 4 workers ──events──▶ 3 sandboxes
//	                              ▲                     ▲  ▲                  ▲   │
//	6 player ──faults─────────────┴─────────────────────┘  └─ 1 destinations  │   │
//	    └─────────────────────────────────────────────────────faults──────────┘   │
//	7 oracle ◀──intended, acked (5) · letters (2) · taken ────────────────────────┘
type run struct {
	settings
	bin  *binaries
	site *site
	dir  string
	kept bool // its folder, with the stores

	load      *load.Load
	oracle    *oracle.Oracle
	files     *destinationsFile
	cluster   *cluster
	sandboxes []*sandbox.Server
	fleet     *fleet
	js        jetstream.JetStream
	player    *player
	steps     []plan.Step

	stops []func() // in order of construction; run in reverse
}

// result is what a run came to.
type result struct {
	settings
	began   time.Time
	took    time.Duration
	drained bool
	drainIn time.Duration
	left    backlog
	where   []leftover
	verdict *oracle.Verdict
	verbs   map[plan.Verb]int
	skipped map[plan.Verb]int
	// restarted nodes: those that a full disk had turned JetStream off at.
	restarted int
	troubles  []error // of the harness
	dir       string  // "" where nothing was kept
}

func (r *result) passed() bool { return r.verdict.Passed() }

// perform performs one run. An error says that the harness could not do its
// work; what hogcast did wrong is in the result.
func perform(ctx context.Context, bin *binaries, on *site, s settings) (*result, error) {
	r := &run{settings: s, bin: bin, site: on, kept: true}
	began := time.Now()
	out := &result{settings: s, began: began}
	defer r.stopAll()
	if err := r.start(ctx); err != nil {
		return nil, fmt.Errorf("%w (logs in %s)", err, r.dir)
	}
	if err := r.storm(ctx, out); err != nil {
		return nil, fmt.Errorf("%w (logs in %s)", err, r.dir)
	}
	if err := r.judge(ctx, out); err != nil {
		return nil, fmt.Errorf("%w (logs in %s)", err, r.dir)
	}
	out.took = time.Since(began)
	out.dir = r.dir
	if out.passed() && !s.keep {
		r.stops[0] = func() { _ = os.RemoveAll(r.dir) }
		r.kept, out.dir = false, ""
	}
	return out, nil
}

func (r *run) onStop(stop func()) { r.stops = append(r.stops, stop) }

func (r *run) stopAll() {
	for len(r.stops) > 0 {
		last := r.stops[len(r.stops)-1]
		r.stops = r.stops[:len(r.stops)-1]
		last()
	}
}

// startWithin bounds the start, and the reading of what is left in the end;
// readyWithin is what a worker has to become ready that a late step restarted.
const (
	startWithin = 60 * time.Second
	readyWithin = 20 * time.Second
)

func (r *run) start(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startWithin)
	defer cancel()
	var err error
	if r.dir, err = os.MkdirTemp("", fmt.Sprintf("chaos-%d-", r.seed)); err != nil {
		return fmt.Errorf("starting: %w", err)
	}
	r.onStop(func() {}) // the folder's place, see perform
	r.load = load.New(r.seed, time.Now().Truncate(time.Second))
	r.oracle = oracle.New(r.load)
	if err := r.startSandboxes(); err != nil {
		return err
	}
	if err := r.startCluster(ctx); err != nil {
		return err
	}
	if err := r.startFleet(ctx); err != nil {
		return err
	}
	r.tell("all is started")
	r.steps = plan.Draw(r.seed, plan.Options{
		Duration: r.duration, Workers: r.workers, Nodes: r.nodes, Hosts: r.net, Destinations: r.load.Destinations(),
		Streams: append(generations(r.shards), queue.StreamHeld, queue.StreamHeldHosts, queue.StreamWakeups, queue.StreamDead),
	})
	return r.writeSchedule()
}

func (r *run) writeSchedule() error {
	var text []byte
	for _, s := range r.steps {
		text = fmt.Appendln(text, s)
	}
	if err := os.WriteFile(filepath.Join(r.dir, "schedule.txt"), text, 0o600); err != nil {
		return fmt.Errorf("writing the schedule: %w", err)
	}
	return nil
}

// startSandboxes starts the listeners, each on an address of its own: hosts
// are told apart.
func (r *run) startSandboxes() error {
	urls := make([]string, 0, load.Hosts)
	for i := range load.Hosts {
		s := sandbox.New(sandbox.Config{OnEvent: r.oracle.Taken, KeepNone: true, Strict: true})
		if err := s.Start(r.site.posthog(i)); err != nil {
			return err
		}
		r.onStop(func() { _ = s.Close() })
		r.sandboxes = append(r.sandboxes, s)
		urls = append(urls, s.URL())
	}
	var err error
	r.files, err = newDestinationsFile(r.dir, urls, r.load.Destinations())
	return err
}

func (r *run) startFleet(ctx context.Context) error {
	r.fleet = &fleet{
		bin: r.bin.path("worker"), dir: r.dir, site: r.site, cluster: r.cluster, files: r.files, report: r.oracle.Report,
		args: append([]string{
			"--destinations", r.files.path, "--egress-allow", r.site.egress(),
			"--log-format", "json",
		}, r.args...),
	}
	r.player.fleet = r.fleet
	r.onStop(r.fleet.stop)
	return r.fleet.start(ctx, r.workers)
}

// A calm time before the faults, with a burst that makes workers fetch in full:
// with nothing broken, a record that takes longer than calmBound has lost a
// lease somewhere.
const (
	calmTime  = 2 * time.Second
	calmBurst = 5 // times the rate
	calmBound = 10 * time.Second
)

// calm publishes while all is well, and sees that all is delivered at once.
func (r *run) calm(ctx context.Context, p gateways) error {
	p.setRate(calmBurst * r.rate)
	defer p.setRate(r.rate)
	publishing, enough := context.WithTimeout(ctx, calmTime)
	defer enough()
	if err := p.run(publishing, ctx); err != nil {
		return err
	}
	bounded, cancel := context.WithTimeout(ctx, calmBound)
	defer cancel()
	if left, ok := r.drain(bounded); !ok {
		r.oracle.Report("stuck", "all", "%s after %d records that nothing disturbed: %s", calmBound, p.made(), left)
	}
	return nil
}

// storm publishes while the faults play, ends both, and waits for rest.
func (r *run) storm(ctx context.Context, out *result) error {
	p := newGateways(r)
	if err := r.calm(ctx, p); err != nil {
		return err
	}
	watching, unwatch := context.WithCancel(ctx)
	faulty, calm := context.WithTimeout(ctx, r.duration)
	patience, impatient := context.WithTimeout(ctx, r.duration+r.bound/2)
	var working sync.WaitGroup
	defer working.Wait()
	defer unwatch()
	defer impatient()
	defer calm()
	working.Go(func() { r.fleet.watch(watching) })
	publishing := make(chan error, 1)
	go func() { publishing <- p.run(faulty, patience) }()
	r.player.play(faulty, r.steps)
	<-faulty.Done()
	if err := r.player.heal(); err != nil {
		return err
	}
	healed := time.Now()
	r.tell("faults are over")
	bounded, cancel := context.WithTimeout(ctx, r.bound)
	defer cancel()
	if err := <-publishing; err != nil {
		r.player.note(plan.Step{Verb: "publish"}, err)
	}
	out.left, out.drained = r.drain(bounded)
	out.drainIn = time.Since(healed)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return nil
}

// judge asks the oracle, once all has come to rest.
func (r *run) judge(ctx context.Context, out *result) error {
	ctx, cancel := context.WithTimeout(ctx, startWithin)
	defer cancel()
	if !out.drained {
		r.oracle.Report("not_drained", "all", "%s after the faults: %s", r.bound, out.left)
	}
	if err := r.fleet.readyWithin(ctx, readyWithin); err != nil {
		r.oracle.Report("not_ready", "all", "%s after all has come to rest: %v", readyWithin, err)
	}
	for _, died := range r.cluster.died() {
		r.player.errs = append(r.player.errs, fmt.Errorf("a node left by itself: %s", died))
	}
	if err := readLetters(ctx, r.js, r.oracle); err != nil {
		return err
	}
	r.fleet.inspect(append(r.keys(), load.Secret))
	verdict := r.oracle.Check()
	counted := 0
	for _, s := range r.sandboxes {
		counted += s.Count() + s.Duplicates()
	}
	r.oracle.Tally(verdict, counted)
	out.verdict, out.verbs, out.troubles = verdict, r.player.count, r.player.errs
	out.skipped, out.restarted = r.player.skipped, r.cluster.restarted
	if len(verdict.Missing) > 0 || !out.drained {
		out.where = r.search(ctx)
	}
	return nil
}

func (r *run) keys() []string {
	var keys []string
	for _, d := range r.load.Destinations() {
		keys = append(keys, d.Key)
	}
	return keys
}

// maxLeftovers bounds what is listed of each stream: about 0.3 ms each.
const maxLeftovers = 50_000

// search lists what is still in the streams, for what is missing.
func (r *run) search(ctx context.Context) []leftover {
	var all []leftover
	for _, name := range append(generations(r.shards), queue.StreamHeld, queue.StreamHeldHosts, queue.StreamWakeups) {
		some, err := leftovers(ctx, r.js, name, maxLeftovers)
		if err != nil && !errors.Is(err, context.Canceled) {
			r.player.errs = append(r.player.errs, err)
		}
		all = append(all, some...)
	}
	return all
}
