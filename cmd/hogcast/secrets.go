package main

import (
	"context"
	"fmt"
	"time"

	"github.com/hogcast/hogcast/pkg/admin"
	"github.com/hogcast/hogcast/pkg/config"
	"github.com/hogcast/hogcast/pkg/seal"
)

type secretsCommand struct {
	GenerateKey secretsGenerate `cmd:"" help:"Print a new master key."`
	Rotate      secretsRotate   `cmd:"" help:"Encrypt every secret anew, with the first master key."`
	Check       secretsCheck    `cmd:"" help:"Show which master keys are needed, and what can't be read."`
}

// Examples are shown in the help.
func (*secretsCommand) Examples() string {
	return `hogcast secrets generate-key > secrets.keys
hogcast secrets check --secrets-key-file secrets.keys
hogcast secrets rotate --secrets-key-file secrets.keys`
}

type secretsGenerate struct {
	ID string `arg:"" optional:"" help:"Its id: letters, digits, _, . and -; default k and the date."`
}

// Help is shown below the command's synopsis.
func (*secretsGenerate) Help() string {
	return `A line for the file of --secrets-key-file. To rotate: put it below the others and let all workers have it, then put it first, ` +
		`then hogcast secrets rotate, then take the old one out.`
}

// Examples are shown in the help.
func (*secretsGenerate) Examples() string {
	return `(umask 077; hogcast secrets generate-key > secrets.keys)
hogcast secrets generate-key 2026-b >> secrets.keys`
}

// Run prints a key.
func (c *secretsGenerate) Run(system *config.System) error {
	id := c.ID
	if id == "" {
		id = "k" + time.Now().UTC().Format("20060102")
	}
	key, err := seal.NewKey(id)
	if err != nil {
		return &config.UsageError{Err: err}
	}
	_, err = fmt.Fprintln(system.Stdout, key)
	return err
}

type secretsRotate struct {
	bucketFlags `embed:""`
	who         `embed:""`

	DryRun bool   `env:"-" help:"Only count."`
	Output string `short:"o" enum:"text,json" default:"text" env:"-" help:"Form: ${enum}."`
	Quiet  bool   `short:"q" help:"No progress."`
}

// Help is shown below the command's synopsis.
func (*secretsRotate) Help() string {
	return `It can be stopped and begun again at any time, and twice is once. Workers go on meanwhile. Exit code 1 where some could not be read, which are named.`
}

// Examples are shown in the help.
func (*secretsRotate) Examples() string {
	return `hogcast secrets rotate --secrets-key-file secrets.keys --dry-run
hogcast secrets rotate --secrets-key-file secrets.keys`
}

// Run rotates.
func (c *secretsRotate) Run(ctx context.Context, system *config.System, sources *config.Sources) error {
	bar := newProgress(system, c.Quiet, "encrypting")
	defer bar.end()
	return operator{bucket: c.bucketFlags, by: c.who}.with(ctx, system, sources, func(d *admin.Destinations) error {
		return d.Rotate(ctx, admin.RotateParams{DryRun: c.DryRun, JSON: c.Output == "json", Progress: func(done, all int) {
			bar.total(uint64(all)) //nolint:gosec // never negative
			bar.set(int64(done))
		}})
	})
}

type secretsCheck struct {
	bucketFlags `embed:""`

	Output string `short:"o" enum:"text,json" default:"text" env:"-" help:"Form: ${enum}; json is a line for each key."`
}

// Help is shown below the command's synopsis.
func (*secretsCheck) Help() string {
	return `Changes nothing. Exit code 1 where a secret can't be read with the keys given, or is not encrypted though there is a key.`
}

// Examples are shown in the help.
func (*secretsCheck) Examples() string {
	return `hogcast secrets check --secrets-key-file secrets.keys`
}

// Run checks.
func (c *secretsCheck) Run(ctx context.Context, system *config.System, sources *config.Sources) error {
	return operator{bucket: c.bucketFlags}.with(ctx, system, sources, func(d *admin.Destinations) error {
		return d.CheckSecrets(ctx, c.Output == "json")
	})
}
