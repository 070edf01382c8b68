package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/hogcast/hogcast/pkg/admin"
	"github.com/hogcast/hogcast/pkg/app"
	"github.com/hogcast/hogcast/pkg/config"
	"github.com/hogcast/hogcast/pkg/deadletter"
	"github.com/hogcast/hogcast/pkg/queue"
)

type deadCommand struct {
	List   deadList   `cmd:"" help:"List dead letters, or count them by what they share."`
	Show   deadShow   `cmd:"" help:"Show one dead letter with its record."`
	Export deadExport `cmd:"" help:"Write dead letters with their records, a line of JSON each."`
	Drop   deadDrop   `cmd:"" help:"Delete dead letters for good."`
}

// deadFilter chooses letters.
type deadFilter struct {
	Tenant      string `placeholder:"NAME" help:"Letters of this tenant; _ for those whose tenant could not be told."`
	Destination string `placeholder:"NAME" help:"Letters of this destination; _ for those of no destination."`
	Reason      string `placeholder:"REASON" help:"Letters of this reason, such as malformed or dropped."`
	RecordID    string `placeholder:"ID" help:"Letters of this record."`
	Text        string `placeholder:"TEXT" help:"Letters whose field or detail, with PostHog's last answer, holds this text."`
	Since       string `placeholder:"AGE|TIME" help:"Letters buried since then: 90m, 24h, 7d or 2026-01-02T15:04:05Z."`
	Until       string `placeholder:"AGE|TIME" help:"Letters buried before then."`
}

func (f deadFilter) filter() (deadletter.Filter, error) {
	out := deadletter.Filter{Tenant: f.Tenant, Destination: f.Destination, Reason: f.Reason, RecordID: f.RecordID, Text: f.Text}
	now := time.Now()
	var errs []error
	for flag, m := range map[string]struct {
		text string
		into *time.Time
	}{"since": {f.Since, &out.Since}, "until": {f.Until, &out.Until}} {
		t, err := moment(m.text, now)
		if err != nil {
			errs = append(errs, fmt.Errorf("--%s: %w", flag, err))
		}
		*m.into = t
	}
	if err := errors.Join(append(errs, out.Validate())...); err != nil {
		return out, &config.UsageError{Err: err}
	}
	return out, nil
}

// moment reads a time, or an age before now; "" is the zero time.
func moment(text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if t, err := time.Parse(time.RFC3339, text); err == nil {
		return t, nil
	}
	age, err := time.ParseDuration(text)
	if days, ok := strings.CutSuffix(text, "d"); ok {
		var n float64
		n, err = strconv.ParseFloat(days, 64)
		age = time.Duration(n * float64(24*time.Hour))
	}
	if err != nil || age <= 0 {
		return time.Time{}, fmt.Errorf("%q is neither an age such as 90m, 24h or 7d nor a time such as 2026-01-02T15:04:05Z", text)
	}
	return now.Add(-age), nil
}

type deadList struct {
	NATS   config.NATS `embed:"" prefix:"nats-" group:"NATS:"`
	Filter deadFilter  `embed:""`

	By     string `placeholder:"WHAT" env:"-" enum:",tenant,destination,reason,cause" default:"" help:"Count by tenant, destination, reason or cause instead of listing."`
	Limit  int    `default:"100" help:"Lines at most; 0 for all."`
	Oldest bool   `env:"-" help:"The oldest first, not the newest."`
	JSON   bool   `name:"json" help:"A line of JSON for each."`
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
			Filter: filter, By: c.By, Limit: c.Limit, Oldest: c.Oldest, JSON: c.JSON, Out: system.Stdout,
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
		if errors.Is(err, queue.ErrNoMessage) {
			return fmt.Errorf("there is no letter %d: dropped, replayed, or older than is kept", c.Sequence)
		}
		if err != nil {
			return err
		}
		shown, err := admin.DescribeLetter(letter)
		if err != nil {
			return err
		}
		return indentedJSON(system.Stdout, shown)
	})
}

func withLetters(ctx context.Context, n config.NATS, sources *config.Sources, use func(*deadletter.Reader) error) error {
	return withConn(ctx, n, sources, func(conn *queue.Conn) error {
		if err := use(deadletter.NewReader(conn)); err != nil {
			return fmt.Errorf("dead letters: %w", err)
		}
		return nil
	})
}

func withConn(ctx context.Context, n config.NATS, sources *config.Sources, use func(*queue.Conn) error) error {
	nats, err := app.ConnectConfig(n, sources)
	if err != nil {
		return err
	}
	conn, err := queue.Connect(ctx, nats)
	if err != nil {
		return err
	}
	defer conn.Close()
	return conn.Explain(use(conn))
}
