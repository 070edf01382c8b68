package app_test

import (
	"context"
	"net/url"
	"os"
	"strconv"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/hogcast/hogcast/pkg/embedded"
	"github.com/hogcast/hogcast/pkg/queue"
)

// absent makes a NATS that is set up, and away; the returned function brings it
// back, where the world's worker and publisher look for it.
func (w *world) absent(t *testing.T) (back func()) {
	t.Helper()
	c := embedded.Config{StoreDir: t.TempDir()}
	nats, err := embedded.Start(c)
	if err != nil {
		t.Fatal(err)
	}
	connect := queue.ConnectConfig{URLs: []string{nats.ClientURL()}}
	conn, err := queue.Connect(t.Context(), connect)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := queue.Setup(t.Context(), conn, queue.DefaultParams()); err != nil {
		t.Fatal(err)
	}
	conn.Close()
	at, err := url.Parse(nats.ClientURL())
	if err != nil {
		t.Fatal(err)
	}
	if c.Port, err = strconv.Atoi(at.Port()); err != nil {
		t.Fatal(err)
	}
	nats.Stop()
	w.config.NATS = connect
	return func() {
		t.Helper()
		nats, err := embedded.Start(c)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(nats.Stop)
		if w.conn, err = queue.Connect(t.Context(), connect); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(w.conn.Close)
	}
}

func TestAWorkerThatWaitedForNATSGoesOnWithTheLastGoodDestinations(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "- {tenant: acme, api_key: phc_acme0000000000, endpoint: '%[1]s'}\n")
	core, logs := observer.New(zap.InfoLevel)
	w.config.Logger = zap.New(core)
	back := w.absent(t)
	defer w.run(t)()
	logged := func(message string, times int) {
		t.Helper()
		eventually(t, message, func() bool { return logs.FilterMessage(message).Len() == times })
	}
	logged("nats can't be reached; waiting for it", 1)

	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(w.config.Destinations, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("destinations:\n- {tenant: beta, api_key: phc_beta0000000000, endpoint: '" + w.posthog.URL() + "'}\n")
	logged("destinations in force", 2)
	write("destinations: [\n")
	logged("destinations not reloaded; the last good ones stay in force", 1)

	back()
	w.publish(t, "beta", 1)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := w.posthog.Await(ctx, 1); err != nil {
		t.Errorf("what was good while it waited is not in force: %v", err)
	}
}
