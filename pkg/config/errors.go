package config

import (
	"errors"
	"fmt"
	"strings"

	"github.com/alecthomas/kong"
)

// The exit codes of every binary.
const (
	ExitOK          = 0
	ExitFailed      = 1   // the command failed
	ExitUsage       = 2   // usage or configuration
	ExitInterrupted = 130 // left at once, on a second signal
)

// ExitCoder is an error of a command that has its own exit code.
type ExitCoder interface {
	error
	ExitCode() int
}

// ExitError ends the program with Code. Where Err is nil nothing is printed:
// for commands that have told what went wrong already.
type ExitError struct {
	Code int
	Err  error
}

// Error implements error.
func (e *ExitError) Error() string {
	if e.Err == nil {
		return fmt.Sprintf("exit code %d", e.Code)
	}
	return e.Err.Error()
}

// Unwrap returns Err.
func (e *ExitError) Unwrap() error { return e.Err }

// ExitCode implements ExitCoder.
func (e *ExitError) ExitCode() int { return e.Code }

// UsageError marks an error of a command as one of usage or configuration:
// exit code 2 and a pointer to --help.
type UsageError struct{ Err error }

// Usagef makes a UsageError.
func Usagef(format string, args ...any) error {
	return &UsageError{Err: fmt.Errorf(format, args...)}
}

// Error implements error.
func (e *UsageError) Error() string { return e.Err.Error() }

// Unwrap returns Err.
func (e *UsageError) Unwrap() error { return e.Err }

// ExitCode implements ExitCoder.
func (*UsageError) ExitCode() int { return ExitUsage }

// These end kong's parsing where a flag asks for something else.
var (
	errHelp    = errors.New("help")
	errVersion = errors.New("version")
)

// originError is a setting's error with the place where it was set.
type originError struct {
	origin Origin
	key    string // as written there; empty where the origin says it
	err    error
}

func (e *originError) Error() string {
	if e.key == "" {
		return fmt.Sprintf("%s: %v", e.origin, e.err)
	}
	return fmt.Sprintf("%s: %s: %v", e.origin, e.key, e.err)
}

func (e *originError) Unwrap() error { return e.err }

func contextOf(err error) *kong.Context {
	if parse, ok := errors.AsType[*kong.ParseError](err); ok {
		return parse.Context
	}
	return nil
}

// finished turns the command's error into the exit code.
func (ps *parser) finished(kctx *kong.Context, err error) int {
	if err == nil {
		return ExitOK
	}
	if usage, ok := errors.AsType[*UsageError](err); ok {
		return ps.reportUsage(kctx, usage)
	}
	code := ExitFailed
	if coder, ok := errors.AsType[ExitCoder](err); ok {
		code = coder.ExitCode()
	}
	if exit, ok := errors.AsType[*ExitError](err); ok && exit.Err == nil {
		return code
	}
	return ps.report(err, code)
}

func (ps *parser) reportUsage(kctx *kong.Context, err error) int {
	ps.report(err, ExitUsage)
	path := ps.program.Name
	if kctx != nil {
		if cmd := kctx.Selected(); cmd != nil {
			path = cmd.FullPath()
		}
	}
	fmt.Fprintf(ps.system.Stderr, "run \"%s --help\" for usage\n", path)
	return ExitUsage
}

// report prints the error on one line, whatever it holds.
func (ps *parser) report(err error, code int) int {
	text := strings.Join(strings.FieldsFunc(err.Error(), func(r rune) bool { return r == '\n' || r == '\r' }), "; ")
	fmt.Fprintf(ps.system.Stderr, "error: %s\n", ps.secrets().scrub(text))
	return code
}
