// Command publisher brings generation records into the queue.
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
		Name:        "publisher",
		Description: "Brings generation records into the queue.",
		Version:     app.Version,
		Examples: `publisher send --tenant acme records.ndjson
tail -F gateway.ndjson | publisher send --tenant acme`,
		CLI: &cli{},
	}
}

type cli struct {
	Send sendCommand `cmd:"" help:"Publish the records of a file or a pipe."`
}
