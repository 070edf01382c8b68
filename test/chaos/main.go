// Command chaos is the conservation test: it runs the real programs against a
// cluster of NATS processes and PostHog's stand-in, breaks whatever can break
// by a schedule drawn from a seed, and then asks of every record that was
// acknowledged where it is. See docs/chaos.md. It stands beside the layers.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/hogcast/hogcast/test/chaos/netns"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	code := command(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code) //nolint:forbidigo // main exits
}

// Exit codes: what hogcast does wrong, and what the harness could not do.
const (
	codeFailed  = 1
	codeTrouble = 2
)

// options are the command line.
type options struct {
	settings
	runs    int
	list    string // file that rows are appended to
	seeds   string // file of seeds
	budget  time.Duration
	race    bool
	verbose bool
	flags   string
}

func parse(args []string, stderr io.Writer) (*options, error) {
	o := &options{}
	f := flag.NewFlagSet("chaos", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.Uint64Var(&o.seed, "seed", 0, "seed of the first run; 0 draws one, further runs draw theirs from it")
	f.IntVar(&o.runs, "runs", 1, "runs in sequence")
	f.DurationVar(&o.duration, "duration", time.Minute, "time of faults in a run")
	f.DurationVar(&o.bound, "drain", 3*time.Minute, "time to drain after the faults, at most")
	f.DurationVar(&o.ackWait, "ack-wait", 40*time.Second, "ack_wait of the workers' consumer; 0 leaves it as set up")
	f.IntVar(&o.rate, "rate", 400, "records a second")
	f.IntVar(&o.workers, "workers", 3, "worker processes")
	f.IntVar(&o.nodes, "nodes", 3, "NATS processes, and replicas")
	f.IntVar(&o.shards, "shards", 1, "streams that generation records are spread over")
	f.BoolVar(&o.net, "net", false, "each NATS node, with a worker and a publisher, on a host of its own: a network namespace, with\n"+
		"a disk that can be filled; and faults of hosts. Takes Linux, root, ip (iproute2) and nft (nftables)")
	f.StringVar(&o.flags, "worker-flags", "--main-lane-max 6s --request-timeout 4s", "more flags for the workers")
	f.StringVar(&o.list, "append", "", "append a row for each run to this file")
	f.StringVar(&o.seeds, "seeds", "", "take the seeds from this file")
	f.DurationVar(&o.budget, "budget", 0, "with -seeds: begin no further run that would not end within this; 0 runs all")
	f.BoolVar(&o.race, "race", false, "build the workers with the race detector")
	f.BoolVar(&o.keep, "keep", false, "keep logs and stores of runs that pass, too")
	f.BoolVar(&o.verbose, "v", false, "print each step")
	if err := f.Parse(args); err != nil {
		return nil, err
	}
	o.args = strings.Fields(o.flags)
	return o, nil
}

func command(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	o, err := parse(args, stderr)
	if err != nil {
		return codeTrouble
	}
	o.tell = func(string, ...any) {}
	if o.verbose {
		began := time.Now()
		o.tell = func(format string, args ...any) {
			fmt.Fprintf(stderr, "%6.1f %s\n", time.Since(began).Seconds(), fmt.Sprintf(format, args...))
		}
	}
	if o.net && !netns.Inside() {
		code, err := reenter(ctx, o.race, netns.Again{Args: args, Stdout: stdout, Stderr: stderr})
		if err != nil {
			fmt.Fprintln(stderr, "chaos:", err)
			return codeTrouble
		}
		return code
	}
	failed, err := o.runAll(ctx, stdout)
	switch {
	case err != nil:
		fmt.Fprintln(stderr, "chaos:", err)
		return codeTrouble
	case failed > 0:
		return codeFailed
	}
	return 0
}

// runAll performs the runs one after the other, and counts those that failed.
func (o *options) runAll(ctx context.Context, stdout io.Writer) (failed int, err error) {
	seeds, err := o.drawSeeds(time.Now())
	if err != nil {
		return 0, err
	}
	began := time.Now()
	bin, err := build(ctx, o.race)
	if err != nil {
		return 0, err
	}
	defer bin.remove()
	commit := bin.commit(ctx)
	on, err := openSite(o.settings)
	if err != nil {
		return 0, err
	}
	defer on.close()
	for i, seed := range seeds {
		if spent := time.Since(began); o.budget > 0 && i > 0 && spent+spent/time.Duration(i) > o.budget {
			fmt.Fprintf(stdout, "no time for %d more seeds of %s\n", len(seeds)-i, o.seeds)
			break
		}
		s := o.settings
		s.seed = seed
		fmt.Fprintf(stdout, "seed %d, %s of faults …\n", seed, s.duration)
		result, err := perform(ctx, bin, on, s)
		if err != nil {
			return failed, fmt.Errorf("seed %d: %w", seed, err)
		}
		result.print(stdout)
		if !result.passed() {
			failed++
		}
		if o.list != "" {
			if err := appendRow(o.list, result.row(commit)); err != nil {
				return failed, err
			}
		}
	}
	if len(seeds) > 1 {
		fmt.Fprintf(stdout, "%d of %d runs failed\n", failed, len(seeds))
	}
	return failed, nil
}

// drawSeeds lists the seeds to run: those of the file, begun with another each
// day so that a budget leaves none out for ever; else as many as asked for.
func (o *options) drawSeeds(today time.Time) ([]uint64, error) {
	if o.seeds != "" {
		data, err := os.ReadFile(o.seeds)
		if err != nil {
			return nil, fmt.Errorf("reading seeds: %w", err)
		}
		seeds, err := parseSeeds(string(data))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", o.seeds, err)
		}
		first := today.YearDay() % len(seeds)
		return append(seeds[first:len(seeds):len(seeds)], seeds[:first]...), nil
	}
	seed := o.seed
	if seed == 0 {
		seed = rand.Uint64N(1_000_000) + 1
	}
	seeds := []uint64{seed}
	for rng := rand.New(rand.NewPCG(seed, 0)); len(seeds) < o.runs; {
		seeds = append(seeds, rng.Uint64N(1_000_000)+1)
	}
	return seeds, nil
}

// parseSeeds reads a seed a line; what follows a # says why it is there.
func parseSeeds(text string) ([]uint64, error) {
	var seeds []uint64
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, "#")
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		var seed uint64
		if _, err := fmt.Sscan(line, &seed); err != nil || seed == 0 {
			return nil, fmt.Errorf("%q is no seed", line)
		}
		seeds = append(seeds, seed)
	}
	if len(seeds) == 0 {
		return nil, errors.New("no seed in it")
	}
	return seeds, nil
}
