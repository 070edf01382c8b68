// Command bars measures what hogcast promises about speed, fairness and memory:
// with real processes, over the wire, a healthy run and a broken one beside each
// other. It stands outside the layers and knows of hogcast what an operator
// knows: commands, flags, streams and destinations. It publishes the records and
// is itself the PostHog that takes them, so one clock stamps both ends.
//
//	go run ./test/bars SCENARIO [flags]
//
// docs/bars.md says how each figure comes about. The rig owns all processes and
// goroutines of a run.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/alecthomas/kong"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bars:", err)
		os.Exit(1) //nolint:forbidigo // this is a main
	}
}

var errFailed = errors.New("not all bars passed")

func run(ctx context.Context, args []string, stdout, progress io.Writer) error {
	h := harness{stdout: stdout, progress: progress}
	parser, err := kong.New(&h.options, kong.Name("bars"), kong.Description("Measures hogcast's bars; see docs/bars.md."))
	if err != nil {
		return fmt.Errorf("command line: %w", err)
	}
	if _, err := parser.Parse(args); err != nil {
		return fmt.Errorf("command line: %w", err)
	}
	if h.dir, err = os.MkdirTemp(h.options.Dir, "hogcast-bars-"); err != nil {
		return fmt.Errorf("temporary folder: %w", err)
	}
	if h.options.Keep {
		fmt.Fprintln(progress, "streams and logs are in", h.dir)
	} else {
		defer func() { _ = os.RemoveAll(h.dir) }()
	}
	if h.programs, err = build(ctx, h.options.Source, h.dir); err != nil {
		return err
	}
	h.commit = given(h.options.Label, commit(ctx, h.options.Source))
	return h.measureAll(ctx)
}

// harness is one run of the command.
type harness struct {
	options          options
	programs         programs
	dir              string
	commit           string // or what the command line calls it
	stdout, progress io.Writer
}

// measureAll measures what was asked for. A scenario that fails does not keep
// the rest from being measured.
func (h *harness) measureAll(ctx context.Context) error {
	names := []string{h.options.Scenario}
	if h.options.Scenario == "all" {
		names = scenarioNames()
	}
	var errs []error
	for _, name := range names {
		if err := h.measure(ctx, name); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", name, err))
		}
		if ctx.Err() != nil {
			break
		}
	}
	return errors.Join(errs...)
}

// measure runs a scenario's rounds, each on a rig of its own, and tells the
// result.
func (h *harness) measure(ctx context.Context, name string) error {
	var rounds []*result
	for n := range max(h.options.Rounds, 1) {
		fmt.Fprintf(h.progress, "\n%s, round %d\n", name, n+1)
		r := newResult(name, h.commit, h.options.Quick)
		if err := h.round(ctx, filepath.Join(h.dir, fmt.Sprintf("%s-%d", name, n+1)), r); err != nil {
			return err
		}
		rounds = append(rounds, r)
	}
	r := medians(rounds)
	if err := r.write(h.stdout); err != nil {
		return err
	}
	if h.options.Append != "" {
		if err := r.appendRow(h.options.Append); err != nil {
			return err
		}
	}
	if !r.passed() {
		return errFailed
	}
	return nil
}

func (h *harness) round(ctx context.Context, dir string, r *result) error {
	if err := os.Mkdir(dir, 0o700); err != nil {
		return fmt.Errorf("folder of a round: %w", err)
	}
	s := h.options.scenario(r.Scenario)
	on, err := newRig(ctx, rigParams{h.options, h.programs, dir, s.tenants, h.progress})
	if err != nil {
		return err
	}
	defer on.close()
	err = s.run(ctx, on, r)
	on.conserve(r)
	if h.options.Keep {
		return errors.Join(err, on.sampler.save(filepath.Join(dir, "samples.csv")))
	}
	on.close()
	return errors.Join(err, os.RemoveAll(filepath.Join(dir, "jetstream")))
}

// conserve adds what every scenario has to hold.
func (r *rig) conserve(to *result) {
	t, last := r.ledger.totals(), r.sampler.last()
	to.atMost("records lost", float64(t.published-t.accepted), 0, "")
	to.atMost("events invented", float64(t.wrong), 0, "")
	to.atMost("dead letters", float64(last.letters), 0, "")
	to.figure("", "records", float64(t.published))
	to.figure("", "copies", float64(t.copies))
	to.figure("", "requests refused", float64(r.sink.refused.Load()))
	to.figure("", "requests not understood", float64(r.sink.unexpected.Load()))
	to.figure("MB", "nats-server at the end", megabytes(last.nats.rss))
	to.figure("ms", "publisher late, at most", r.publisher.late.Seconds()*1000)
}
