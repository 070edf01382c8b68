package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/hogcast/hogcast/pkg/app"
	"github.com/hogcast/hogcast/pkg/audit"
	"github.com/hogcast/hogcast/pkg/config"
	"github.com/hogcast/hogcast/pkg/deadletter"
	"github.com/hogcast/hogcast/pkg/destination"
	"github.com/hogcast/hogcast/pkg/queue"
	"github.com/hogcast/hogcast/pkg/registry"
	"github.com/hogcast/hogcast/pkg/replay"
)

type replayCommand struct {
	Start  replayStart  `cmd:"" default:"withargs" help:"Try dead letters again; this is what hogcast replay does."`
	Status replayStatus `cmd:"" help:"Show the replays, or all of one."`
	Pause  replayPause  `cmd:"" help:"Pause a replay, wherever it runs."`
	Resume replayResume `cmd:"" help:"Go on here with a replay that is paused, or whose runner is gone."`
	Cancel replayCancel `cmd:"" help:"End a replay; what it has not replayed yet stays."`
}

// Examples are shown in the help.
func (*replayCommand) Examples() string {
	return `hogcast replay --tenant acme --reason dropped --dry-run
hogcast replay --tenant acme --reason dropped
hogcast replay start --help                      # all that can be said`
}

// Exit codes of replays beside the usual.
const (
	exitStay    = 3 // done, but some letters stay
	exitStopped = 4 // paused or cancelled before it was done
)

// replayRun is what running a job needs.
type replayRun struct {
	bucketFlags  `embed:""`
	who          `embed:""`
	Destinations string `placeholder:"FILE|DIR" help:"Destinations, where workers have them in files: needed to route letters of no destination anew, and for --to. Default: those of the bucket."`
	Quiet        bool   `short:"q" help:"No progress."`

	tenant string // whose letters it is about; "": anybody's, or not known here
}

type replayStart struct {
	replayRun `embed:""`
	Filter    deadFilter `embed:""`

	All    bool    `env:"-" help:"Every dead letter; needed where nothing else chooses."`
	DryRun bool    `env:"-" help:"Show what would be replayed and how long it would take, and do nothing."`
	Rate   float64 `default:"500" help:"Letters a second; 0 for no limit."`
	To     string  `env:"-" placeholder:"NAME" help:"Another destination of the same tenant; the letters stay, unless --move is given."`
	Move   bool    `env:"-" help:"With --to: delete each letter when it is with the other destination."`
}

// Help is shown below the command's synopsis.
func (*replayStart) Help() string {
	return `Letters go back to their destinations through the held lane, below live traffic, with the same uuid and timestamp; each is deleted when it is held again. ` +
		`Letters of no destination (malformed, no_destination) are routed anew to all who want them. A replay fills at most half of a destination's held quota, and then waits. ` +
		`Ctrl-C pauses it. Exit codes: 0 done, 3 done but some letters stay, 4 paused or cancelled, 1 failed, 2 usage.`
}

// Examples are shown in the help.
func (*replayStart) Examples() string {
	return `hogcast replay --tenant acme --reason dropped --dry-run
hogcast replay --tenant acme --reason dropped --rate 200
hogcast replay --destination _ --destinations destinations.yaml    # routed anew
hogcast replay --tenant acme --destination old --to new --move --destinations destinations.yaml`
}

// Run replays, or shows what would be.
func (c *replayStart) Run(ctx context.Context, system *config.System, sources *config.Sources) error {
	spec, err := c.spec()
	if err != nil {
		return err
	}
	c.tenant = spec.Filter.Tenant
	return c.with(ctx, system, sources, audit.ReplayStarted, func(r *runner) error {
		if spec.To != "" && r.Destinations == nil {
			return config.Usagef("--to: another destination has privacy rules of its own; give --destinations, since the bucket holds none")
		}
		if c.DryRun {
			survey, err := r.Survey(ctx, spec)
			if err != nil {
				return err
			}
			return survey.Write(system.Stdout, spec.Rate)
		}
		job, err := r.Start(ctx, spec)
		return r.report(ctx, job, err)
	})
}

func (c *replayStart) spec() (replay.Spec, error) {
	filter, err := c.Filter.filter()
	if err != nil {
		return replay.Spec{}, err
	}
	if filter.Empty() && !c.All {
		return replay.Spec{}, config.Usagef("say which letters: a filter such as --tenant or --reason, or --all")
	}
	spec := replay.Spec{Filter: filter, To: c.To, Move: c.Move, Rate: c.Rate}
	if err := spec.Validate(); err != nil {
		return spec, &config.UsageError{Err: err}
	}
	return spec, nil
}

type replayResume struct {
	replayRun `embed:""`
	ID        string `arg:"" help:"The replay, as hogcast replay status shows it."`
}

// Examples are shown in the help.
func (*replayResume) Examples() string { return "hogcast replay resume 20260102-150405-3f9a1c" }

// Run goes on with a job here.
func (c *replayResume) Run(ctx context.Context, system *config.System, sources *config.Sources) error {
	return c.with(ctx, system, sources, audit.ReplayResumed, func(r *runner) error {
		job, err := r.Resume(ctx, c.ID)
		return r.report(ctx, job, err)
	})
}

// runner runs a job for people.
type runner struct {
	*replay.Runner
	system *config.System
	bar    *progress
	deeds  deeds
}

func (c *replayRun) with(ctx context.Context, system *config.System, sources *config.Sources, begun audit.Action, use func(*runner) error) error {
	by, err := c.check(system)
	if err != nil {
		return err
	}
	set, err := c.destinations()
	if err != nil {
		return err
	}
	return withConn(ctx, c.NATS, sources, func(conn *queue.Conn) error {
		if set == nil {
			if set, err = c.inBucket(ctx, system, conn); err != nil {
				return err
			}
		}
		r, err := c.runner(ctx, system, conn, set)
		if err == nil {
			r.deeds = deeds{conn: conn, by: by, system: system}
			tell := r.Started
			r.Started = func(j replay.Job) {
				tell(j)
				r.deeds.note(ctx, aboutJob(begun, j))
			}
		}
		if err == nil {
			err = use(r)
		}
		return told("replay", err)
	})
}

// told says what failed, unless the error is only an exit code.
func told(what string, err error) error {
	if _, ok := errors.AsType[*config.ExitError](err); ok || err == nil {
		return err
	}
	return fmt.Errorf("%s: %w", what, err)
}

func (c *replayRun) destinations() (*destination.Set, error) {
	if c.Destinations == "" {
		return nil, nil //nolint:nilnil // none are known
	}
	loaded, err := registry.Load(c.Destinations)
	if err != nil {
		return nil, config.Usagef("--destinations: %w", err)
	}
	if len(loaded.Problems) > 0 {
		// A worker goes on without a bad entry. Here that would take letters
		// for unwanted that its destination wants.
		return nil, config.Usagef("--destinations: %w", loaded.Problems[0])
	}
	return destination.NewSet(loaded.Destinations), nil
}

// inBucket are the destinations in the bucket; nil where it holds none. Of a bad
// one nobody knows what it wants, and without its key users would be hashed as
// nowhere else: letters that it may want stay, those of other tenants don't.
func (c *replayRun) inBucket(ctx context.Context, system *config.System, conn *queue.Conn) (*destination.Set, error) {
	secrets, err := app.SecretsOf(c.Secrets)
	if err != nil {
		return nil, err
	}
	store, err := registry.OpenStore(ctx, registry.StoreParams{Conn: conn, Keys: secrets.Keys})
	if err != nil {
		return nil, err
	}
	set, bad, err := store.Replayable(ctx)
	for _, one := range bad {
		if c.tenant == "" || one.ID.Tenant == "" || one.ID.Tenant == c.tenant {
			fmt.Fprintf(system.Stderr, "warning: %s; letters that it may want stay: mend it, give the master keys (--secrets-key-file), or --destinations\n",
				strings.ReplaceAll(one.Problem.Error(), "\n", "; "))
		}
	}
	return set, err
}

func (c *replayRun) runner(ctx context.Context, system *config.System, conn *queue.Conn, set *destination.Set) (*runner, error) {
	jobs, err := openJobs(ctx, conn)
	if err != nil {
		return nil, err
	}
	held, err := conn.Store(ctx, queue.StreamHeld)
	if err != nil {
		return nil, err
	}
	state, err := held.State(ctx)
	if err != nil {
		return nil, err
	}
	bar := newProgress(system, c.Quiet, "replaying")
	return &runner{system: system, bar: bar, Runner: replay.NewRunner(replay.Params{
		Letters: deadletter.NewReader(conn), Held: conn, Jobs: jobs, Name: runnerName(),
		Destinations: set, HeldQuota: state.PerSubject, MaxPayload: int(conn.NATS.MaxPayload()),
		Started: func(j replay.Job) {
			bar.say(fmt.Sprintf("job %s: %s; Ctrl-C pauses it", j.ID, replay.CountLetters(j.Total)))
			bar.total(j.Total)
		},
		Progress: func(done, _ uint64) { bar.set(int64(done)) }, //nolint:gosec // no stream has 2⁶³ messages
		Notice:   bar.say,
	})}, nil
}

func openJobs(ctx context.Context, conn *queue.Conn) (*replay.Jobs, error) {
	bucket, err := conn.Bucket(ctx, queue.BucketJobs)
	if err != nil {
		return nil, err
	}
	return replay.NewJobs(bucket, 0), nil
}

// runnerName is for people, and no other process has it.
func runnerName() string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	var random [4]byte
	_, _ = rand.Read(random[:]) // never fails
	return fmt.Sprintf("%s/%d/%s", host, os.Getpid(), hex.EncodeToString(random[:]))
}

// report tells what became of a job, and makes it the exit code.
func (r *runner) report(ctx context.Context, job replay.Job, err error) error {
	r.bar.end()
	switch {
	case errors.Is(err, replay.ErrNothing):
		_, err := fmt.Fprintln(r.system.Stdout, replay.ErrNothing)
		return err
	case err != nil:
		return err
	}
	if job.State == replay.Paused && ctx.Err() != nil { // by a signal; others note what they ask for
		r.deeds.note(ctx, aboutJob(audit.ReplayPaused, job))
	}
	if err := replay.Summary(r.system.Stdout, job); err != nil {
		return err
	}
	switch {
	case job.State != replay.Done:
		return &config.ExitError{Code: exitStopped}
	case len(job.Tally.Skipped) > 0:
		return &config.ExitError{Code: exitStay}
	}
	return nil
}

type replayStatus struct {
	NATS config.NATS `embed:"" prefix:"nats-" group:"NATS:"`

	JSON bool   `name:"json" help:"A line of JSON for each."`
	ID   string `arg:"" optional:"" help:"One replay; all of them where it is left out."`
}

// Examples are shown in the help.
func (*replayStatus) Examples() string {
	return `hogcast replay status
hogcast replay status 20260102-150405-3f9a1c`
}

// Run shows jobs.
func (c *replayStatus) Run(ctx context.Context, system *config.System, sources *config.Sources) error {
	return withConn(ctx, c.NATS, sources, func(conn *queue.Conn) error {
		jobs, err := openJobs(ctx, conn)
		if err != nil {
			return err
		}
		all, err := c.find(ctx, jobs)
		switch {
		case err != nil:
			return fmt.Errorf("replay: %w", err)
		case c.JSON:
			for _, j := range all {
				if err := json.NewEncoder(system.Stdout).Encode(j); err != nil {
					return err
				}
			}
			return nil
		case c.ID != "":
			return replay.WriteJob(system.Stdout, all[0], time.Now(), jobs.Lease())
		}
		return replay.WriteJobs(system.Stdout, all, time.Now(), jobs.Lease())
	})
}

func (c *replayStatus) find(ctx context.Context, jobs *replay.Jobs) ([]replay.Job, error) {
	if c.ID == "" {
		return jobs.List(ctx)
	}
	job, err := jobs.Get(ctx, c.ID)
	return []replay.Job{job}, err
}

// replayAsk is what pause and cancel share.
type replayAsk struct {
	NATS config.NATS `embed:"" prefix:"nats-" group:"NATS:"`
	who  `embed:""`
	ID   string `arg:"" help:"The replay, as hogcast replay status shows it."`
}

func (c *replayAsk) ask(ctx context.Context, system *config.System, sources *config.Sources, wish replay.Wish) error {
	by, err := c.check(system)
	if err != nil {
		return err
	}
	return withConn(ctx, c.NATS, sources, func(conn *queue.Conn) error {
		jobs, err := openJobs(ctx, conn)
		if err != nil {
			return err
		}
		job, err := jobs.Ask(ctx, c.ID, wish)
		if err != nil {
			return fmt.Errorf("replay: %w", err)
		}
		action := audit.ReplayPaused
		if wish == replay.Cancel {
			action = audit.ReplayCancelled
		}
		deeds{conn: conn, by: by, system: system}.note(ctx, aboutJob(action, job))
		return replay.Summary(system.Stdout, job)
	})
}

type replayPause struct {
	replayAsk `embed:""`
}

// Examples are shown in the help.
func (*replayPause) Examples() string { return "hogcast replay pause 20260102-150405-3f9a1c" }

// Run asks the job's runner to pause, and waits until it has.
func (c *replayPause) Run(ctx context.Context, system *config.System, sources *config.Sources) error {
	return c.ask(ctx, system, sources, replay.Pause)
}

type replayCancel struct {
	replayAsk `embed:""`
}

// Examples are shown in the help.
func (*replayCancel) Examples() string { return "hogcast replay cancel 20260102-150405-3f9a1c" }

// Run asks the job's runner to end, and waits until it has.
func (c *replayCancel) Run(ctx context.Context, system *config.System, sources *config.Sources) error {
	return c.ask(ctx, system, sources, replay.Cancel)
}
