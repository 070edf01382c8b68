package main

import (
	"context"
	"strings"
	"time"

	"github.com/hogcast/hogcast/pkg/admin"
	"github.com/hogcast/hogcast/pkg/config"
	"github.com/hogcast/hogcast/pkg/destination"
)

type destinationsDelete struct {
	asks        `embed:""`
	Held        string        `default:"dead-letter" env:"-" placeholder:"FATE" help:"What becomes of what is held: dead-letter; drain: wait until it is delivered, then delete; move=NAME: another destination of the tenant gets it."`
	Timeout     time.Duration `default:"10m" env:"-" help:"How long to drain at most; what is still held then stays, and so does the destination. 0 for no limit."`
	Quiet       bool          `short:"q" help:"No progress."`
	changeFlags `embed:""`
}

// Help is shown below the command's synopsis.
func (*destinationsDelete) Help() string {
	return `Shows what is held and how the destination does, and asks. Its health, wake-up and drain go with it. ` +
		`Dead letters stay, and can be replayed to another destination. A destination that is made anew within two minutes gets what was held for it.`
}

// Examples are shown in the help.
func (*destinationsDelete) Examples() string {
	return `hogcast destinations delete acme.old
hogcast destinations delete acme.old --held drain
hogcast destinations delete acme.old --held move=main --yes`
}

// Run deletes.
func (c *destinationsDelete) Run(ctx context.Context, system *config.System, sources *config.Sources) error {
	if err := c.possible(system); err != nil {
		return err
	}
	p := admin.DeleteParams{Drain: c.Held == "drain", Timeout: c.Timeout, Confirm: c.confirm(ctx, system)}
	if name, ok := strings.CutPrefix(c.Held, "move="); ok {
		if p.MoveTo = name; !destination.ValidName(name) {
			return config.Usagef("--held: %q is no name of a destination", name)
		}
	} else if !p.Drain && c.Held != "dead-letter" {
		return config.Usagef("--held: %q is none of dead-letter, drain, move=NAME", c.Held)
	}
	what := "draining"
	if p.MoveTo != "" {
		what = "moving"
	}
	bar := newProgress(system, c.Quiet, what)
	defer bar.end()
	p.Progress = func(done, all uint64) {
		bar.total(all)
		bar.set(int64(done)) //nolint:gosec // no stream has 2⁶³ messages
	}
	return c.set(ctx, system, sources, func(d *admin.Destinations, set admin.SetParams) error {
		p.SetParams = set
		return d.Delete(ctx, p)
	})
}
