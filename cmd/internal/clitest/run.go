package clitest

import (
	"bytes"
	"context"
	"strings"
	"testing"

	"github.com/hogcast/hogcast/pkg/config"
)

// Outcome is how a run ended, as its user sees it.
type Outcome struct {
	Code     int
	Out, Err string
}

// Run runs a program in this process.
func Run(t *testing.T, program func(context.Context, config.System) int, stdin string, args ...string) Outcome {
	t.Helper()
	var out, errs bytes.Buffer
	code := program(t.Context(), config.System{Args: args, Stdin: strings.NewReader(stdin), Stdout: &out, Stderr: &errs})
	return Outcome{code, out.String(), errs.String()}
}
