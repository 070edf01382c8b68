package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hogcast/hogcast/pkg/admin"
	"github.com/hogcast/hogcast/pkg/audit"
	"github.com/hogcast/hogcast/pkg/config"
	"github.com/hogcast/hogcast/pkg/queue"
)

type auditCommand struct {
	NATS config.NATS `embed:"" prefix:"nats-" group:"NATS:"`

	Tenant      string   `placeholder:"NAME" env:"-" help:"What was done to this tenant's."`
	Destination string   `placeholder:"NAME" env:"-" help:"What was done to this destination; NAME with --tenant, or TENANT.NAME."`
	Since       string   `default:"7d" placeholder:"AGE|TIME" env:"-" help:"What was done since then: 90m, 24h, 7d or 2026-01-02T15:04:05Z. A year is kept."`
	Until       string   `placeholder:"AGE|TIME" env:"-" help:"What was done before then."`
	By          string   `placeholder:"NAME" env:"-" help:"What this person has done."`
	Action      []string `placeholder:"ACTION" env:"-" help:"Only this, such as destination_updated; may be repeated."`
	Output      string   `short:"o" enum:"text,json" default:"text" env:"-" help:"Form: ${enum}; json is a line for each."`
}

// Help is shown below the command's synopsis.
func (*auditCommand) Help() string {
	names := make([]string, 0, len(audit.Actions()))
	for _, a := range audit.Actions() {
		names = append(names, string(a))
	}
	return `Newest last. Secrets are masked. Actions: ` + strings.Join(names, ", ") + `.`
}

// Examples are shown in the help.
func (*auditCommand) Examples() string {
	return `hogcast audit --since 24h
hogcast audit --destination acme.main --since 365d
hogcast audit --action secrets_revealed -o json`
}

// Run shows the trail.
func (c *auditCommand) Run(ctx context.Context, system *config.System, sources *config.Sources) error {
	query, err := c.query()
	if err != nil {
		return &config.UsageError{Err: err}
	}
	return withConn(ctx, c.NATS, sources, func(conn *queue.Conn) error {
		return admin.Audit(ctx, audit.New(conn.Log()), admin.AuditParams{Query: query, JSON: c.Output == "json", Within: c.Since, Out: system.Stdout})
	})
}

func (c *auditCommand) query() (q audit.Query, err error) {
	q = audit.Query{Tenant: c.Tenant, Destination: c.Destination, By: c.By}
	if tenant, name, ok := strings.Cut(c.Destination, "."); ok {
		if c.Tenant != "" && c.Tenant != tenant {
			return q, fmt.Errorf("--destination: %q is none of tenant %q", c.Destination, c.Tenant)
		}
		q.Tenant, q.Destination = tenant, name
	}
	for flag, name := range map[string]string{"tenant": q.Tenant, "destination": q.Destination} {
		if name != "" {
			if _, err := admin.ParseID(name + ".x"); err != nil {
				return q, fmt.Errorf("--%s: %q is no name", flag, name)
			}
		}
	}
	for _, a := range c.Action {
		if !slices.Contains(audit.Actions(), audit.Action(a)) {
			return q, fmt.Errorf("--action: %q is none of %s", a, strings.TrimSuffix(strings.TrimPrefix(c.Help(), "Newest last. Secrets are masked. Actions: "), "."))
		}
		q.Actions = append(q.Actions, audit.Action(a))
	}
	now := time.Now()
	if q.Since, err = moment(c.Since, now); err != nil {
		return q, fmt.Errorf("--since: %w", err)
	}
	if q.Until, err = moment(c.Until, now); err != nil {
		return q, fmt.Errorf("--until: %w", err)
	}
	return q, nil
}
