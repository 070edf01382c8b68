package config

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	// kong sets help to the terminal's width, which a shell may export.
	if err := os.Unsetenv("COLUMNS"); err != nil {
		panic(err)
	}
	goleak.VerifyTestMain(m)
}

// sample is a program with two commands and a setting of every kind.
type sample struct {
	Log  Log      `embed:"" prefix:"log-" group:"Logging:"`
	Run  runCmd   `cmd:"" help:"Deliver records."`
	Send sendCmd  `cmd:"" help:"Publish records."`
	got  *runCmd  `kong:"-"`
	sent *sendCmd `kong:"-"`
}

type runCmd struct {
	NATS    NATS          `embed:"" prefix:"nats-" group:"NATS:"`
	Listen  string        `default:":8080" placeholder:"ADDR" help:"Address of the HTTP server."`
	Wait    time.Duration `default:"10s" help:"Longest wait."`
	Window  Size          `default:"64MiB" help:"Records in hand, in bytes."`
	Batch   int           `default:"100" help:"Events a request."`
	Ratio   float64       `default:"0.5" help:"Share."`
	Fast    bool          `negatable:"" help:"Hurry."`
	Allow   []string      `placeholder:"CIDR" help:"Networks that may be dialled."`
	Waits   []time.Duration
	Key     Secret   `env:"POSTHOG_API_KEY" help:"Project key."`
	Local   string   `env:"-" help:"On the command line alone."`
	Limit   *int     `help:"Limit, none by default."`
	Fail    string   `hidden:"" env:"-"`
	Pattern []string `sep:"none" help:"Patterns."`
}

func (*runCmd) Examples() string {
	return "sample run --nats-url nats://a:4222,nats://b:4222\nsample run --config sample.yaml"
}

type codeError int

func (c codeError) Error() string { return fmt.Sprintf("code %d", int(c)) }
func (c codeError) ExitCode() int { return int(c) }

func (c *runCmd) Run(ctx context.Context, root *sample, sys *System, src *Sources) error {
	root.got = c
	switch c.Fail {
	case "plain":
		return errors.New("first\nsecond")
	case "code":
		return fmt.Errorf("wrapped: %w", codeError(7))
	case "quiet":
		return &ExitError{Code: 3}
	case "usage":
		return Usagef("--batch and --ratio exclude each other")
	case "secret":
		return fmt.Errorf("dialing nats://user:hunter2@host: refused %s", c.NATS.Token.Reveal())
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	fmt.Fprintf(sys.Stdout, "url from %s, given %t\n", src.Of("nats-url"), src.Given("nats-url"))
	return nil
}

type sendCmd struct {
	Tenant string `required:"" help:"Tenant of the records."`
	File   string `arg:"" optional:"" default:"-" help:"File of records, - for standard input."`
}

func (c *sendCmd) Run(root *sample) error {
	root.sent = c
	return nil
}

type result struct {
	code     int
	out, err string
	cli      *sample
}

func program(cli *sample) Program {
	return Program{
		Name: "sample", Description: "A program to test with.", Version: "1.2.3",
		Examples: "sample run\nsample send --tenant acme records.ndjson", CLI: cli,
	}
}

func run(t *testing.T, env []string, args ...string) result {
	t.Helper()
	var out, errs bytes.Buffer
	cli := &sample{}
	code := Run(t.Context(), program(cli), System{Args: args, Env: env, Stdout: &out, Stderr: &errs})
	return result{code: code, out: out.String(), err: errs.String(), cli: cli}
}

func yamlFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "sample.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func contains(t *testing.T, got string, want ...string) {
	t.Helper()
	for _, w := range want {
		if !strings.Contains(got, w) {
			t.Errorf("got %q, want it to hold %q", got, w)
		}
	}
}
