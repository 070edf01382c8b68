package main

import (
	"context"
	"errors"
	"os"
	"os/user"
	"strings"
	"time"

	"github.com/hogcast/hogcast/pkg/admin"
	"github.com/hogcast/hogcast/pkg/app"
	"github.com/hogcast/hogcast/pkg/audit"
	"github.com/hogcast/hogcast/pkg/config"
	"github.com/hogcast/hogcast/pkg/destination"
	"github.com/hogcast/hogcast/pkg/posthog"
	"github.com/hogcast/hogcast/pkg/queue"
	"github.com/hogcast/hogcast/pkg/registry"
)

type destinationsCommand struct {
	List    destinationsList    `cmd:"" help:"List destinations, how they do, and entries that are bad."`
	Get     destinationsGet     `cmd:"" help:"Show one destination, or its history."`
	Put     destinationsPut     `cmd:"" help:"Create or change a destination; saved only if its test is passed."`
	Test    destinationsTest    `cmd:"" help:"Test Connection of a destination, stored or not yet."`
	Enable  destinationsEnable  `cmd:"" help:"Send events to a destination again that is disabled."`
	Disable destinationsDisable `cmd:"" help:"Send no events to a destination: what comes for it is filtered."`
	Pause   destinationsPause   `cmd:"" help:"Hold what comes for a destination until it is resumed."`
	Resume  destinationsResume  `cmd:"" help:"End a pause, or try a destination now that is not healthy."`
	Delete  destinationsDelete  `cmd:"" help:"Delete a destination, and say what becomes of what is held for it."`
	Export  destinationsExport  `cmd:"" help:"Write destinations as a file."`
	Apply   destinationsApply   `cmd:"" help:"Make the bucket hold what a file says."`
	Diff    destinationsDiff    `cmd:"" help:"Show what apply would change."`
}

// Examples are shown in the help.
func (*destinationsCommand) Examples() string {
	return `hogcast destinations list --tenant acme
hogcast destinations put acme.main --api-key-file key.txt --endpoint eu
hogcast destinations apply -f destinations.yaml --dry-run`
}

// exitUndecided is the exit code where nobody can tell: test again.
const exitUndecided = 3

// bucketFlags reach the destinations in the bucket.
type bucketFlags struct {
	NATS    config.NATS    `embed:"" prefix:"nats-" group:"NATS:"`
	Secrets config.Secrets `embed:"" prefix:"secrets-" group:"Secrets:"`
}

// who says who does something, for the audit trail.
type who struct {
	By string `placeholder:"NAME" help:"Who does this, for the audit trail; default $USER@host."`
}

func (w who) name(system *config.System) string {
	if w.By != "" {
		return w.By
	}
	name := "unknown"
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	for _, variable := range []string{"LOGNAME", "USER"} {
		for _, pair := range system.Env {
			if value, ok := strings.CutPrefix(pair, variable+"="); ok && value != "" {
				name = value
			}
		}
	}
	if host, err := os.Hostname(); err == nil {
		return name + "@" + host
	}
	return name
}

// check judges the name before anything is done by it.
func (w who) check(system *config.System) (string, error) {
	name := w.name(system)
	if err := audit.CheckBy(name); err != nil {
		return "", config.Usagef("--%w", err)
	}
	return name, nil
}

// egressFlags are those of workers that decide where a test may connect.
type egressFlags struct {
	Egress         config.Egress `embed:"" prefix:"egress-" group:"Where it may connect:"`
	RequestTimeout time.Duration `default:"10s" help:"Time of one request of a test."`
}

func (e egressFlags) sender() (*posthog.Sender, error) {
	allow, err := e.Egress.Networks()
	if err != nil {
		return nil, err
	}
	proxy, err := e.Egress.ProxyURL()
	if err != nil {
		return nil, err
	}
	sender, err := posthog.NewSender(posthog.Config{
		RequestTimeout: e.RequestTimeout, EgressAllow: allow, EgressProxy: proxy, EgressProxyResolves: e.Egress.ProxyResolves,
		UserAgent: "hogcast/" + app.Version,
	})
	if err != nil {
		return nil, &config.UsageError{Err: err}
	}
	return sender, nil
}

// operator is what a command has in hand.
type operator struct {
	bucket bucketFlags
	by     who
	egress *egressFlags // nil: nothing is tested
}

// with connects, and calls use.
func (o operator) with(ctx context.Context, system *config.System, sources *config.Sources, use func(*admin.Destinations) error) error {
	by, err := o.by.check(system)
	if err != nil {
		return err
	}
	secrets, err := app.SecretsOf(o.bucket.Secrets)
	if err != nil {
		return err
	}
	d := &admin.Destinations{Keys: secrets.Keys, By: by, Out: system.Stdout, Notes: system.Stderr}
	if o.egress != nil {
		sender, err := o.egress.sender()
		if err != nil {
			return err
		}
		defer sender.Close()
		d.Tester = sender
	}
	return withConn(ctx, o.bucket.NATS, sources, func(conn *queue.Conn) error {
		d.Conn, d.Trail = conn, audit.New(conn.Log())
		d.Store, err = registry.OpenStore(ctx, registry.StoreParams{Conn: conn, Keys: secrets.Keys, AllowPlain: secrets.AllowPlain})
		if err != nil {
			return err
		}
		return exitOf(use(d))
	})
}

// exitOf gives the errors their exit codes. Those of tests, and that some of it
// has failed, were told already.
func exitOf(err error) error {
	switch {
	case errors.Is(err, admin.ErrTestUndecided):
		return &config.ExitError{Code: exitUndecided}
	case errors.Is(err, admin.ErrTestFailed), errors.Is(err, admin.ErrSome):
		return &config.ExitError{Code: config.ExitFailed}
	}
	return err
}

// oneFlag names one destination.
type oneFlag struct {
	Destination string `arg:"" name:"destination" help:"TENANT.NAME, or TENANT for its destination \"default\"."`
}

func (o oneFlag) id() (destination.ID, error) {
	id, err := admin.ParseID(o.Destination)
	if err != nil {
		return id, &config.UsageError{Err: err}
	}
	return id, nil
}

// changeFlags are shared by all that change one destination.
type changeFlags struct {
	bucketFlags `embed:""`
	who         `embed:""`
	Revision    *uint64 `env:"-" placeholder:"N" help:"The revision that you have seen; refused where somebody has changed it since."`
	oneFlag     `embed:""`
}

func (c *changeFlags) set(ctx context.Context, system *config.System, sources *config.Sources, use func(*admin.Destinations, admin.SetParams) error) error {
	id, err := c.id()
	if err != nil {
		return err
	}
	o := operator{bucket: c.bucketFlags, by: c.who}
	return o.with(ctx, system, sources, func(d *admin.Destinations) error {
		return use(d, admin.SetParams{ID: id, Revision: c.Revision})
	})
}

// asks is how somebody is asked before what can't be undone.
type asks struct {
	Yes bool `env:"-" help:"Don't ask; needed where nobody can be asked."`
}

// possible refuses before anything is done what nobody could be asked about.
func (a asks) possible(system *config.System) error {
	if !a.Yes && !config.IsTerminal(system.Stdin) {
		return config.Usagef("nobody can be asked here: --yes does it without asking")
	}
	return nil
}

func (a asks) confirm(ctx context.Context, system *config.System) admin.Confirm {
	if a.Yes {
		return nil
	}
	return func(question string) error {
		if !config.IsTerminal(system.Stdin) {
			return config.Usagef("nobody can be asked here: --yes does it without asking")
		}
		return ask(ctx, system, question)
	}
}
