package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/hogcast/hogcast/pkg/admin"
	"github.com/hogcast/hogcast/pkg/config"
	"github.com/hogcast/hogcast/pkg/deadletter"
)

type deadExport struct {
	NATS   config.NATS `embed:"" prefix:"nats-" group:"NATS:"`
	Filter deadFilter  `embed:""`

	Output string `short:"o" default:"-" placeholder:"FILE" env:"-" help:"A file that does not exist yet; - is standard output."`
	Quiet  bool   `short:"q" help:"No progress."`
}

// Help is shown below the command's synopsis.
func (*deadExport) Help() string {
	return `A line of JSON for each letter, oldest first: what hogcast dead show shows. Records are as they are kept, after privacy rules; the file can be read by its owner alone.`
}

// Examples are shown in the help.
func (*deadExport) Examples() string {
	return `hogcast dead export --tenant acme -o acme.ndjson
hogcast dead export --reason malformed | jq -c .record`
}

// Run exports.
func (c *deadExport) Run(ctx context.Context, system *config.System, sources *config.Sources) error {
	filter, err := c.Filter.filter()
	if err != nil {
		return err
	}
	return withLetters(ctx, c.NATS, sources, func(reader *deadletter.Reader) error {
		return c.export(ctx, system, reader, filter)
	})
}

func (c *deadExport) export(ctx context.Context, system *config.System, reader *deadletter.Reader, filter deadletter.Filter) error {
	bar := newProgress(system, c.Quiet, "exporting")
	if bar.shown() && filter.BySubject() { // else counting would take as long
		total, err := admin.CountDead(ctx, reader, filter)
		if err != nil {
			return err
		}
		bar.total(total)
	}
	out, err := openNew(system, c.Output)
	if err != nil {
		return err
	}
	n, err := admin.ExportDead(ctx, reader, admin.ExportDeadParams{Filter: filter, Out: out, Progress: bar.set})
	bar.end()
	err = errors.Join(err, out.Close())
	if err != nil {
		return fmt.Errorf("after %d letters: %w", n, err)
	}
	fmt.Fprintf(system.Stderr, "exported: %d\n", n)
	return nil
}

type keepOpen struct{ io.Writer }

func (keepOpen) Close() error { return nil }

// openNew opens a file that does not exist yet; - is standard output.
func openNew(system *config.System, file string) (io.WriteCloser, error) {
	if file == "-" {
		return keepOpen{system.Stdout}, nil
	}
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, os.ErrExist) {
		return nil, config.Usagef("--output: %s exists; name another file, or remove it", file)
	}
	return f, err
}
