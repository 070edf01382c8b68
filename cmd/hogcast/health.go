package main

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/hogcast/hogcast/pkg/admin"
	"github.com/hogcast/hogcast/pkg/audit"
	"github.com/hogcast/hogcast/pkg/config"
	"github.com/hogcast/hogcast/pkg/queue"
)

type healthCommand struct {
	NATS config.NATS `embed:"" prefix:"nats-" group:"NATS:"`

	Tenant string `placeholder:"NAME" help:"Destinations of this tenant."`
	JSON   bool   `name:"json" help:"A line of JSON for each."`
}

// Examples are shown in the help.
func (*healthCommand) Examples() string {
	return `hogcast health
hogcast health --tenant acme
hogcast health --json | jq 'select(.state == "held")'`
}

// Run shows the destinations that are not healthy.
func (c *healthCommand) Run(ctx context.Context, system *config.System, sources *config.Sources) error {
	if err := tenantFlag(c.Tenant); err != nil {
		return err
	}
	return withConn(ctx, c.NATS, sources, func(conn *queue.Conn) error {
		return admin.Health(ctx, conn, admin.HealthParams{Tenant: c.Tenant, JSON: c.JSON, Now: time.Now(), Out: system.Stdout})
	})
}

type guardCommand struct {
	Release guardRelease `cmd:"" help:"Take the poison guard off for an hour: what it holds is tried again."`
}

type guardRelease struct {
	NATS config.NATS `embed:"" prefix:"nats-" group:"NATS:"`
	who  `embed:""`

	Cause       string `placeholder:"TEXT" help:"Only for this cause, as \"hogcast health\" shows it."`
	Destination string `placeholder:"TENANT.NAME" help:"Only the guard of this destination."`
	All         bool   `help:"Every guard that is on."`
}

// Examples are shown in the help.
func (*guardRelease) Examples() string {
	return `hogcast guard release --destination acme.main
hogcast guard release --cause 'dropped_by_server ai_event_too_big'
hogcast guard release --all`
}

// Run releases guards.
func (c *guardRelease) Run(ctx context.Context, system *config.System, sources *config.Sources) error {
	p := admin.ReleaseGuardParams{Cause: c.Cause, Now: time.Now(), Out: system.Stdout}
	if c.Destination != "" {
		if !strings.Contains(c.Destination, ".") {
			return config.Usagef("--destination: %q is not TENANT.NAME", c.Destination)
		}
		id, err := admin.ParseID(c.Destination)
		if err != nil {
			return config.Usagef("--destination: %w", err)
		}
		p.Tenant, p.Destination = id.Tenant, id.Name
	}
	if given := c.Cause != "" || c.Destination != ""; given == c.All {
		return &config.UsageError{Err: errors.New("say which guard: --destination, --cause, or --all")}
	}
	by, err := c.check(system)
	if err != nil {
		return err
	}
	return withConn(ctx, c.NATS, sources, func(conn *queue.Conn) error {
		err := admin.ReleaseGuard(ctx, conn, p)
		if err == nil {
			deeds{conn, by, system}.note(ctx, c.record(p))
		}
		return err
	})
}

func (c *guardRelease) record(p admin.ReleaseGuardParams) audit.Record {
	note := "every guard"
	if c.Cause != "" {
		note = "cause: " + c.Cause
	}
	if p.Tenant != "" {
		note = "of this destination"
	}
	return audit.Record{Action: audit.GuardReleased, Tenant: p.Tenant, Destination: p.Destination, Note: note}
}
