package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"

	"github.com/hogcast/hogcast/pkg/admin"
	"github.com/hogcast/hogcast/pkg/app"
	"github.com/hogcast/hogcast/pkg/config"
	"github.com/hogcast/hogcast/pkg/queue"
	"github.com/hogcast/hogcast/pkg/record"
)

type sendCommand struct {
	NATS config.NATS `embed:"" prefix:"nats-" group:"NATS:"`
	Log  config.Log  `embed:"" prefix:"log-" group:"Logging:"`

	Tenant      string        `required:"" placeholder:"TENANT" help:"Tenant of the records; given to those that name none."`
	MaxInFlight int           `default:"4096" help:"Records that may wait for their acknowledgement at once."`
	Timeout     time.Duration `default:"30s" help:"How long one record may go unacknowledged before it counts as failed."`
	Quiet       bool          `short:"q" help:"No progress bar."`
	File        string        `arg:"" optional:"" default:"-" help:"Records: NDJSON or JSON documents; - is standard input."`
}

// Help is shown below the command's synopsis.
func (*sendCommand) Help() string {
	return `Each record is acknowledged by JetStream or reported on standard error. The exit code is 0 only if every record was acknowledged. ` +
		`Records sent again within two minutes are stored once, by tenant and id. A record that no worker can read is published all the same, with a warning: it is kept as a dead letter.`
}

// Examples are shown in the help.
func (*sendCommand) Examples() string {
	return `publisher send --tenant acme records.ndjson
publisher send --nats-url nats://n1:4222,nats://n2:4222 --tenant acme - < records.ndjson`
}

// Run publishes the records.
func (c *sendCommand) Run(ctx context.Context, system *config.System, sources *config.Sources) error {
	if !record.ValidTenant(c.Tenant) {
		return config.Usagef("--tenant: %q is no name of a tenant: 1–64 letters, digits, _ or -, beginning with a letter or digit", c.Tenant)
	}
	nats, err := app.ConnectConfig(c.NATS, sources)
	if err != nil {
		return err
	}
	in, size, err := c.open(system)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }()
	nats.Name = "hogcast publisher"
	nats.Logger = config.NewLogger(c.Log, system.Stderr, config.IsTerminal(system.Stderr))
	conn, err := queue.Connect(ctx, nats)
	if err != nil {
		return err
	}
	defer conn.Close()
	bar := c.bar(system, size)
	result, err := admin.Send(ctx, admin.SendParams{
		Conn: conn.NATS, Tenant: c.Tenant, MaxInFlight: c.MaxInFlight, Timeout: c.Timeout,
		In: io.TeeReader(in, bar), Errors: system.Stderr,
	})
	if err := bar.Exit(); err != nil {
		return err
	}
	fmt.Fprintln(system.Stdout, result)
	if err == nil && !result.Complete() {
		return &config.ExitError{Code: config.ExitFailed} // each was reported
	}
	return err
}

// open opens the input; size is -1 where it can't be told.
func (c *sendCommand) open(system *config.System) (io.ReadCloser, int64, error) {
	if c.File == "-" {
		return io.NopCloser(system.Stdin), -1, nil
	}
	f, err := os.Open(c.File)
	if err != nil {
		return nil, 0, err
	}
	info, err := f.Stat()
	if err != nil {
		return nil, 0, errors.Join(err, f.Close())
	}
	if !info.Mode().IsRegular() {
		return f, -1, nil
	}
	return f, info.Size(), nil
}

// bar shows what has been read, on a terminal only.
func (c *sendCommand) bar(system *config.System, size int64) *progressbar.ProgressBar {
	return progressbar.NewOptions64(size,
		progressbar.OptionSetWriter(system.Stderr), progressbar.OptionSetVisibility(!c.Quiet && config.IsTerminal(system.Stderr)),
		progressbar.OptionSetDescription("publishing"), progressbar.OptionShowBytes(true), progressbar.OptionClearOnFinish(),
		progressbar.OptionThrottle(100*time.Millisecond))
}
