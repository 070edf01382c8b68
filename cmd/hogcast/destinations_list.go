package main

import (
	"context"
	"time"

	"github.com/hogcast/hogcast/pkg/admin"
	"github.com/hogcast/hogcast/pkg/config"
)

type destinationsList struct {
	bucketFlags `embed:""`

	Tenant string `placeholder:"NAME" env:"-" help:"Destinations of this tenant; _ for the defaults of all."`
	Output string `short:"o" enum:"table,json,yaml" default:"table" env:"-" help:"Form: ${enum}; json is a line for each. Secrets are masked in all."`
}

// Examples are shown in the help.
func (*destinationsList) Examples() string {
	return `hogcast destinations list
hogcast destinations list --tenant acme -o yaml
hogcast destinations list -o json | jq -r 'select(.held > 0) | .tenant'`
}

// Run lists.
func (c *destinationsList) Run(ctx context.Context, system *config.System, sources *config.Sources) error {
	if err := tenantFlag(c.Tenant); err != nil {
		return err
	}
	o := operator{bucket: c.bucketFlags}
	return o.with(ctx, system, sources, func(d *admin.Destinations) error {
		return d.List(ctx, admin.ListParams{Tenant: c.Tenant, Format: admin.Format(c.Output), Now: time.Now()})
	})
}

type destinationsGet struct {
	bucketFlags `embed:""`

	Output   string `short:"o" enum:"yaml,json" default:"yaml" env:"-" help:"Form: ${enum}. Secrets are masked in both."`
	History  bool   `env:"-" help:"Its last ten revisions: who, when, what."`
	Revision uint64 `env:"-" placeholder:"N" help:"An earlier revision, such as --history shows."`
	oneFlag  `embed:""`
}

// Help is shown below the command's synopsis.
func (*destinationsGet) Help() string {
	return `The YAML can be given back: what is masked in it stays as it is stored.`
}

// Examples are shown in the help.
func (*destinationsGet) Examples() string {
	return `hogcast destinations get acme.main > main.yaml    # edit it, then
hogcast destinations put -f main.yaml
hogcast destinations get acme.main --history
hogcast destinations get acme.main -o json | jq .revision
hogcast destinations get acme.main -o json | jq '.destination | .paused = true' | hogcast destinations put -f -`
}

// Run shows.
func (c *destinationsGet) Run(ctx context.Context, system *config.System, sources *config.Sources) error {
	id, err := c.id()
	if err != nil {
		return err
	}
	o := operator{bucket: c.bucketFlags}
	return o.with(ctx, system, sources, func(d *admin.Destinations) error {
		return d.Show(ctx, admin.ShowParams{ID: id, Revision: c.Revision, History: c.History, Format: admin.Format(c.Output)})
	})
}
