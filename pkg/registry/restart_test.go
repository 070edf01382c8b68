package registry_test

import (
	"net"
	"testing"

	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/hogcast/hogcast/pkg/destination"
	"github.com/hogcast/hogcast/pkg/embedded"
	"github.com/hogcast/hogcast/pkg/queue"
	"github.com/hogcast/hogcast/pkg/registry"
	"github.com/hogcast/hogcast/test/natstest"
)

func TestWhatHappensWhileNATSIsAwayIsKnownAfterwards(t *testing.T) {
	t.Parallel()
	config := embedded.Config{StoreDir: t.TempDir(), Port: freePort(t)}
	server, err := embedded.Start(config)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { server.Stop() }()
	restart := func() {
		t.Helper()
		server.Stop()
		if server, err = embedded.Start(config); err != nil {
			t.Fatal(err)
		}
	}
	conn := natstest.Connect(t, server)
	natstest.SetUp(t, conn, queue.DefaultParams())
	s := openStore(t, registry.StoreParams{Conn: conn, AllowPlain: true})
	for _, tenant := range []string{"acme", "beta"} {
		put(t, s, destinationOf(tenant, "main"), 0)
	}
	core, logs := observer.New(zap.WarnLevel)
	k := run(t, registry.KVParams{Conn: conn, Logger: zap.New(core)})
	before := k.Current().Get(destination.ID{Tenant: "beta", Name: "main"})

	// A purge leaves no mark that a watch could tell of.
	stream, err := conn.JS.Stream(t.Context(), "KV_"+queue.BucketDestinations)
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.Purge(t.Context(), jetstream.WithPurgeSubject("$KV."+queue.BucketDestinations+".acme.main")); err != nil {
		t.Fatal(err)
	}
	restart()
	await(t, "what is gone to be gone", func() bool { return k.Current().Get(main) == nil })
	if got := k.Current().Get(before.ID); got != before {
		t.Errorf("the other is another: %+v", got)
	}
	await(t, "nats to be back", conn.Connected)
	put(t, s, destinationOf("gamma", "main"), 0)
	await(t, "a change after the restart", func() bool { return k.Current().Own("gamma") })

	// A bucket made anew is empty by mistake, not by anybody's deletions.
	if err := conn.JS.DeleteKeyValue(t.Context(), queue.BucketDestinations); err != nil {
		t.Fatal(err)
	}
	natstest.SetUp(t, conn, queue.DefaultParams())
	restart()
	await(t, "a word of it", func() bool {
		return logs.FilterMessage("the bucket of destinations is empty, as if made anew; the last known stay in force").Len() > 0
	})
	if !k.Current().Own("beta") || !k.Current().Own("gamma") {
		t.Error("an empty bucket empties the registry")
	}
	await(t, "nats to be back", conn.Connected)
	d := destinationOf("beta", "main")
	d.Paused = true
	put(t, openStore(t, registry.StoreParams{Conn: conn, AllowPlain: true}), d, 0)
	await(t, "a change in the new bucket", func() bool { return k.Current().Get(before.ID).Paused })
}

func freePort(t *testing.T) int {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	return listener.Addr().(*net.TCPAddr).Port //nolint:forcetypeassert // of a TCP listener
}
