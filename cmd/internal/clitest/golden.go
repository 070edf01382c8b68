package clitest

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hogcast/hogcast/pkg/config"
)

// Run is a program's, as its main has it.
type Run func(ctx context.Context, system config.System) int

// Output runs the program within the test.
func (run Run) Output(t *testing.T, stdin string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = run(t.Context(), config.System{Args: args, Stdin: strings.NewReader(stdin), Stdout: &out, Stderr: &errs})
	return code, out.String(), errs.String()
}

// Help compares the help of the program and of each of its commands with
// testdata/help/*.golden.
func Help(t *testing.T, run Run, name string, commands ...string) {
	t.Helper()
	for _, command := range append([]string{""}, commands...) {
		args := append(strings.Fields(command), "--help")
		code, stdout, stderr := run.Output(t, "", args...)
		if code != config.ExitOK || stderr != "" {
			t.Errorf("%s %s: exit code %d, stderr %q", name, strings.Join(args, " "), code, stderr)
		}
		file := strings.Join(append([]string{name}, strings.Fields(command)...), "-")
		Golden(t, filepath.Join("testdata", "help", file+".golden"), stdout)
	}
}

// Reference compares the program's reference page with configs/<name>.md.
func Reference(t *testing.T, p config.Program) {
	t.Helper()
	const generated = "<!-- Generated from the flags: make golden writes it. -->\n\n"
	Golden(t, filepath.Join("..", "..", "configs", p.Name+".md"), generated+config.Reference(p))
}

// Golden compares a text with a file, or writes the file with -update.
func Golden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.MkdirAll(filepath.Dir(file), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatalf("%v; write it with -update", err)
	}
	if diff := cmp.Diff(strings.ReplaceAll(string(want), "\r\n", "\n"), got); diff != "" {
		t.Errorf("%s (-want +got; mend with -update):\n%s", file, diff)
	}
}
