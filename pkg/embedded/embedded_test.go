package embedded_test

import (
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/goleak"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/hogcast/hogcast/pkg/embedded"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestStartNeedsAStoreDir(t *testing.T) {
	t.Parallel()
	if _, err := embedded.Start(embedded.Config{}); err == nil {
		t.Fatal("a server without a folder was started; it would store below the system's temporary folder")
	}
}

func TestStartTellsAtOnceWhatKeepsItFromStarting(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	taken := start(t, embedded.Config{StoreDir: t.TempDir()})
	for name, cfg := range map[string]embedded.Config{
		"a file in the folder's place": {StoreDir: file},
		"a port that is taken":         {StoreDir: t.TempDir(), Port: port(t, taken.ClientURL())},
	} {
		began := time.Now()
		s, err := embedded.Start(cfg)
		if err == nil {
			s.Stop()
			t.Errorf("%s: started", name)
		}
		if took := time.Since(began); took > 10*time.Second {
			t.Errorf("%s: took %s to say so", name, took)
		}
	}
}

func TestMaxPayloadIs8MiBUnlessSaid(t *testing.T) {
	t.Parallel()
	for want, cfg := range map[int64]embedded.Config{8 << 20: {}, 1 << 20: {MaxPayload: 1 << 20}} {
		cfg.StoreDir = t.TempDir()
		s := start(t, cfg)
		nc := connect(t, s)
		if got := nc.MaxPayload(); got != want {
			t.Errorf("max_payload = %d, want %d", got, want)
		}
	}
}

func TestStreamsSurviveAStopOnTheSamePort(t *testing.T) {
	t.Parallel()
	core, logs := observer.New(zap.WarnLevel)
	cfg := embedded.Config{StoreDir: t.TempDir(), SyncAlways: true, Logger: zap.New(core)}
	s := start(t, cfg)
	js := stream(t, connect(t, s))
	if _, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "S", Subjects: []string{"s"}}); err != nil {
		t.Fatal(err)
	}
	if _, err := js.Publish(t.Context(), "s", []byte("kept")); err != nil {
		t.Fatal(err)
	}
	before := s.ClientURL()
	s.Stop()
	s.Stop() // harmless

	cfg.Port = port(t, before)
	again := start(t, cfg)
	if got := again.ClientURL(); got != before {
		t.Fatalf("address after the restart = %s, want %s", got, before)
	}
	info, err := stream(t, connect(t, again)).Stream(t.Context(), "S")
	if err != nil {
		t.Fatal(err)
	}
	if got := info.CachedInfo().State.Msgs; got != 1 {
		t.Errorf("messages after the restart = %d, want 1", got)
	}
	for _, entry := range logs.All() {
		t.Errorf("a plain life logged %s: %s", entry.Level, entry.Message)
	}
}

func start(t *testing.T, cfg embedded.Config) *embedded.Server {
	t.Helper()
	s, err := embedded.Start(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	return s
}

func connect(t *testing.T, s *embedded.Server) *nats.Conn {
	t.Helper()
	nc, err := nats.Connect(s.ClientURL())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	return nc
}

func stream(t *testing.T, nc *nats.Conn) jetstream.JetStream {
	t.Helper()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	return js
}

func port(t *testing.T, address string) int {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(u.Port())
	if err != nil {
		t.Fatal(err)
	}
	return n
}
