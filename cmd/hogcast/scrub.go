package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/hogcast/hogcast/pkg/audit"
	"github.com/hogcast/hogcast/pkg/config"
	"github.com/hogcast/hogcast/pkg/destination"
	"github.com/hogcast/hogcast/pkg/queue"
	"github.com/hogcast/hogcast/pkg/scrub"
)

type scrubCommand struct {
	Status scrubStatus `cmd:"" default:"withargs" help:"Show the scrubs, and how far they are."`
	Start  scrubStart  `cmd:"" help:"Have a worker scrub a destination again."`
	Cancel scrubCancel `cmd:"" help:"End a scrub; what it has not rewritten yet stays as it is until it is sent or shown."`
}

// Examples are shown in the help.
func (*scrubCommand) Examples() string {
	return `hogcast scrub                       # a worker starts one by itself when privacy rules become stricter
hogcast scrub start acme.main       # and waits until it is done
hogcast scrub cancel acme.main`
}

// scrubOf names what is scrubbed.
type scrubOf struct {
	NATS    config.NATS `embed:"" prefix:"nats-" group:"NATS:"`
	who     `embed:""`
	oneFlag `embed:""`
}

// with runs use with the jobs, and leaves a note of what was done.
func (c *scrubOf) with(ctx context.Context, system *config.System, sources *config.Sources, use func(*scrub.Jobs, destination.ID, string) error, action audit.Action) error {
	id, err := c.id()
	if err != nil {
		return err
	}
	by, err := c.check(system)
	if err != nil {
		return err
	}
	return withConn(ctx, c.NATS, sources, func(conn *queue.Conn) error {
		jobs, err := openScrubs(ctx, conn)
		if err != nil {
			return err
		}
		deeds{conn, by, system}.note(ctx, audit.Record{Action: action, Tenant: id.Tenant, Destination: id.Name})
		return use(jobs, id, by)
	})
}

func openScrubs(ctx context.Context, conn *queue.Conn) (*scrub.Jobs, error) {
	bucket, err := conn.Bucket(ctx, queue.BucketJobs)
	if err != nil {
		return nil, err
	}
	return scrub.NewJobs(bucket), nil
}

type scrubStart struct {
	scrubOf `embed:""`
	NoWait  bool `env:"-" help:"Ask for it and leave."`
	Quiet   bool `short:"q" help:"No progress."`
}

// Run asks for a scrub, and waits for its end.
func (c *scrubStart) Run(ctx context.Context, system *config.System, sources *config.Sources) error {
	return c.with(ctx, system, sources, func(jobs *scrub.Jobs, id destination.ID, by string) error {
		job, err := jobs.Ask(ctx, id, by)
		if err != nil || c.NoWait {
			return err
		}
		p := newProgress(system, c.Quiet, "scrubbing")
		for job.State == scrub.Wanted || job.State == scrub.Running {
			select {
			case <-ctx.Done():
				return context.Cause(ctx)
			case <-time.After(500 * time.Millisecond):
			}
			if job, _, err = jobs.Get(ctx, id); err != nil {
				return err
			}
			p.total(job.Total)
			p.set(int64(job.Looked)) //nolint:gosec // no stream has 2⁶³ messages
		}
		p.end()
		return scrub.WriteJobs(system.Stdout, []scrub.Job{job}, time.Now())
	}, audit.ScrubStarted)
}

type scrubCancel struct {
	scrubOf `embed:""`
}

// Run ends a scrub.
func (c *scrubCancel) Run(ctx context.Context, system *config.System, sources *config.Sources) error {
	return c.with(ctx, system, sources, func(jobs *scrub.Jobs, id destination.ID, _ string) error {
		job, err := jobs.Cancel(ctx, id)
		if err == nil {
			_, err = fmt.Fprintf(system.Stdout, "scrub of %s: %s\n", id, job.State)
		}
		return err
	}, audit.ScrubCancelled)
}

type scrubStatus struct {
	NATS config.NATS `embed:"" prefix:"nats-" group:"NATS:"`
	JSON bool        `name:"json" help:"A line of JSON for each."`
}

// Run shows the scrubs.
func (c *scrubStatus) Run(ctx context.Context, system *config.System, sources *config.Sources) error {
	return withConn(ctx, c.NATS, sources, func(conn *queue.Conn) error {
		jobs, err := openScrubs(ctx, conn)
		if err != nil {
			return err
		}
		all, err := jobs.List(ctx)
		if err != nil || !c.JSON {
			return errors.Join(err, scrub.WriteJobs(system.Stdout, all, time.Now()))
		}
		for _, j := range all {
			if err := json.NewEncoder(system.Stdout).Encode(j); err != nil {
				return err
			}
		}
		return nil
	})
}
