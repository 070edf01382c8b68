// Command hogcast is the operator's command: set-up, mapping offline, and
// development mode in one process.
package main

import (
	"context"
	"os"

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
		Name:        "hogcast",
		Description: "LLM analytics of every tenant of an LLM gateway, in its own PostHog project.",
		Version:     app.Version,
		Examples: `hogcast demo
hogcast dev --data ./hogcast-data
hogcast map --pretty record.json
hogcast setup --nats-url nats://nats:4222 --replicas 3`,
		CLI: &cli{},
	}
}

type cli struct {
	Destinations destinationsCommand `cmd:"" help:"Where tenants' events go: the destinations in the bucket."`
	Secrets      secretsCommand      `cmd:"" help:"The master keys by which stored secrets are encrypted."`
	Audit        auditCommand        `cmd:"" help:"Who has changed what, and when."`

	Purge purgeCommand `cmd:"" help:"Erase what is stored of a tenant, or of one end user."`

	Setup   setupCommand   `cmd:"" help:"Create or update streams, consumers and buckets in JetStream."`
	Dead    deadCommand    `cmd:"" help:"Dead letters: what was not delivered, and why."`
	Replay  replayCommand  `cmd:"" help:"Try dead letters again."`
	Scrub   scrubCommand   `cmd:"" help:"Rewrite what is stored under privacy rules that have become stricter."`
	Health  healthCommand  `cmd:"" help:"Show the destinations that are not healthy, why, and what is held for them."`
	Doctor  doctorCommand  `cmd:"" help:"Examine NATS, the streams and the fleet, and say what is wrong and what mends it."`
	Guard   guardCommand   `cmd:"" help:"The poison guard, which keeps a bug from dead-lettering thousands."`
	Map     mapCommand     `cmd:"" help:"Show the events that records become, offline."`
	Dev     devCommand     `cmd:"" help:"Run NATS, a worker and a stand-in for PostHog in one process."`
	Demo    demoCommand    `cmd:"" help:"Publish a few records and show them as PostHog gets them."`
	Sandbox sandboxCommand `cmd:"" help:"Run the stand-in for PostHog alone."`
}
