package main

import (
	"context"
	"errors"

	"github.com/hogcast/hogcast/pkg/app"
	"github.com/hogcast/hogcast/pkg/audit"
	"github.com/hogcast/hogcast/pkg/config"
	"github.com/hogcast/hogcast/pkg/destination"
	"github.com/hogcast/hogcast/pkg/purge"
	"github.com/hogcast/hogcast/pkg/queue"
	"github.com/hogcast/hogcast/pkg/registry"
)

type purgeCommand struct {
	NATS    config.NATS    `embed:"" prefix:"nats-" group:"NATS:"`
	Secrets config.Secrets `embed:"" prefix:"secrets-" group:"Secrets:"`
	who     `embed:""`

	Tenant            string  `required:"" env:"-" placeholder:"NAME" help:"Whose records; without --user everything that is stored of it."`
	User              *string `env:"-" placeholder:"ID" help:"Records of this end user alone: the id as records have it in \"user\"."`
	IncludeUnreadable bool    `env:"-" help:"With --user: also what can't be read, so that nobody can tell whose it is."`
	IncludeHashed     bool    `env:"-" help:"With --user: also what is hashed under a key that is not known here, whosever it is."`
	Overwrite         bool    `env:"-" help:"Without --user: overwrite the records on the disks, one by one. Those of a user always are."`
	Destinations      string  `placeholder:"FILE|DIR" help:"With --user: destinations, where workers have them in files, for their user_hash_key."`
	DryRun            bool    `env:"-" help:"Show what would go, and erase nothing."`
	Yes               bool    `env:"-" help:"Don't ask for the tenant's name; needed where nobody can be asked."`
	Output            string  `short:"o" enum:"text,json" default:"text" env:"-" help:"Form: ${enum}."`
	Quiet             bool    `short:"q" help:"No progress."`
}

// Help is shown below the command's synopsis.
func (*purgeCommand) Help() string {
	return `Counts what is stored, asks, erases, and counts again: generations, held work, dead letters; of a whole tenant also its destinations with their history, ` +
		`their states and jobs. Audit entries stay, and this adds one. What PostHog has got must be erased there. ` +
		`A record that a worker has in hand may be stored anew: disable the destinations first, and run this again until it finds nothing. ` +
		`Exit code 1 where something is left, or may be. See docs/erasure.md.`
}

// Examples are shown in the help.
func (*purgeCommand) Examples() string {
	return `hogcast purge --tenant acme --dry-run
hogcast purge --tenant acme --yes
hogcast purge --tenant acme --user user_12345 --secrets-key-file secrets.keys`
}

// Run erases.
func (c *purgeCommand) Run(ctx context.Context, system *config.System, sources *config.Sources) error {
	params, err := c.params(system)
	if err != nil {
		return err
	}
	by, err := c.check(system)
	if err != nil {
		return err
	}
	secrets, err := app.SecretsOf(c.Secrets)
	if err != nil {
		return err
	}
	files, err := c.files()
	if err != nil {
		return err
	}
	return withConn(ctx, c.NATS, sources, func(conn *queue.Conn) error {
		params.Conn = conn
		if params.User != "" {
			params.Hashes, err = purge.HashesOf(ctx, purge.HashParams{
				Conn: conn, Keys: secrets.Keys, Tenant: params.Tenant, User: params.User, Files: files,
			})
			if err != nil {
				return told("purge", err)
			}
		}
		return told("purge", c.purge(ctx, system, params, by))
	})
}

func (c *purgeCommand) params(system *config.System) (purge.Params, error) {
	p := purge.Params{Tenant: c.Tenant, Unreadable: c.IncludeUnreadable, Hashed: c.IncludeHashed, Overwrite: c.Overwrite}
	switch {
	case c.User != nil && *c.User == "":
		return p, config.Usagef("--user: empty; leave it out for the whole tenant")
	case c.User != nil && c.Overwrite:
		return p, config.Usagef("--overwrite: records of a user always are; it is for whole tenants")
	case c.User == nil && c.Destinations != "":
		return p, config.Usagef("--destinations: only needed with --user; those in files are not erased")
	case !c.Yes && !c.DryRun && !config.IsTerminal(system.Stdin):
		return p, config.Usagef("nobody can be asked here: --yes erases without asking, --dry-run only counts")
	case c.User != nil:
		p.User = *c.User
	}
	if err := p.Validate(); err != nil {
		return p, &config.UsageError{Err: err}
	}
	return p, nil
}

// files are the destinations that workers read from files.
func (c *purgeCommand) files() ([]*destination.Destination, error) {
	if c.Destinations == "" {
		return nil, nil
	}
	loaded, err := registry.Load(c.Destinations)
	if err != nil {
		return nil, config.Usagef("--destinations: %w", err)
	}
	if len(loaded.Problems) > 0 { // one of them may have the key
		return nil, config.Usagef("--destinations: %w", loaded.Problems[0])
	}
	return loaded.Destinations, nil
}

func (c *purgeCommand) purge(ctx context.Context, system *config.System, params purge.Params, by string) error {
	bar := newProgress(system, c.Quiet, "looking")
	defer bar.end()
	params.Progress = func(looked uint64) { bar.set(int64(looked)) } //nolint:gosec // no stream has 2⁶³ messages
	r := purge.RunParams{
		Params: params, Trail: audit.New(params.Conn.Log()), By: by, DryRun: c.DryRun, JSON: c.Output == "json",
		Out: system.Stdout, Notes: system.Stderr,
	}
	if !c.Yes {
		r.Confirm = func(question, answer string) error { return askFor(ctx, system, question, answer) }
	}
	err := purge.Run(ctx, r)
	if errors.Is(err, purge.ErrLeft) {
		return &config.ExitError{Code: config.ExitFailed} // it was told what
	}
	return err
}
