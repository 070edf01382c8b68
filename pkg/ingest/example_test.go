package ingest_test

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/hogcast/hogcast/pkg/embedded"
	"github.com/hogcast/hogcast/pkg/ingest"
)

func Example() {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	url, stop := exampleServer(ctx)
	defer stop()

	nc, err := nats.Connect(url, nats.MaxReconnects(-1))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer nc.Close()
	p, err := ingest.New(ingest.Options{Conn: nc, Tenant: "acme"})
	if err != nil {
		fmt.Println(err)
		return
	}

	// One, and wait until it is stored.
	err = p.Publish(ctx, []byte(`{"id":"gen-1","created_at":"2026-01-31T23:59:59Z","model":"openai/gpt-4o"}`))
	fmt.Println("gen-1:", err)

	// What could never be delivered is refused at the door.
	err = p.Publish(ctx, []byte(`{"id":"gen-2","created_at":"yesterday","model":"openai/gpt-4o"}`))
	fmt.Println("gen-2:", err)

	// Many: Send blocks only while too much is in flight.
	err = p.Send(ctx, []byte(`{"id":"gen-1","created_at":"2026-01-31T23:59:59Z","model":"openai/gpt-4o"}`),
		func(r ingest.Result) { fmt.Println(r.ID, "of", r.Tenant, "again:", r.Err, "duplicate:", r.Duplicate) })
	if err != nil {
		fmt.Println(err)
	}
	fmt.Println("closed:", p.Close(ctx)) // waits for what is in flight

	// Output:
	// gen-1: <nil>
	// gen-2: publishing a record: created_at: not RFC 3339, such as 2026-01-31T23:59:59.123Z
	// gen-1 of acme again: <nil> duplicate: true
	// closed: <nil>
}

// exampleServer stands for a NATS server on which `hogcast setup` has been run.
func exampleServer(ctx context.Context) (url string, stop func()) {
	dir, err := os.MkdirTemp("", "ingest")
	if err != nil {
		panic(err)
	}
	s, err := embedded.Start(embedded.Config{StoreDir: dir})
	if err != nil {
		panic(err)
	}
	nc, err := nats.Connect(s.ClientURL())
	if err != nil {
		panic(err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		panic(err)
	}
	if _, err := js.CreateStream(ctx, streamConfig()); err != nil {
		panic(err)
	}
	return s.ClientURL(), func() { s.Stop(); os.RemoveAll(dir) }
}
