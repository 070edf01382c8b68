package config

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hogcast/hogcast/test/golden"
)

const everything = `listen: "x # y"
nats:
  url: [nats://user:hunter2@a:4222, "b,c:4222"]
  token: hunter2
  tls_ca: "true"
allow: []
waits: [1s, 90s]
window: 480KB
limit: 3
`

func printed(t *testing.T) (result, string) {
	t.Helper()
	path := yamlFile(t, everything)
	env := []string{"HOGCAST_NATS_PASSWORD=hunter2", "HOGCAST_LOG_LEVEL=warn", "POSTHOG_API_KEY=hunter2"}
	r := run(t, env, "run", "--batch=7", "--no-fast", "--config", path, "--print-config")
	return r, strings.ReplaceAll(r.out, path, "sample.yaml")
}

func TestPrintConfig(t *testing.T) {
	t.Parallel()
	r, got := printed(t)
	if r.code != ExitOK || r.err != "" || r.cli.got != nil {
		t.Errorf("got code %d, stderr %q, ran %t", r.code, r.err, r.cli.got != nil)
	}
	golden.Check(t, "testdata/print-config.golden", got)
}

func TestPrintedConfigurationReadsBack(t *testing.T) {
	t.Parallel()
	_, first := printed(t)
	// Masks are refused on purpose; a person fills them in.
	again := strings.ReplaceAll(first, redacted, "hunter2")
	r := run(t, nil, "run", "--config", yamlFile(t, again), "--print-config")
	if r.code != ExitOK {
		t.Fatal(r.err)
	}
	values := func(text string) (lines []string) {
		for line := range strings.Lines(text) {
			value, _, _ := cutLast(line, " # ")
			lines = append(lines, value)
		}
		return lines
	}
	if diff := cmp.Diff(values(first), values(r.out)); diff != "" {
		t.Errorf("-first +again:\n%s", diff)
	}
}

func cutLast(s, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return s, "", false
}

func TestPrintConfigRefusesWhatRunRefuses(t *testing.T) {
	t.Parallel()
	if r := run(t, nil, "run", "--print-config", "--log-level=x"); r.code != ExitUsage || r.out != "" {
		t.Errorf("got code %d, stdout %q", r.code, r.out)
	}
}

func TestHelp(t *testing.T) {
	t.Parallel()
	for name, args := range map[string][]string{
		"help.golden": {"--help"}, "help-run.golden": {"run", "-h"}, "help-send.golden": {"send", "--help"},
	} {
		r := run(t, nil, args...)
		if r.code != ExitOK || r.err != "" {
			t.Errorf("%s: got code %d, stderr %q", name, r.code, r.err)
		}
		golden.Check(t, "testdata/"+name, r.out)
	}
}

func TestVersion(t *testing.T) {
	t.Parallel()
	if got, want := run(t, nil, "--version").out, "sample 1.2.3\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestReference(t *testing.T) {
	t.Parallel()
	golden.Check(t, "testdata/reference.golden", Reference(program(&sample{})))
	single := Reference(Program{Name: "one", Description: "Alone.", Examples: "one", CLI: &struct {
		Listen string `required:"" help:"A | b."`
	}{}})
	golden.Check(t, "testdata/reference-single.golden", single)
}

func TestOS(t *testing.T) {
	t.Parallel()
	if s := OS(); s.Stdout != os.Stdout || s.Stdin != os.Stdin || s.Stderr != os.Stderr || len(s.Env) != len(os.Environ()) {
		t.Error("OS is not the process's own system")
	}
}
