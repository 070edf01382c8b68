package main

import (
	"context"

	"github.com/hogcast/hogcast/pkg/admin"
	"github.com/hogcast/hogcast/pkg/config"
)

type destinationsEnable struct {
	changeFlags `embed:""`
}

// Examples are shown in the help.
func (*destinationsEnable) Examples() string { return "hogcast destinations enable acme.main" }

// Run enables.
func (c *destinationsEnable) Run(ctx context.Context, system *config.System, sources *config.Sources) error {
	return c.set(ctx, system, sources, func(d *admin.Destinations, p admin.SetParams) error { return d.Enable(ctx, p) })
}

type destinationsDisable struct {
	asks        `embed:""`
	Held        string `enum:"keep,discard" default:"keep" env:"-" help:"What becomes of what is held: ${enum}. Kept, it is sent when the destination is enabled again, or expires."`
	changeFlags `embed:""`
}

// Examples are shown in the help.
func (*destinationsDisable) Examples() string {
	return `hogcast destinations disable acme.main
hogcast destinations disable acme.main --held discard --yes`
}

// Run disables.
func (c *destinationsDisable) Run(ctx context.Context, system *config.System, sources *config.Sources) error {
	discard := c.Held == "discard"
	if discard {
		if err := c.possible(system); err != nil {
			return err
		}
	}
	return c.set(ctx, system, sources, func(d *admin.Destinations, p admin.SetParams) error {
		return d.Disable(ctx, admin.DisableParams{SetParams: p, Discard: discard, Confirm: c.confirm(ctx, system)})
	})
}

type destinationsPause struct {
	changeFlags `embed:""`
}

// Help is shown below the command's synopsis.
func (*destinationsPause) Help() string {
	return `What is held for longer than its hold_max, 72 h by default, becomes dead letters (expired).`
}

// Examples are shown in the help.
func (*destinationsPause) Examples() string { return "hogcast destinations pause acme.main" }

// Run pauses.
func (c *destinationsPause) Run(ctx context.Context, system *config.System, sources *config.Sources) error {
	return c.set(ctx, system, sources, func(d *admin.Destinations, p admin.SetParams) error { return d.Pause(ctx, p) })
}

type destinationsResume struct {
	changeFlags `embed:""`
}

// Help is shown below the command's synopsis.
func (*destinationsResume) Help() string {
	return `One that is not paused but counts as broken is probed at once, instead of when its next probe would be; what is held follows when that is passed. ` +
		`That works for destinations in files, too. Exit code 1 where it was probed and is still broken.`
}

// Examples are shown in the help.
func (*destinationsResume) Examples() string { return "hogcast destinations resume acme.main" }

// Run resumes.
func (c *destinationsResume) Run(ctx context.Context, system *config.System, sources *config.Sources) error {
	return c.set(ctx, system, sources, func(d *admin.Destinations, p admin.SetParams) error { return d.Resume(ctx, p) })
}
