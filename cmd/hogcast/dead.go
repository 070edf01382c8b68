package main

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/hogcast/hogcast/pkg/admin"
	"github.com/hogcast/hogcast/pkg/app"
	"github.com/hogcast/hogcast/pkg/config"
	"github.com/hogcast/hogcast/pkg/deadletter"
	"github.com/hogcast/hogcast/pkg/queue"
)

type deadCommand struct {
	List deadList `cmd:"" help:"List dead letters, or count them by what they share."`
	Show deadShow `cmd:"" help:"Show one dead letter with its record."`
}

// deadFilter chooses letters.
type deadFilter struct {
	Tenant      string        `placeholder:"NAME" help:"Letters of this tenant."`
	Destination string        `placeholder:"NAME" help:"Letters of this destination."`
	Reason      string        `placeholder:"REASON" help:"Letters of this reason, such as malformed or dropped."`
	RecordID    string        `placeholder:"ID" help:"Letters of this record."`
	Text        string        `placeholder:"TEXT" help:"Letters whose detail holds this text."`
	Since       time.Duration `placeholder:"AGE" help:"Letters no older than this, such as 24h."`
	Until       time.Duration `placeholder:"AGE" help:"Letters older than this."`
}

func (f deadFilter) filter() (deadletter.Filter, error) {
	out := deadletter.Filter{Tenant: f.Tenant, Destination: f.Destination, Reason: f.Reason, RecordID: f.RecordID, Text: f.Text}
	now := time.Now()
	if f.Since > 0 {
		out.Since = now.Add(-f.Since)
	}
	if f.Until > 0 {
		out.Until = now.Add(-f.Until)
	}
	if err := out.Validate(); err != nil {
		return out, &config.UsageError{Err: err}
	}
	return out, nil
}

type deadList struct {
	NATS   config.NATS `embed:"" prefix:"nats-" group:"NATS:"`
	Filter deadFilter  `embed:""`

	By    string `placeholder:"WHAT" enum:",tenant,destination,reason,cause" default:"" help:"Count by tenant, destination, reason or cause instead of listing."`
	Limit int    `default:"100" help:"Letters that are listed at most; 0 for all."`
	JSON  bool   `name:"json" help:"A line of JSON for each."`
}

// Examples are shown in the help.
func (*deadList) Examples() string {
	return `hogcast dead list --by cause
hogcast dead list --tenant acme --reason dropped --since 24h
hogcast dead list --json --limit 0 | jq -r .record_id`
}

// Run lists or counts.
func (c *deadList) Run(ctx context.Context, system *config.System, sources *config.Sources) error {
	filter, err := c.Filter.filter()
	if err != nil {
		return err
	}
	return withLetters(ctx, c.NATS, sources, func(reader *deadletter.Reader) error {
		return admin.ListDead(ctx, reader, admin.ListDeadParams{
			Filter: filter, By: c.By, Limit: c.Limit, JSON: c.JSON, Out: system.Stdout,
		})
	})
}

type deadShow struct {
	NATS config.NATS `embed:"" prefix:"nats-" group:"NATS:"`

	Sequence uint64 `arg:"" help:"The letter's number, as listed."`
}

// Examples are shown in the help.
func (*deadShow) Examples() string { return "hogcast dead show 42" }

// Run shows the letter as JSON.
func (c *deadShow) Run(ctx context.Context, system *config.System, sources *config.Sources) error {
	return withLetters(ctx, c.NATS, sources, func(reader *deadletter.Reader) error {
		letter, err := reader.Get(ctx, c.Sequence)
		if err != nil {
			return err
		}
		shown, err := admin.DescribeLetter(letter)
		if err != nil {
			return err
		}
		enc := json.NewEncoder(system.Stdout)
		enc.SetIndent("", "  ")
		enc.SetEscapeHTML(false)
		return enc.Encode(shown)
	})
}

func withLetters(ctx context.Context, n config.NATS, sources *config.Sources, use func(*deadletter.Reader) error) error {
	nats, err := app.ConnectConfig(n, sources)
	if err != nil {
		return err
	}
	conn, err := queue.Connect(ctx, nats)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := use(deadletter.NewReader(conn)); err != nil {
		return fmt.Errorf("dead letters: %w", err)
	}
	return nil
}
