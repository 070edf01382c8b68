package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/hogcast/hogcast/pkg/admin"
	"github.com/hogcast/hogcast/pkg/config"
	"github.com/hogcast/hogcast/pkg/deadletter"
)

type deadDrop struct {
	NATS   config.NATS `embed:"" prefix:"nats-" group:"NATS:"`
	Filter deadFilter  `embed:""`

	All       bool     `env:"-" help:"Every dead letter; needed where nothing else chooses."`
	DryRun    bool     `env:"-" help:"Show what would go, and delete nothing."`
	Yes       bool     `env:"-" help:"Don't ask; needed where nobody can be asked."`
	Quiet     bool     `short:"q" help:"No progress."`
	Sequences []uint64 `arg:"" optional:"" name:"sequence" help:"Letters by their numbers, as listed."`
}

// Help is shown below the command's synopsis.
func (*deadDrop) Help() string {
	return `Shows what would go, and asks. What is dropped is gone: hogcast dead export keeps a copy, hogcast replay tries again. Letters that come while it runs stay.`
}

// Examples are shown in the help.
func (*deadDrop) Examples() string {
	return `hogcast dead drop 42 43
hogcast dead drop --tenant acme --reason malformed --dry-run
hogcast dead drop --until 14d --all --yes`
}

// Run drops.
func (c *deadDrop) Run(ctx context.Context, system *config.System, sources *config.Sources) error {
	filter, err := c.check(system)
	if err != nil {
		return err
	}
	return withLetters(ctx, c.NATS, sources, func(reader *deadletter.Reader) error {
		return c.drop(ctx, system, reader, filter)
	})
}

func (c *deadDrop) check(system *config.System) (deadletter.Filter, error) {
	filter, err := c.Filter.filter()
	switch {
	case err != nil:
		return filter, err
	case len(c.Sequences) > 0 && (c.All || !filter.Empty()):
		return filter, config.Usagef("letters are chosen by number or by filter, not by both")
	case len(c.Sequences) == 0 && filter.Empty() && !c.All:
		return filter, config.Usagef("say which: letters by number, a filter such as --tenant, or --all")
	case !c.Yes && !c.DryRun && !config.IsTerminal(system.Stdin):
		return filter, config.Usagef("nobody can be asked here: --yes drops without asking, --dry-run only shows")
	}
	return filter, nil
}

func (c *deadDrop) drop(ctx context.Context, system *config.System, reader *deadletter.Reader, filter deadletter.Filter) error {
	plan, err := admin.PlanDrop(ctx, reader, filter, c.Sequences)
	if err != nil {
		return err
	}
	if err := plan.Write(system.Stdout); err != nil {
		return err
	}
	if plan.Total > 0 && !c.DryRun {
		if err := c.carryOut(ctx, system, reader, plan); err != nil {
			return err
		}
	}
	if len(plan.Missing) > 0 {
		return &config.ExitError{Code: config.ExitFailed} // each was told
	}
	return nil
}

func (c *deadDrop) carryOut(ctx context.Context, system *config.System, reader *deadletter.Reader, plan *admin.Drop) error {
	if !c.Yes {
		if err := confirm(ctx, system, fmt.Sprintf("Delete %d dead letters for good? Type yes: ", plan.Total)); err != nil {
			return err
		}
	}
	bar := newProgress(system, c.Quiet, "dropping")
	bar.total(plan.Total)
	err := plan.Do(ctx, reader, bar.set)
	bar.end()
	if err != nil {
		return err
	}
	left, err := admin.CountDead(ctx, reader, deadletter.Filter{})
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(system.Stdout, "%d dropped; %d dead letters are left in all\n", plan.Total, left)
	return err
}

// confirm asks on a terminal. Its goroutine waits for a line as long as the
// process lives, when ctx ends before one is typed.
func confirm(ctx context.Context, system *config.System, question string) error {
	fmt.Fprint(system.Stderr, question)
	answers := make(chan string, 1)
	go func() {
		line, _ := bufio.NewReader(system.Stdin).ReadString('\n') // nothing is no yes
		answers <- line
	}()
	select {
	case answer := <-answers:
		if strings.TrimSpace(answer) != "yes" {
			return errors.New("not confirmed; nothing was deleted")
		}
		return nil
	case <-ctx.Done():
		fmt.Fprintln(system.Stderr)
		return fmt.Errorf("nothing was deleted: %w", context.Cause(ctx))
	}
}
