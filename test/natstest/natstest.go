// Package natstest gives a test a real NATS: a server with file storage in the
// test's process, connected to, and set up as hogcast's own. Beside the layers,
// for tests alone. What it starts ends with the test.
package natstest

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/hogcast/hogcast/pkg/embedded"
	"github.com/hogcast/hogcast/pkg/queue"
)

// patience bounds every wait.
const patience = 60 * time.Second

// Start starts a server; its store is the test's, unless the configuration
// names another.
func Start(tb testing.TB, c embedded.Config) *embedded.Server {
	tb.Helper()
	if c.StoreDir == "" {
		c.StoreDir = tb.TempDir()
	}
	s, err := embedded.Start(c)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(s.Stop)
	return s
}

// Connect connects to a server.
func Connect(tb testing.TB, s *embedded.Server) *queue.Conn {
	tb.Helper()
	return ConnectAs(tb, queue.ConnectConfig{URLs: []string{s.ClientURL()}})
}

// ConnectAs connects as a configuration says.
func ConnectAs(tb testing.TB, c queue.ConnectConfig) *queue.Conn {
	tb.Helper()
	conn, err := queue.Connect(tb.Context(), c)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(conn.Close)
	return conn
}

// SetUp does what `hogcast setup` does, and returns what that tells.
func SetUp(tb testing.TB, c *queue.Conn, p queue.Params) []string {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), patience)
	defer cancel()
	changes, err := queue.Setup(ctx, c, p)
	if err != nil {
		tb.Fatal(err)
	}
	return changes
}

// New starts a server with hogcast's defaults, and connects to it.
func New(tb testing.TB) (*embedded.Server, *queue.Conn) {
	tb.Helper()
	s := Start(tb, embedded.Config{})
	c := Connect(tb, s)
	SetUp(tb, c, queue.DefaultParams())
	return s, c
}

// Configured starts a server by the text of a configuration file of its own.
func Configured(tb testing.TB, text string) *server.Server {
	tb.Helper()
	file := filepath.Join(tb.TempDir(), "nats.conf")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		tb.Fatal(err)
	}
	return ByFile(tb, file)
}

// ByFile starts a server by a configuration file.
func ByFile(tb testing.TB, file string) *server.Server {
	tb.Helper()
	options, err := server.ProcessConfigFile(file)
	if err != nil {
		tb.Fatal(err)
	}
	options.NoSigs, options.NoLog = true, true
	s, err := server.NewServer(options)
	if err != nil {
		tb.Fatal(err)
	}
	s.Start()
	tb.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	if !s.ReadyForConnections(patience) {
		tb.Fatal("the server does not start")
	}
	return s
}

// Eventually polls until it is so.
func Eventually(tb testing.TB, what string, is func() bool) {
	tb.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for late := time.After(patience); !is(); {
		select {
		case <-tick.C:
		case <-late:
			tb.Fatalf("not within %s: %s", patience, what)
		}
	}
}
