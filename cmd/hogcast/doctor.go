package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/hogcast/hogcast/pkg/admin"
	"github.com/hogcast/hogcast/pkg/app"
	"github.com/hogcast/hogcast/pkg/config"
	"github.com/hogcast/hogcast/pkg/doctor"
	"github.com/hogcast/hogcast/pkg/queue"
)

type doctorCommand struct {
	NATS config.NATS `embed:"" prefix:"nats-" group:"NATS:"`

	MonitoringURL  []string      `name:"monitoring-url" placeholder:"URL" help:"Monitoring endpoints of the servers, such as http://nats:8222, comma separated: tell how often they sync to disk."`
	SystemCreds    string        `placeholder:"FILE" help:"Credentials file of a user of the system account, which asks every server at once."`
	SystemUser     string        `placeholder:"NAME" help:"The same by name and password."`
	SystemPassword config.Secret `placeholder:"SECRET" help:"That user's password; better given by environment or file than on a command line."`
	ServerConfig   string        `placeholder:"FILE" help:"A nats-server's configuration file: tells whether its storage is encrypted, which a server does not."`
	WorkerConfig   string        `placeholder:"FILE" help:"A worker's configuration, or what worker --print-config prints; - is standard input."`

	Sample  time.Duration `default:"2s" help:"How long consumers are watched to see whether waiting records move."`
	Timeout time.Duration `default:"60s" help:"Time for all of it."`
	Accept  []string      `placeholder:"CHECK" help:"Checks whose findings are known and count as passed, by the name in brackets, comma separated."`
	Strict  bool          `help:"Warnings make the exit code 1, too."`
	JSON    bool          `name:"json" help:"One JSON object with every check, for scripts."`
}

// exitUnreachable: nothing could be examined.
const exitUnreachable = 3

// Help is shown below the command's synopsis.
func (*doctorCommand) Help() string {
	return `Examines what hogcast's promises stand on: the servers, the account, streams, consumers, buckets, the fleet, and a worker's configuration. ` +
		`It changes nothing, and needs few permissions (docs/nats.md). Each finding says why it matters and the command that mends it; docs/doctor.md lists all checks. ` +
		`Exit codes: 0 no problem (warnings and what could not be found out allowed), 1 a problem, or with --strict a warning, 2 usage, 3 NATS could not be reached.`
}

// Examples are shown in the help.
func (*doctorCommand) Examples() string {
	return `hogcast doctor --nats-url nats://nats:4222 --monitoring-url http://nats-0:8222,http://nats-1:8222,http://nats-2:8222
worker --config worker.yaml --print-config | hogcast doctor --worker-config -
hogcast doctor --strict --accept storage_encryption
hogcast doctor --json | jq '.findings[] | select(.level == "problem")'`
}

// Run examines.
func (c *doctorCommand) Run(ctx context.Context, system *config.System, sources *config.Sources) error {
	p, err := c.params(system)
	if err != nil {
		return err
	}
	nats, err := app.ConnectConfig(c.NATS, sources)
	if err != nil {
		return err
	}
	nats.Name = "hogcast doctor"
	p.System = c.system(nats)
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	conn, err := queue.Connect(ctx, nats)
	if err != nil {
		return &config.ExitError{Code: exitUnreachable, Err: err}
	}
	defer conn.Close()
	worst, err := admin.Doctor(ctx, conn, p)
	switch {
	case err != nil:
		return err
	case worst == doctor.Problem, worst == doctor.Warning && c.Strict:
		return &config.ExitError{Code: config.ExitFailed} // it was told
	}
	return nil
}

func (c *doctorCommand) params(system *config.System) (admin.DoctorParams, error) {
	p := admin.DoctorParams{
		Monitoring: c.MonitoringURL, ServerConfig: c.ServerConfig, Worker: app.DefaultWorker(),
		Sample: c.Sample, Accept: c.Accept, JSON: c.JSON, Color: config.IsTerminal(system.Stdout), Out: system.Stdout,
	}
	if strange := doctor.Accept(nil, c.Accept); len(strange) > 0 {
		return p, config.Usagef("--accept: no check is called %s; docs/doctor.md lists them", strings.Join(strange, ", "))
	}
	if c.WorkerConfig == "" {
		return p, nil
	}
	in, err := c.workerConfig(system)
	if err != nil {
		return p, config.Usagef("--worker-config: %w", err)
	}
	defer func() { _ = in.Close() }()
	if p.Worker, err = app.ReadWorker(in); err != nil {
		return p, config.Usagef("--worker-config %s: %w", c.WorkerConfig, err)
	}
	return p, nil
}

func (c *doctorCommand) workerConfig(system *config.System) (io.ReadCloser, error) {
	if c.WorkerConfig == "-" {
		return io.NopCloser(system.Stdin), nil
	}
	f, err := os.Open(c.WorkerConfig)
	if err != nil {
		return nil, fmt.Errorf("reading it: %w", err)
	}
	return f, nil
}

// system is how to reach the system account: as NATS is, by somebody else.
func (c *doctorCommand) system(nats queue.ConnectConfig) *queue.ConnectConfig {
	if c.SystemCreds == "" && c.SystemUser == "" {
		return nil
	}
	nats.URLs = app.WithoutUsers(nats.URLs)
	nats.Creds, nats.User, nats.Password = c.SystemCreds, c.SystemUser, c.SystemPassword.Reveal()
	nats.NKey, nats.Token, nats.Inbox, nats.Domain = "", "", "", ""
	return &nats
}
