package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/hogcast/hogcast/pkg/app"
	"github.com/hogcast/hogcast/pkg/config"
	"github.com/hogcast/hogcast/pkg/destination"
	"github.com/hogcast/hogcast/pkg/sandbox"
)

// realPostHog are the settings of a real PostHog in the sandbox's place. They
// go by the names that PostHog's own tools use.
type realPostHog struct {
	PosthogAPIKey config.Secret `name:"posthog-api-key" env:"POSTHOG_API_KEY" placeholder:"phc_…" help:"Deliver to this PostHog project instead of the stand-in; better given by the environment than on a command line."`
	PosthogHost   string        `name:"posthog-host" env:"POSTHOG_HOST" default:"us" help:"Where that project is: us, eu or a URL."`
}

func (r realPostHog) apply(c *app.DevConfig) error {
	if r.PosthogAPIKey.Empty() {
		return nil
	}
	if err := destination.CheckAPIKey(r.PosthogAPIKey.Reveal()); err != nil {
		return config.Usagef("POSTHOG_API_KEY: %w", err)
	}
	endpoint, err := destination.ParseEndpoint(r.PosthogHost)
	if err != nil {
		return config.Usagef("POSTHOG_HOST: %w", err)
	}
	c.APIKey, c.Endpoint = r.PosthogAPIKey.Reveal(), endpoint
	return nil
}

type devCommand struct {
	Log  config.Log  `embed:"" prefix:"log-" group:"Logging:"`
	Real realPostHog `embed:""`

	Data     string `default:"hogcast-data" placeholder:"DIR" help:"Folder that keeps the queue and the destinations."`
	NATSPort int    `name:"nats-port" default:"4222" help:"Port of the embedded NATS."`
	Listen   string `default:"127.0.0.1:8080" placeholder:"ADDR" help:"Address of /livez, /readyz and /metrics; - for none."`
	Sandbox  string `default:"127.0.0.1:8010" placeholder:"ADDR" help:"Address of the stand-in for PostHog."`
}

// Examples are shown in the help.
func (*devCommand) Examples() string {
	return `hogcast dev --data ./hogcast-data
publisher send --tenant demo records.ndjson    # in another terminal
POSTHOG_API_KEY=phc_... hogcast dev`
}

// Run runs development mode until it is told to stop.
func (c *devCommand) Run(ctx context.Context, system *config.System) error {
	if err := os.MkdirAll(c.Data, 0o700); err != nil {
		return err
	}
	dev := app.DevConfig{
		Data: c.Data, NATSPort: c.NATSPort, SandboxListen: c.Sandbox, Listen: c.Listen, Version: app.Version,
		Logger:  config.NewLogger(c.Log, system.Stderr, config.IsTerminal(system.Stderr)),
		OnEvent: func(t sandbox.Taken) { printTaken(system.Stdout, t) },
		Ready:   func(d app.Dev) { c.greet(system.Stdout, d) },
	}
	if dev.Listen == "-" {
		dev.Listen = ""
	}
	if err := c.Real.apply(&dev); err != nil {
		return err
	}
	return app.RunDev(ctx, dev)
}

func (c *devCommand) greet(out io.Writer, d app.Dev) {
	fmt.Fprintf(out, `hogcast runs in one process; Ctrl-C stops it, %s keeps its data.
  NATS          %s
  PostHog       %s
  destinations  %s  (edit it while this runs)
  probes        http://%s/readyz  /metrics
Publish records of tenant %q:
  publisher send --nats-url %s --tenant %s records.ndjson

`, c.Data, d.NATS, d.PostHog, d.Destinations, d.Probes, app.DevTenant, d.NATS, app.DevTenant)
}

// printTaken shows an event in one line; its content stays unsaid.
func printTaken(out io.Writer, t sandbox.Taken) {
	fmt.Fprintf(out, "%s  %s  %s  distinct_id=%q  uuid=%s  %d bytes  %s\n", t.ReceivedAt.Format(time.TimeOnly), t.APIKey, t.Event, t.DistinctID, t.UUID, len(t.Properties), t.Path)
}

type demoCommand struct {
	Real    realPostHog   `embed:""`
	Timeout time.Duration `default:"1m" help:"How long the records may take to arrive."`
}

// Examples are shown in the help.
func (*demoCommand) Examples() string {
	return `hogcast demo
POSTHOG_API_KEY=phc_... POSTHOG_HOST=eu hogcast demo`
}

// Run shows the demonstration.
func (c *demoCommand) Run(ctx context.Context, system *config.System) error {
	demo := app.DemoConfig{
		Out: system.Stdout, Timeout: c.Timeout,
		Dev: app.DevConfig{Version: app.Version, Logger: config.NewLogger(config.Log{Level: "warn", Format: "console"}, system.Stderr, false)},
	}
	if err := c.Real.apply(&demo.Dev); err != nil {
		return err
	}
	return app.RunDemo(ctx, demo)
}
