// Command floor is the least that a worker can do: pull, check that a record is
// JSON, group by tenant, compress, post, acknowledge. It routes nothing, maps
// nothing, retries nothing and keeps nothing. The bars set a worker's speed and
// CPU time against it, on the same stream and the same sink. It ends when its
// standard input does; its goroutines end with it.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

func main() {
	url := flag.String("nats-url", nats.DefaultURL, "NATS `URL`")
	endpoint := flag.String("endpoint", "", "`URL` of the sink")
	flag.Parse()
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		defer cancel()
		_, _ = io.Copy(io.Discard, os.Stdin)
	}()
	if err := run(ctx, *url, *endpoint); err != nil {
		fmt.Fprintln(os.Stderr, "floor:", err)
		os.Exit(1) //nolint:forbidigo // this is a main
	}
}

const (
	fetchers = 2
	posters  = 32
)

//	fetchers ──messages──▶ collector ──batches──▶ posters ──▶ sink
//
// Each channel holds little: a stage that is behind stops the one before it.
func run(ctx context.Context, url, endpoint string) error {
	conn, err := nats.Connect(url)
	if err != nil {
		return fmt.Errorf("connecting: %w", err)
	}
	defer conn.Close()
	js, err := jetstream.New(conn)
	if err != nil {
		return fmt.Errorf("connecting: %w", err)
	}
	consumer, err := js.Consumer(ctx, "HOGCAST_GENERATIONS", "workers")
	if err != nil {
		return fmt.Errorf("finding the consumer: %w", err)
	}
	messages, batches, failed := make(chan jetstream.Msg), make(chan *batch), make(chan error, posters+fetchers)
	for range fetchers {
		go func() { failed <- fetch(ctx, consumer, messages) }()
	}
	for range posters {
		go func() { failed <- newPoster(conn, endpoint).run(ctx, batches) }()
	}
	go collect(ctx, messages, batches)
	return <-failed
}
