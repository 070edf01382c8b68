package main

import (
	"context"
	"fmt"

	"github.com/hogcast/hogcast/pkg/admin"
	"github.com/hogcast/hogcast/pkg/audit"
	"github.com/hogcast/hogcast/pkg/config"
	"github.com/hogcast/hogcast/pkg/deadletter"
	"github.com/hogcast/hogcast/pkg/queue"
)

type deadDrop struct {
	NATS   config.NATS `embed:"" prefix:"nats-" group:"NATS:"`
	Filter deadFilter  `embed:""`
	who    `embed:""`

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
	filter, err := c.chosen(system)
	if err != nil {
		return err
	}
	by, err := c.check(system)
	if err != nil {
		return err
	}
	return withConn(ctx, c.NATS, sources, func(conn *queue.Conn) error {
		d := dropping{deadDrop: c, system: system, reader: deadletter.NewReader(conn), filter: filter, deeds: deeds{conn, by, system}}
		return told("dead letters", d.drop(ctx))
	})
}

// dropping is a drop under way.
type dropping struct {
	*deadDrop
	system *config.System
	reader *deadletter.Reader
	filter deadletter.Filter
	deeds  deeds
}

func (c *deadDrop) chosen(system *config.System) (deadletter.Filter, error) {
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

func (d *dropping) drop(ctx context.Context) error {
	plan, err := admin.PlanDrop(ctx, d.reader, d.filter, d.Sequences)
	if err != nil {
		return err
	}
	if err := plan.Write(d.system.Stdout); err != nil {
		return err
	}
	if plan.Total > 0 && !d.DryRun {
		if err := d.carryOut(ctx, plan); err != nil {
			return err
		}
	}
	if len(plan.Missing) > 0 {
		return &config.ExitError{Code: config.ExitFailed} // each was told
	}
	return nil
}

func (d *dropping) carryOut(ctx context.Context, plan *admin.Drop) error {
	if !d.Yes {
		if err := ask(ctx, d.system, fmt.Sprintf("Delete %d dead letters for good? Type yes: ", plan.Total)); err != nil {
			return err
		}
	}
	bar := newProgress(d.system, d.Quiet, "dropping")
	bar.total(plan.Total)
	err := plan.Do(ctx, d.reader, bar.set)
	bar.end()
	d.deeds.note(ctx, d.record(plan, err))
	if err != nil {
		return err
	}
	left, err := admin.CountDead(ctx, d.reader, deadletter.Filter{})
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(d.system.Stdout, "%d dropped; %d dead letters are left in all\n", plan.Total, left)
	return err
}

// record is what the audit trail has of it; one that was broken off has deleted
// some.
func (d *dropping) record(plan *admin.Drop, err error) audit.Record {
	how := d.filter.String()
	if len(d.Sequences) > 0 {
		how = fmt.Sprintf("letters %v", d.Sequences[:min(len(d.Sequences), 20)])
	}
	note := fmt.Sprintf("%d dead letters: %s", plan.Total, how)
	if err != nil {
		note = "broken off: at most " + note
	}
	return audit.Record{Action: audit.DeadDropped, Tenant: named(d.filter.Tenant), Destination: named(d.filter.Destination), Note: note}
}
