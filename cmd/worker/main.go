// Command worker delivers generation records from NATS JetStream to each
// tenant's PostHog.
package main

import (
	"context"
	"errors"
	"os"
	"time"

	"github.com/hogcast/hogcast/pkg/app"
	"github.com/hogcast/hogcast/pkg/config"
	"github.com/hogcast/hogcast/pkg/telemetry"
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
worker --secrets-key-file /etc/hogcast/secrets.keys        # destinations in the bucket
worker --destinations ./destinations/ --listen 127.0.0.1:8080 --log-level debug
worker --destinations d.yaml --egress-allow 10.20.0.0/16   # a PostHog of your own`,
		CLI: &worker{},
	}
}

type worker struct {
	NATS config.NATS `embed:"" prefix:"nats-" group:"NATS:"`
	Log  config.Log  `embed:"" prefix:"log-" group:"Logging:"`

	Secrets config.Secrets `embed:"" prefix:"secrets-" group:"Secrets:"`

	Egress config.Egress `embed:"" prefix:"egress-" group:"Where it may connect:"`

	Destinations       string `placeholder:"FILE|DIR" help:"Destinations, a YAML file or a folder of them; reloaded when they change. Left out: those of the bucket hogcast_destinations, watched."`
	DefaultDestination bool   `help:"Send what tenants without destinations of their own publish to the destinations of the tenant _."`
	Listen             string `default:":8080" placeholder:"ADDR" help:"Address of /livez, /readyz and /metrics; - for none."`
	AdminListen        string `placeholder:"ADDR" help:"Address of Go's profiles, /debug/pprof/, such as 127.0.0.1:6060; off by default. Profiles can hold prompts: only a loopback address is taken."`
	AdminAllowRemote   bool   `help:"Let --admin-listen be an address that other machines reach."`

	Window         config.Size   `default:"64MiB" help:"What is in hand at most, in bytes."`
	MainLaneMax    time.Duration `default:"15s" help:"How long a record may be tried before it is held: written to the held stream, from where it comes back."`
	HoldMax        time.Duration `default:"72h" help:"How long a branch is held before it is dead-lettered as expired, where its destination has no hold_max."`
	RequestTimeout time.Duration `default:"10s" help:"Time of one request to a destination."`
	DrainTimeout   time.Duration `default:"20s" help:"Time to finish what is in hand when told to stop; what is left is handed to other workers."`
	Name           string        `placeholder:"NAME" help:"This worker's name in logs and dead letters; default host and process id."`

	MetricsTenants int           `default:"20" placeholder:"N" help:"How many destinations have metrics of their own by tenant and name, those with the most traffic on this worker; the others are counted together. 0 for none."`
	OTLPEndpoint   string        `name:"otlp-endpoint" placeholder:"URL" help:"Export traces to this OTLP receiver, protobuf over HTTP, such as http://otel-collector:4318; off by default."`
	OTLPHeaders    config.Secret `name:"otlp-headers" placeholder:"K=V,…" help:"Headers of each export, such as an API key; better given by the environment than on a command line."`
	TraceSample    float64       `default:"0.01" placeholder:"PART" help:"Part of the records that are traced, 0 to 1, where the publisher's traceparent does not decide."`
}

// Run runs the worker until it is told to stop.
func (w *worker) Run(ctx context.Context, system *config.System, sources *config.Sources) error {
	nats, err := app.ConnectConfig(w.NATS, sources)
	if err != nil {
		return err
	}
	secrets, err := app.SecretsOf(w.Secrets)
	if err != nil {
		return err
	}
	allow, err := w.Egress.Networks()
	if err != nil {
		return err
	}
	proxy, err := w.Egress.ProxyURL()
	if err != nil {
		return err
	}
	c := app.WorkerConfig{
		NATS: nats, Destinations: w.Destinations, DefaultDestination: w.DefaultDestination, Secrets: secrets,
		Listen: w.Listen, EgressAllow: allow, EgressProxy: proxy, EgressProxyResolves: w.Egress.ProxyResolves,
		AdminListen: w.AdminListen, AdminAllowRemote: w.AdminAllowRemote,
		Window: int64(w.Window), MainLaneMax: w.MainLaneMax, HoldMax: w.HoldMax, RequestTimeout: w.RequestTimeout,
		DrainTimeout: w.DrainTimeout, Name: w.Name, Version: app.Version,
		LimitMemory:    true,
		MetricsTenants: w.MetricsTenants,
		Traces:         telemetry.TraceConfig{Endpoint: w.OTLPEndpoint, Headers: w.OTLPHeaders.Reveal(), Sample: w.TraceSample},
		Logger:         config.NewLogger(w.Log, system.Stderr, config.IsTerminal(system.Stderr)),
	}
	if c.Listen == "-" {
		c.Listen = ""
	}
	if err := errors.Join(c.CheckGiven(), c.Validate()); err != nil {
		return &config.UsageError{Err: err}
	}
	return app.RunWorker(ctx, c)
}
