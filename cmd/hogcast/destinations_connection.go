package main

import (
	"context"

	"github.com/hogcast/hogcast/pkg/admin"
	"github.com/hogcast/hogcast/pkg/config"
	"github.com/hogcast/hogcast/pkg/destination"
)

type destinationsTest struct {
	bucketFlags   `embed:""`
	egressFlags   `embed:""`
	settingsFlags `embed:"" group:"Settings:"`

	File        string `short:"f" type:"string" env:"-" placeholder:"FILE" help:"Destinations that are not stored yet, as YAML or JSON; - is standard input. Secrets that are masked or left out are those that are stored."`
	SendTrace   bool   `env:"-" help:"After a test that is passed, send a trace of two spans and a generation, and say where to look."`
	Output      string `short:"o" enum:"text,json" default:"text" env:"-" help:"Form: ${enum}; json is a line for each."`
	Destination string `arg:"" optional:"" name:"destination" help:"TENANT.NAME, or TENANT for its destination \"default\"; with settings, as it would be with them. With --file: only this one of it."`
}

// Help is shown below the command's synopsis.
func (*destinationsTest) Help() string {
	return `Judges the form of the settings, asks PostHog for the key, sends one test event as workers would, and tells the path that is served. ` +
		`A pass proves "accepted", not "stored". Where workers run with --egress-allow or --egress-proxy, give the same here. ` +
		`Exit codes: 0 passed, 1 failed, 2 usage, 3 undecided: test again in a while.`
}

// Examples are shown in the help.
func (*destinationsTest) Examples() string {
	return `hogcast destinations test acme.main
hogcast destinations test acme.main --send-trace
hogcast destinations test acme.main --endpoint eu            # before it is changed
hogcast destinations test -f new.yaml -o json | jq .result`
}

// Run tests.
func (c *destinationsTest) Run(ctx context.Context, system *config.System, sources *config.Sources) error {
	if c.File != "" {
		return c.file(ctx, system, sources)
	}
	choice, err := choose(system, c.Destination, "", &c.settingsFlags)
	if err != nil {
		return err
	}
	return c.with(ctx, system, sources, func(d *admin.Destinations) error {
		if !choice.given {
			dest, err := d.Stored(ctx, choice.id)
			return c.test(ctx, d, err, dest)
		}
		dest, err := choice.destination(ctx, d, system)
		if err == nil {
			dest, err = d.Complete(ctx, dest)
		}
		return c.test(ctx, d, err, dest)
	})
}

func (c *destinationsTest) with(ctx context.Context, system *config.System, sources *config.Sources, use func(*admin.Destinations) error) error {
	return operator{bucket: c.bucketFlags, egress: &c.egressFlags}.with(ctx, system, sources, use)
}

func (c *destinationsTest) test(ctx context.Context, d *admin.Destinations, err error, all ...*destination.Destination) error {
	if err != nil {
		return err
	}
	return d.Test(ctx, admin.TestParams{Destinations: all, SendTrace: c.SendTrace, JSON: c.Output == "json"})
}

// file tests what a file holds. Nothing of the bucket is needed where every key
// is in it.
func (c *destinationsTest) file(ctx context.Context, system *config.System, sources *config.Sources) error {
	_, given, err := c.settings(system)
	if err != nil {
		return err
	}
	if given {
		return config.Usagef("settings are given by flags or by --file, not by both")
	}
	all, err := c.loaded(system)
	if err != nil {
		return &config.UsageError{Err: err}
	}
	if whole(all) {
		sender, err := c.sender()
		if err != nil {
			return err
		}
		defer sender.Close()
		return exitOf(c.test(ctx, &admin.Destinations{Tester: sender, Out: system.Stdout, Notes: system.Stderr}, nil, all...))
	}
	return c.with(ctx, system, sources, func(d *admin.Destinations) error {
		for i, dest := range all {
			if all[i], err = d.Complete(ctx, dest); err != nil {
				return err
			}
		}
		return c.test(ctx, d, nil, all...)
	})
}

func (c *destinationsTest) loaded(system *config.System) ([]*destination.Destination, error) {
	if c.Destination != "" {
		id, err := admin.ParseID(c.Destination)
		if err != nil {
			return nil, err
		}
		one, err := oneOf(system, c.File, id)
		return []*destination.Destination{one}, err
	}
	loaded, err := loadUpdates(system, c.File)
	if err != nil {
		return nil, err
	}
	if len(loaded.Problems) > 0 {
		return nil, loaded.Problems[0]
	}
	return loaded.Destinations, nil
}

// whole reports whether no secret is to be looked up.
func whole(all []*destination.Destination) bool {
	for _, d := range all {
		if d.APIKey.Empty() || d.APIKey.IsMask() || d.Privacy.UserHashKey.IsMask() {
			return false
		}
	}
	return true
}
