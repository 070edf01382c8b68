package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"strings"

	"go.uber.org/zap"

	"github.com/hogcast/hogcast/pkg/embedded"
	"github.com/hogcast/hogcast/pkg/queue"
	"github.com/hogcast/hogcast/pkg/sandbox"
)

// DevTenant is the tenant that development mode sets up.
const DevTenant = "demo"

// sandboxKey is the project API key of development mode's own PostHog.
const sandboxKey = "phc_sandbox_of_hogcast_dev"

// DevConfig is what development mode needs: everything in one process.
type DevConfig struct {
	Data          string // folder that keeps the queue and the destinations
	NATSPort      int    // 0: any free one
	SandboxListen string // default: any free port on loopback
	Listen        string // of the worker's probes and metrics; "" for none
	// APIKey of a real PostHog project, in the sandbox's place.
	APIKey   string
	Endpoint string // of the real PostHog; default us
	Version  string
	Logger   *zap.Logger
	// OnEvent is told of each event that the sandbox took.
	OnEvent func(sandbox.Taken)
	// Ready is called when all runs.
	Ready func(Dev)
}

// Dev tells where development mode's parts are.
type Dev struct {
	NATS         string // URL
	PostHog      string // URL
	Real         bool   // PostHog is the real one
	Destinations string // file
	Probes       string // address; "" where there is none
	Conn         *queue.Conn
}

// RunDev runs an embedded NATS, the sandbox (unless there is an API key) and a
// worker until ctx ends. What Data holds stays, and is picked up by the next
// run.
func RunDev(ctx context.Context, c DevConfig) error {
	if c.Logger == nil {
		c.Logger = zap.NewNop()
	}
	nats, err := embedded.Start(embedded.Config{
		StoreDir: filepath.Join(c.Data, "nats"), Port: c.NATSPort, SyncAlways: true, Logger: c.Logger,
	})
	if err != nil {
		return err
	}
	defer nats.Stop()
	conn, err := queue.Connect(ctx, queue.ConnectConfig{URLs: []string{nats.ClientURL()}, Name: "hogcast dev", Logger: c.Logger})
	if err != nil {
		return err
	}
	defer conn.Close()
	if _, err := queue.Setup(ctx, conn, queue.DefaultParams()); err != nil {
		return err
	}
	dev := Dev{NATS: nats.ClientURL(), Conn: conn, Real: c.APIKey != ""}
	if dev.Real {
		dev.PostHog = c.Endpoint
	} else {
		posthog := sandbox.New(sandbox.Config{OnEvent: c.OnEvent, Logger: c.Logger})
		if err := posthog.Start(orElse(c.SandboxListen, "127.0.0.1:0")); err != nil {
			return fmt.Errorf("starting the sandbox: %w", err)
		}
		defer func() { _ = posthog.Close() }()
		dev.PostHog = posthog.URL()
	}
	if dev.Destinations, err = devDestinations(c, dev); err != nil {
		return err
	}
	return runDevWorker(ctx, c, dev)
}

func runDevWorker(ctx context.Context, c DevConfig, dev Dev) error {
	return RunWorker(ctx, WorkerConfig{
		NATS: queue.ConnectConfig{URLs: []string{dev.NATS}}, Destinations: dev.Destinations,
		Listen: c.Listen, Version: c.Version, Logger: c.Logger, MetricsTenants: 20,
		// The sandbox, and a self-hosted PostHog beside it, are on loopback.
		EgressAllow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")},
		Listening:   func(addr string) { dev.Probes = addr },
		Consuming: func() {
			if c.Ready != nil {
				c.Ready(dev)
			}
		},
	})
}

// devDestinations writes the destinations file. The sandbox's port may be
// another at each run, so its file is always written anew; a file that somebody
// has edited is left alone.
func devDestinations(c DevConfig, dev Dev) (string, error) {
	const mark = "# Written by hogcast dev; delete this line to keep your own changes.\n"
	file := filepath.Join(c.Data, "destinations.yaml")
	old, err := os.ReadFile(file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("development mode: %w", err)
	}
	if len(old) > 0 && !strings.HasPrefix(string(old), mark) {
		return file, nil
	}
	key := "api_key: " + sandboxKey
	if dev.Real {
		// The key itself stays out of the file.
		key = "api_key_env: POSTHOG_API_KEY"
	}
	text := fmt.Sprintf("%sdestinations:\n  - tenant: %s\n    %s\n    endpoint: %q\n", mark, DevTenant, key, dev.PostHog)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return "", fmt.Errorf("development mode: %w", err)
	}
	return file, nil
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}
