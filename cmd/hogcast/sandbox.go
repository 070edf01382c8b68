package main

import (
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/hogcast/hogcast/pkg/config"
	"github.com/hogcast/hogcast/pkg/sandbox"
)

type sandboxCommand struct {
	Log config.Log `embed:"" prefix:"log-" group:"Logging:"`

	Listen    string   `default:"127.0.0.1:8010" placeholder:"ADDR" help:"Address to serve on."`
	Record    string   `placeholder:"FILE" help:"Append each accepted event to FILE as a line of NDJSON, with its api_key and path; - for standard output."`
	Fault     []string `sep:"none" placeholder:"SCRIPT" help:"Faults to serve first, such as '503x3,hang=5s,429:retry-after=2s'; may be repeated for [PATH=]SCRIPT."`
	DisableV1 bool     `name:"disable-v1" help:"Answer 404 on the v1 paths, as self-hosted PostHogs often do."`
	KnownKeys []string `placeholder:"KEY" help:"Keys that /flags knows; default every phc_ key."`
}

// Examples are shown in the help.
func (*sandboxCommand) Examples() string {
	return `hogcast sandbox --listen 127.0.0.1:8010 --record events.ndjson
hogcast sandbox --fault '503x3,hang=5s' --disable-v1`
}

// Run serves until it is told to stop.
func (c *sandboxCommand) Run(ctx context.Context, system *config.System) error {
	conf := sandbox.Config{
		Logger: config.NewLogger(c.Log, system.Stderr, config.IsTerminal(system.Stderr)), DisableV1: c.DisableV1, DisableAI: c.DisableV1, KnownKeys: c.KnownKeys,
		KeepNone: true, // a process that runs for long keeps its events in the file
	}
	switch c.Record {
	case "":
	case "-":
		conf.Record = system.Stdout
	default:
		f, err := os.OpenFile(c.Record, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			return err
		}
		defer func() { _ = f.Close() }()
		conf.Record = f
	}
	server := sandbox.New(conf)
	if err := c.script(server); err != nil {
		return err
	}
	if err := server.Start(c.Listen); err != nil {
		return err
	}
	fmt.Fprintf(system.Stderr, "a stand-in for PostHog serves at %s\n", server.URL())
	<-ctx.Done()
	fmt.Fprintf(system.Stderr, "took %d events (%d came twice)\n", server.Count(), server.Duplicates())
	return server.Close()
}

func (c *sandboxCommand) script(server *sandbox.Server) error {
	for _, text := range c.Fault {
		match := sandbox.Match{}
		if path, script, ok := strings.Cut(text, "="); ok && strings.HasPrefix(path, "/") {
			match.Path, text = path, script
		}
		faults, err := sandbox.ParseScript(text)
		if err != nil {
			return config.Usagef("--fault: %w", err)
		}
		server.Script(match, faults...)
	}
	return nil
}
