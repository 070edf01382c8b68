// Package config is the one way of configuration of hogcast's binaries: flags,
// then HOGCAST_* environment, then a YAML file, then defaults, one name each:
// --nats-url, HOGCAST_NATS_URL, `nats: {url: …}`.
//
// It stands beside the layers and imports third parties and the standard
// library only. Its one goroutine is SignalContext's, ended by the stop
// function that SignalContext returns.
package config

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
)

// EnvPrefix begins the name of every environment variable of hogcast's.
const EnvPrefix = "HOGCAST"

// Program describes one binary.
type Program struct {
	Name        string // as typed, such as worker
	Description string // one sentence
	Version     string // default devel
	Examples    string // of the whole program, one command line a line
	// CLI points to a kong struct whose commands have a method Run. Run's
	// parameters are bound by type: context.Context, *System, *Sources, and
	// what Bind holds. Commands may have Examples() string. Flags that are
	// tagged `env:"-"` exist on the command line alone; an env tag replaces
	// the derived name. Flags of a map type are refused.
	CLI any
	// Bind holds further values for Run, bound by their concrete types.
	Bind []any
}

// System is what a program sees of the machine. Missing streams are empty.
type System struct {
	Args   []string // without the program's name
	Env    []string // KEY=VALUE; an empty value counts as not set
	Stdin  io.Reader
	Stdout io.Writer
	Stderr io.Writer
}

// OS is the real system.
func OS() System {
	return System{Args: os.Args[1:], Env: os.Environ(), Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr}
}

// Run parses, configures and runs the chosen command with ctx, and returns the
// exit code: 0 well, 1 the command failed, 2 usage or configuration; an
// ExitCoder among the command's errors chooses its own. It never exits the
// process, and it reports errors on Stderr itself, without secrets.
func Run(ctx context.Context, p Program, s System) int {
	s = s.withDefaults()
	ps, err := newParser(p, s)
	if err != nil {
		fmt.Fprintf(s.Stderr, "error: building %s: %v\n", p.Name, err)
		return ExitUsage
	}
	return ps.run(ctx)
}

func (s System) withDefaults() System {
	if s.Stdin == nil {
		s.Stdin = eof{}
	}
	if s.Stdout == nil {
		s.Stdout = io.Discard
	}
	if s.Stderr == nil {
		s.Stderr = io.Discard
	}
	return s
}

type eof struct{}

func (eof) Read([]byte) (int, error) { return 0, io.EOF }

func (ps *parser) run(ctx context.Context) int {
	kctx, err := ps.kong.Parse(ps.system.Args)
	if err != nil {
		return ps.stopped(err)
	}
	ps.warnUnknownEnv()
	if ps.globals.PrintConfig {
		fmt.Fprint(ps.system.Stdout, ps.effective(kctx))
		return ExitOK
	}
	kctx.BindTo(ctx, (*context.Context)(nil))
	kctx.Bind(&ps.system, ps.sources(kctx))
	kctx.Bind(ps.program.Bind...)
	return ps.finished(kctx, kctx.Run())
}

// stopped handles what ended the parsing: help and version, which kong knows
// as errors, and real ones.
func (ps *parser) stopped(err error) int {
	kctx := contextOf(err)
	switch {
	case errors.Is(err, errVersion):
		fmt.Fprintf(ps.system.Stdout, "%s %s\n", ps.program.Name, ps.program.Version)
		return ExitOK
	case errors.Is(err, errHelp) && kctx != nil:
		if err := kctx.PrintUsage(false); err != nil {
			return ps.report(err, ExitFailed)
		}
		return ExitOK
	}
	if at, ok := errors.AsType[*originError](err); ok {
		err = at
	}
	return ps.reportUsage(kctx, err)
}
