package admin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/hogcast/hogcast/pkg/destination"
	"github.com/hogcast/hogcast/pkg/posthog"
)

// Errors of tests, which callers tell apart: each was told already.
var (
	ErrTestFailed    = errors.New("test connection failed")
	ErrTestUndecided = errors.New("test connection could not be decided")
)

func testError(result posthog.StepResult) error {
	switch result {
	case posthog.StepOK:
		return nil
	case posthog.StepUndecided:
		return ErrTestUndecided
	case posthog.StepFailed, posthog.StepSkipped:
	}
	return ErrTestFailed
}

// TestParams say what to test.
type TestParams struct {
	// Destinations are tested with the secrets that they hold.
	Destinations []*destination.Destination
	SendTrace    bool // after a test that was passed
	JSON         bool // a line for each
}

// tested is what a test came to, as JSON.
type tested struct {
	*posthog.ConnectionTest
	Trace *posthog.TraceTest `json:"trace,omitempty"`
}

// Test tests connections, and shows the steps of each. Errors: ErrTestFailed
// where one has failed, else ErrTestUndecided where one could not be decided.
func (d *Destinations) Test(ctx context.Context, p TestParams) error {
	var worst error
	for _, dest := range p.Destinations {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		one := tested{ConnectionTest: d.Tester.TestConnection(ctx, dest)}
		result := one.Result
		if p.SendTrace && one.Passed() {
			one.Trace = d.Tester.SendTestTrace(ctx, dest)
			result = one.Trace.Result
		}
		if err := one.write(d.Out, p.JSON); err != nil {
			return err
		}
		if err := testError(result); err != nil && !errors.Is(worst, ErrTestFailed) {
			worst = err
		}
	}
	return worst
}

func (t tested) write(out io.Writer, asJSON bool) error {
	if asJSON {
		return encoder(out).Encode(t)
	}
	if err := writeTest(out, t.ConnectionTest); err != nil || t.Trace == nil {
		return err
	}
	return writeTrace(out, t.Trace)
}

// writeTest shows the steps of a test and what to do about them.
func writeTest(out io.Writer, t *posthog.ConnectionTest) error {
	fmt.Fprintf(out, "testing %s.%s at %s\n", t.Tenant, t.Destination, t.Endpoint)
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, s := range t.Steps {
		fmt.Fprintf(table, "  %s\t%s\t%s\n", s.Result, s.Name, visible(s.What))
		if s.Mend != "" {
			fmt.Fprintf(table, "  \t\tmend: %s\n", visible(s.Mend))
		}
	}
	if err := table.Flush(); err != nil {
		return err
	}
	if t.Passed() {
		_, err := fmt.Fprintf(out, "passed. %s\nlook: %s\n", t.Note, t.Look)
		return err
	}
	_, err := fmt.Fprintln(out, t.Result)
	return err
}

func writeTrace(out io.Writer, t *posthog.TraceTest) error {
	fmt.Fprintf(out, "test trace: %s: %s\n", t.Result, visible(t.What))
	if t.Mend != "" {
		fmt.Fprintf(out, "  mend: %s\n", visible(t.Mend))
	}
	if !t.Passed() {
		return nil
	}
	_, err := fmt.Fprintf(out, "%s\nlook: %s\n", t.Note, t.Look)
	return err
}

// Stored reads a destination, to be tested.
func (d *Destinations) Stored(ctx context.Context, id destination.ID) (*destination.Destination, error) {
	now, err := d.get(ctx, id)
	if err != nil {
		return nil, err
	}
	return now.Destination, now.Problem
}

// Complete gives destinations that are not stored yet the secrets of those that
// are, where they are masked or left out, and judges them.
func (d *Destinations) Complete(ctx context.Context, dest *destination.Destination) (*destination.Destination, error) {
	now, err := d.find(ctx, dest.ID)
	if err != nil {
		return nil, err
	}
	return d.check(ctx, dest, revisionOf(now, nil))
}
