// Command worker delivers generation records from NATS JetStream to each
// tenant's PostHog.
package main

import (
	"context"
	"net/netip"
	"os"
	"time"

	"github.com/hogcast/hogcast/pkg/app"
	"github.com/hogcast/hogcast/pkg/config"
)

func main() {
	ctx, stop := config.SignalContext(context.Background(), os.Exit)
	code := run(ctx, config.OS())
	stop()
	os.Exit(code)
}

func run(ctx context.Context, system config.System) int { return config.Run(ctx, program(), system) }

func program() config.Program {
	return config.Program{
		Name:        "worker",
		Description: "Delivers generation records from NATS JetStream to each tenant's PostHog.",
		Version:     app.Version,
		Examples: `worker --nats-url nats://nats:4222 --destinations /etc/hogcast/destinations.yaml
worker --destinations ./destinations/ --listen 127.0.0.1:8080 --log-level debug
worker --destinations d.yaml --egress-allow 10.20.0.0/16   # a PostHog of your own`,
		CLI: &worker{},
	}
}

type worker struct {
	NATS config.NATS `embed:"" prefix:"nats-" group:"NATS:"`
	Log  config.Log  `embed:"" prefix:"log-" group:"Logging:"`

	Destinations     string   `required:"" placeholder:"FILE|DIR" help:"Destinations, a YAML file or a folder of them; reloaded when they change."`
	Listen           string   `default:":8080" placeholder:"ADDR" help:"Address of /livez, /readyz and /metrics; - for none."`
	AdminListen      string   `placeholder:"ADDR" help:"Address of Go's profiles, /debug/pprof/, such as 127.0.0.1:6060; off by default. Profiles can hold prompts: only a loopback address is taken."`
	AdminAllowRemote bool     `help:"Let --admin-listen be an address that other machines reach."`
	EgressAllow      []string `placeholder:"CIDR" help:"Networks of destinations that are not public, comma separated; plain http is allowed to these alone."`

	Window         config.Size   `default:"64MiB" help:"What is in hand at most, in bytes."`
	MainLaneMax    time.Duration `default:"15s" help:"How long a record may be tried before it is held: written to the held stream, from where it comes back."`
	HoldMax        time.Duration `default:"72h" help:"How long a branch is held before it is dead-lettered as expired, where its destination has no hold_max."`
	RequestTimeout time.Duration `default:"10s" help:"Time of one request to a destination."`
	DrainTimeout   time.Duration `default:"20s" help:"Time to finish what is in hand when told to stop; what is left is handed to other workers."`
	Name           string        `placeholder:"NAME" help:"This worker's name in logs and dead letters; default host and process id."`
}

// Run runs the worker until it is told to stop.
func (w *worker) Run(ctx context.Context, system *config.System, sources *config.Sources) error {
	nats, err := app.ConnectConfig(w.NATS, sources)
	if err != nil {
		return err
	}
	allow, err := prefixes(w.EgressAllow)
	if err != nil {
		return err
	}
	c := app.WorkerConfig{
		NATS: nats, Destinations: w.Destinations, Listen: w.Listen, EgressAllow: allow,
		AdminListen: w.AdminListen, AdminAllowRemote: w.AdminAllowRemote,
		Window: int64(w.Window), MainLaneMax: w.MainLaneMax, HoldMax: w.HoldMax, RequestTimeout: w.RequestTimeout,
		DrainTimeout: w.DrainTimeout, Name: w.Name, Version: app.Version,
		Logger: config.NewLogger(w.Log, system.Stderr, config.IsTerminal(system.Stderr)),
	}
	if c.Listen == "-" {
		c.Listen = ""
	}
	if err := c.Validate(); err != nil {
		return &config.UsageError{Err: err}
	}
	return app.RunWorker(ctx, c)
}

// prefixes reads networks; an address stands for itself.
func prefixes(texts []string) ([]netip.Prefix, error) {
	out := make([]netip.Prefix, 0, len(texts))
	for _, text := range texts {
		if addr, err := netip.ParseAddr(text); err == nil {
			out = append(out, netip.PrefixFrom(addr, addr.BitLen()))
			continue
		}
		p, err := netip.ParsePrefix(text)
		if err != nil {
			return nil, config.Usagef("--egress-allow: %q is not a network such as 10.20.0.0/16", text)
		}
		out = append(out, p.Masked())
	}
	return out, nil
}
