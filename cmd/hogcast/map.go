package main

import (
	"context"
	"errors"
	"io"
	"os"

	"github.com/hogcast/hogcast/pkg/admin"
	"github.com/hogcast/hogcast/pkg/config"
	"github.com/hogcast/hogcast/pkg/registry"
)

type mapCommand struct {
	Destination string `placeholder:"FILE" help:"Destination whose rules apply: a YAML file with one entry; tenant and API key may be left out."`
	Pretty      bool   `help:"Indent the events."`
	Explain     bool   `help:"Tell on standard error what filters, sampling and privacy rules did to each record, without its values."`
	JSON        bool   `name:"json" help:"With --explain: as NDJSON, bad records included."`
	File        string `arg:"" optional:"" default:"-" help:"Records: NDJSON or a JSON document; - is standard input."`
}

// Help is shown below the command's synopsis.
func (*mapCommand) Help() string {
	return `Each record's event is printed as a line of JSON. A bad record is reported on standard error as ` +
		"`line N: field: what is wrong`" + `, the others are still mapped, and the exit code is 1. What a rule filters or samples out prints nothing.`
}

// Examples are shown in the help.
func (*mapCommand) Examples() string {
	return `hogcast map records.ndjson > events.ndjson
hogcast map --pretty record.json
tail -f gateway.ndjson | hogcast map --destination private.yaml
hogcast map --destination private.yaml --explain records.ndjson > events.ndjson`
}

// Run maps the records.
func (c *mapCommand) Run(ctx context.Context, system *config.System) error {
	if c.JSON && !c.Explain {
		return &config.UsageError{Err: errors.New("--json: goes with --explain; events are JSON anyhow")}
	}
	p := admin.MapParams{Out: system.Stdout, Errors: system.Stderr, Pretty: c.Pretty, Explain: c.Explain, JSON: c.JSON}
	if c.Destination != "" {
		rules, err := registry.LoadRules(c.Destination)
		if err != nil {
			return &config.UsageError{Err: err}
		}
		p.Rules = rules
	}
	in, err := open(c.File, system.Stdin)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }()
	p.In = in
	result, err := interruptible(ctx, p)
	if err == nil && result.Bad > 0 {
		return &config.ExitError{Code: config.ExitFailed} // each was reported
	}
	return err
}

// interruptible maps until it is done or told to stop: a read from a terminal
// or pipe can't be broken off, so it is left behind, and the process ends.
func interruptible(ctx context.Context, p admin.MapParams) (result admin.MapResult, err error) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		result, err = admin.Map(ctx, p)
	}()
	select {
	case <-done:
		return result, err
	case <-ctx.Done():
		return admin.MapResult{}, context.Cause(ctx)
	}
}

func open(file string, stdin io.Reader) (io.ReadCloser, error) {
	if file == "-" {
		return io.NopCloser(stdin), nil
	}
	return os.Open(file)
}
