package main

import (
	"context"
	"errors"

	"github.com/hogcast/hogcast/pkg/admin"
	"github.com/hogcast/hogcast/pkg/config"
)

// fileFlags are shared by apply and diff.
type fileFlags struct {
	File   string `short:"f" type:"string" required:"" env:"-" placeholder:"FILE|DIR" help:"Destinations, a YAML file or a folder of them; - is standard input."`
	Tenant string `placeholder:"NAME" env:"-" help:"Only this tenant's."`
	Prune  bool   `env:"-" help:"Delete destinations that are not in the file: of --tenant, or of all tenants."`
	Output string `short:"o" enum:"text,json" default:"text" env:"-" help:"Form: ${enum}; json is a line for each destination."`
}

func (f *fileFlags) params(system *config.System) (admin.ApplyParams, error) {
	if err := tenantFlag(f.Tenant); err != nil {
		return admin.ApplyParams{}, err
	}
	loaded, err := loadUpdates(system, f.File)
	if err != nil {
		return admin.ApplyParams{}, &config.UsageError{Err: err}
	}
	return admin.ApplyParams{Loaded: loaded, Tenant: f.Tenant, Prune: f.Prune, JSON: f.Output == "json"}, nil
}

type destinationsApply struct {
	bucketFlags `embed:""`
	egressFlags `embed:""`
	who         `embed:""`
	fileFlags   `embed:""`
	asks        `embed:""`

	DryRun bool `env:"-" help:"Show the differences, and change nothing."`
	Test   bool `env:"-" help:"With --dry-run: test what would be tested."`
	NoTest bool `env:"-" help:"Save without Test Connection; the audit trail tells."`
}

// Help is shown below the command's synopsis.
func (*destinationsApply) Help() string {
	return `Shows the differences (+ new, ~ changed, - deleted), tests each destination that is new or has another key or endpoint, and saves those that pass; ` +
		`one that does not keeps none of the others. Secrets that are masked or left out stay as they are stored. ` +
		`Nothing is pruned while an entry of the file can't be read. Exit codes: 0 all is as the file says, 1 something failed, 2 usage.`
}

// Examples are shown in the help.
func (*destinationsApply) Examples() string {
	return `hogcast destinations apply -f destinations.yaml --dry-run --test
hogcast destinations apply -f destinations/ --by "$CI_JOB_URL"
hogcast destinations apply -f acme.yaml --tenant acme --prune --yes`
}

// Run applies.
func (c *destinationsApply) Run(ctx context.Context, system *config.System, sources *config.Sources) error {
	p, err := c.params(system)
	switch {
	case err != nil:
		return err
	case c.Test && (c.NoTest || !c.DryRun):
		return config.Usagef("--test goes with --dry-run; without it what changes is tested anyhow")
	case c.Prune && !c.DryRun && !c.Yes && (c.File == "-" || !config.IsTerminal(system.Stdin)):
		return config.Usagef("nobody can be asked here: --yes prunes without asking, --dry-run only shows")
	}
	p.DryRun, p.Test, p.NoTest, p.Confirm = c.DryRun, c.Test, c.NoTest, c.confirm(ctx, system)
	o := operator{bucket: c.bucketFlags, by: c.who, egress: &c.egressFlags}
	return o.with(ctx, system, sources, func(d *admin.Destinations) error {
		_, err := d.Apply(ctx, p)
		return err
	})
}

type destinationsDiff struct {
	bucketFlags `embed:""`
	fileFlags   `embed:""`
}

// Help is shown below the command's synopsis.
func (*destinationsDiff) Help() string {
	return `Changes and tests nothing. Exit codes: 0 nothing differs, 1 something does, 2 usage, or an entry of the file is bad, 3 it could not be told.`
}

// Examples are shown in the help.
func (*destinationsDiff) Examples() string {
	return `hogcast destinations diff -f destinations.yaml
hogcast destinations diff -f acme.yaml --tenant acme --prune`
}

// Run shows the differences.
func (c *destinationsDiff) Run(ctx context.Context, system *config.System, sources *config.Sources) error {
	p, err := c.params(system)
	if err != nil {
		return err
	}
	p.DryRun = true
	var found admin.Differences
	err = operator{bucket: c.bucketFlags}.with(ctx, system, sources, func(d *admin.Destinations) (err error) {
		found, err = d.Apply(ctx, p)
		return err
	})
	_, usage := errors.AsType[*config.UsageError](err)
	switch {
	case usage:
		return err
	case found.Failed > 0:
		return &config.ExitError{Code: config.ExitUsage}
	case err != nil:
		return &config.ExitError{Code: exitUndecided, Err: err}
	case found.Any():
		return &config.ExitError{Code: config.ExitFailed}
	}
	return nil
}

type destinationsExport struct {
	bucketFlags `embed:""`
	who         `embed:""`
	asks        `embed:""`

	Tenant        string `placeholder:"NAME" env:"-" help:"Destinations of this tenant."`
	RevealSecrets bool   `env:"-" help:"API keys and hash keys as they are; asked about, and told by the audit trail."`
	Output        string `short:"o" default:"-" placeholder:"FILE" env:"-" help:"A file that does not exist yet; - is standard output."`
}

// Help is shown below the command's synopsis.
func (*destinationsExport) Help() string {
	return `With masked secrets the file can be applied to where it came from, and compared; elsewhere it needs its secrets.`
}

// Examples are shown in the help.
func (*destinationsExport) Examples() string {
	return `hogcast destinations export -o destinations.yaml
hogcast destinations export --tenant acme --reveal-secrets --yes | age -e -R ops.pub > acme.age`
}

// Run exports.
func (c *destinationsExport) Run(ctx context.Context, system *config.System, sources *config.Sources) (err error) {
	if err := tenantFlag(c.Tenant); err != nil {
		return err
	}
	if c.RevealSecrets {
		if err := c.possible(system); err != nil {
			return err
		}
		if err := c.confirm(ctx, system).Ask("Write secrets as they are? The audit trail tells. Type yes: "); err != nil {
			return err
		}
	}
	out, err := openNew(system, c.Output)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	return operator{bucket: c.bucketFlags, by: c.who}.with(ctx, system, sources, func(d *admin.Destinations) error {
		d.Out = out
		return d.Export(ctx, admin.ExportParams{Tenant: c.Tenant, Reveal: c.RevealSecrets})
	})
}
