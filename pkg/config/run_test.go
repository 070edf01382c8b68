package config

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
)

func TestExitCodes(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		args []string
		code int
		err  string // whole
	}{
		"a command that succeeds":           {[]string{"run"}, 0, ""},
		"a command that fails":              {[]string{"run", "--fail=plain"}, 1, "error: first; second\n"},
		"a command with its own code":       {[]string{"run", "--fail=code"}, 7, "error: wrapped: code 7\n"},
		"a command that has told it itself": {[]string{"run", "--fail=quiet"}, 3, ""},
		"a command that refuses its flags": {
			[]string{"run", "--fail=usage"},
			2,
			"error: --batch and --ratio exclude each other\nrun \"sample run --help\" for usage\n",
		},
		"an unknown flag":          {[]string{"run", "--lisen=x"}, 2, "error: unknown flag --lisen, did you mean \"--listen\"?\nrun \"sample run --help\" for usage\n"},
		"an unknown command":       {[]string{"walk"}, 2, "error: unexpected argument walk\nrun \"sample --help\" for usage\n"},
		"no command":               {nil, 2, "error: expected one of \"run\", \"send\"\nrun \"sample --help\" for usage\n"},
		"a required flag missing":  {[]string{"send"}, 2, "error: missing flags: --tenant=STRING\nrun \"sample send --help\" for usage\n"},
		"a wrong value in a flag":  {[]string{"run", "--batch=x"}, 2, "error: --batch: expected a valid 64 bit int but got \"x\"\nrun \"sample run --help\" for usage\n"},
		"a wrong choice in a flag": {[]string{"run", "--log-level=x"}, 2, "error: --log-level must be one of \"debug\",\"info\",\"warn\",\"error\" but got \"x\"\nrun \"sample run --help\" for usage\n"},
		"help beside errors":       {[]string{"send", "--help"}, 0, ""},
		"version":                  {[]string{"--version"}, 0, ""},
		"version of a command":     {[]string{"send", "--version"}, 0, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := run(t, nil, c.args...)
			if r.code != c.code || r.err != c.err {
				t.Errorf("got code %d, stderr %q\nwant code %d, stderr %q", r.code, r.err, c.code, c.err)
			}
		})
	}
}

func TestWrongVariableNamesItself(t *testing.T) {
	t.Parallel()
	r := run(t, []string{"HOGCAST_WAIT=soon"}, "run")
	if r.code != ExitUsage {
		t.Errorf("got code %d, want 2", r.code)
	}
	contains(t, r.err, "error: env HOGCAST_WAIT: expected duration")
}

func TestSettingOfAnotherCommandIsNotThisOnesError(t *testing.T) {
	t.Parallel()
	r := run(t, []string{"HOGCAST_WAIT=soon"}, "send", "--tenant=acme")
	if r.code != ExitOK || r.err != "" || r.cli.sent.Tenant != "acme" {
		t.Errorf("got code %d, stderr %q", r.code, r.err)
	}
}

func TestRequiredFlagFromElsewhere(t *testing.T) {
	t.Parallel()
	file := yamlFile(t, "tenant: acme\n")
	for name, r := range map[string]result{
		"environment": run(t, []string{"HOGCAST_TENANT=acme"}, "send"), "file": run(t, nil, "send", "--config", file),
	} {
		if r.code != ExitOK || r.cli.sent.Tenant != "acme" {
			t.Errorf("%s: got code %d, stderr %q", name, r.code, r.err)
		}
	}
}

func TestContextReachesTheCommand(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("received a signal"))
	var errs bytes.Buffer
	code := Run(ctx, program(&sample{}), System{Args: []string{"run"}, Stderr: &errs})
	if code != ExitFailed || errs.String() != "error: received a signal\n" {
		t.Errorf("got code %d, stderr %q", code, errs.String())
	}
}

func TestProgramThatKongRefuses(t *testing.T) {
	t.Parallel()
	var errs bytes.Buffer
	code := Run(t.Context(), Program{Name: "x", CLI: &struct{ C chan int }{}}, System{Stderr: &errs})
	if code != ExitUsage || !strings.HasPrefix(errs.String(), "error: building x: ") {
		t.Errorf("got code %d, stderr %q", code, errs.String())
	}
}

func TestUnknownVariablesAreWarnings(t *testing.T) {
	t.Parallel()
	env := []string{
		"HOGCAST_NATS_ULR=hunter2", "HOGCAST_ZZZZZZZZZZZZ=hunter2", "HOGCAST_LISTEN=x", "OTHER=y", "POSTHOG_API_KEY=z",
		"HOGCAST_NATS_SERVICE_HOST=1", "HOGCAST_NATS_PORT=1", "HOGCAST_NATS_PORT_4222_TCP_ADDR=1", "HOGCAST_NATS_SERVICE_PORT_CLIENT=1",
		"HOGCAST_VERSION=1", "HOGCAST_TENANT=of another command", "HOGCAST_CONFIG=",
	}
	r := run(t, env, "run")
	want := `warning: environment: sample knows no "HOGCAST_NATS_ULR"; did you mean HOGCAST_NATS_URL?
warning: environment: sample knows no "HOGCAST_VERSION"
warning: environment: sample knows no "HOGCAST_ZZZZZZZZZZZZ"
`
	if r.code != ExitOK || r.err != want {
		t.Errorf("got code %d, stderr\n%swant\n%s", r.code, r.err, want)
	}
}

func TestNoSecretInAnyOutput(t *testing.T) {
	t.Parallel()
	const secret = "-hunter2\"quoted"
	env := []string{"HOGCAST_NATS_TOKEN=" + secret, "POSTHOG_API_KEY=" + secret, "HOGCAST_NATS_PASWORD=" + secret}
	file := yamlFile(t, "nats:\n  password: '"+secret+"'\n  url: ['nats://u:hunter2@h:1', 'hunter2@h']\nbatch: 3\n")
	for _, args := range [][]string{
		{"run", "--config", file},
		{"run", "--config", file, "--print-config"},
		{"run", "--config", file, "--fail=secret"},
		{"run", "--nats-token", secret},
		{"run", "--nats-token=" + secret, "--batch", "x"},
		{"run", "--nats-token=" + secret, "--fail=secret"},
		{"run", "--nats-tokn=" + secret},
		{"run", "--help"},
		{"--version"},
		{"run", "--nats-url=nats://u:hunter2@h", "--print-config"},
		{"run", "--wait=nats://u:hunter2@h"},
		{"run", "--nats-token=" + secret, "--print-config"},
	} {
		r := run(t, env, args...)
		if all := r.out + r.err; strings.Contains(all, "hunter2") {
			t.Errorf("%q: got the secret in %q", args, all)
		}
	}
}
