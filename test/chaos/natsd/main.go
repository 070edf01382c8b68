// Command natsd is nats-server, built from the module that hogcast depends on
// already, so that the chaos run has a cluster of processes to kill without
// anything installed. Flags are nats-server's own; `-c FILE` is all it is given.
package main

import (
	"flag"
	"fmt"
	"io"
	"os"

	"github.com/nats-io/nats-server/v2/server"
)

func main() {
	if err := run(os.Args[1:], os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "natsd:", err)
		os.Exit(1) //nolint:forbidigo // main exits
	}
}

// run serves until the process is told to stop; the server handles signals.
func run(args []string, stderr io.Writer) error {
	flags := flag.NewFlagSet("natsd", flag.ContinueOnError)
	flags.SetOutput(stderr)
	nothing := func() {}
	options, err := server.ConfigureOptions(flags, args, nothing, nothing, nothing)
	if err != nil {
		return fmt.Errorf("reading options: %w", err)
	}
	s, err := server.NewServer(options)
	if err != nil {
		return fmt.Errorf("making the server: %w", err)
	}
	s.ConfigureLogger()
	if err := server.Run(s); err != nil {
		return fmt.Errorf("starting the server: %w", err)
	}
	s.WaitForShutdown()
	return nil
}
