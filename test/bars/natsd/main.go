// Command natsd is the nats-server of the bars: a process of its own, on file
// storage, with the server's own sync interval. It stores in the folder that is
// its argument, prints its URL, and ends when its standard input does, so that
// it never outlives who started it.
package main

import (
	"fmt"
	"io"
	"os"

	"github.com/hogcast/hogcast/pkg/embedded"
)

func main() {
	if err := run(os.Args[1:], os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "natsd:", err)
		os.Exit(1) //nolint:forbidigo // this is a main
	}
}

func run(args []string, stdin io.Reader, stdout io.Writer) error {
	if len(args) != 1 {
		return fmt.Errorf("want one folder to store in, got %d arguments", len(args))
	}
	server, err := embedded.Start(embedded.Config{StoreDir: args[0]})
	if err != nil {
		return err
	}
	defer server.Stop()
	fmt.Fprintln(stdout, server.ClientURL())
	_, err = io.Copy(io.Discard, stdin)
	return err
}
