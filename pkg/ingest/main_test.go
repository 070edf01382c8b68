package ingest_test

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/goleak"

	"github.com/hogcast/hogcast/pkg/embedded"
	"github.com/hogcast/hogcast/pkg/ingest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const streamName = "HOGCAST_GENERATIONS"

func streamConfig() jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name: streamName, Subjects: []string{"hogcast.generations.*"},
		Retention: jetstream.WorkQueuePolicy, Storage: jetstream.FileStorage, Discard: jetstream.DiscardNew,
		Duplicates: 2 * time.Minute, AllowDirect: true,
	}
}

// rig is a server with a connection, and the stream if one is set up.
type rig struct {
	server *embedded.Server
	conn   *nats.Conn
	js     jetstream.JetStream
}

func newRig(t testing.TB) *rig {
	t.Helper()
	s, err := embedded.Start(embedded.Config{StoreDir: t.TempDir(), MaxPayload: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	return connectTo(t, s)
}

func connectTo(t testing.TB, s *embedded.Server, opts ...nats.Option) *rig {
	t.Helper()
	opts = append(opts, nats.MaxReconnects(-1), nats.ReconnectWait(50*time.Millisecond), nats.ReconnectJitter(0, 0))
	nc, err := nats.Connect(s.ClientURL(), opts...)
	if err != nil {
		t.Fatal(err)
	}
	closed := make(chan struct{})
	nc.SetClosedHandler(func(*nats.Conn) { close(closed) })
	t.Cleanup(func() { nc.Close(); <-closed })
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	return &rig{s, nc, js}
}

func (r *rig) stream(t testing.TB, change func(*jetstream.StreamConfig)) {
	t.Helper()
	c := streamConfig()
	if change != nil {
		change(&c)
	}
	if _, err := r.js.CreateStream(t.Context(), c); err != nil {
		t.Fatal(err)
	}
}

func (r *rig) publisher(t testing.TB, o ingest.Options) *ingest.Publisher {
	t.Helper()
	o.Conn = r.conn
	p, err := ingest.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := p.Close(ctx); err != nil {
			t.Error(err)
		}
	})
	return p
}

// stored are the messages of the stream, oldest first.
func (r *rig) stored(t testing.TB) []*jetstream.RawStreamMsg {
	t.Helper()
	s, err := r.js.Stream(t.Context(), streamName)
	if err != nil {
		t.Fatal(err)
	}
	state := s.CachedInfo().State
	var all []*jetstream.RawStreamMsg
	for seq := state.FirstSeq; seq <= state.LastSeq; seq++ {
		m, err := s.GetMsg(t.Context(), seq)
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, m)
	}
	return all
}

func rec(tenant string, n int) []byte {
	return fmt.Appendf(nil, `{"id":"gen-%d","tenant":%q,"created_at":"2026-01-31T23:59:59Z","model":"m"}`, n, tenant)
}

func port(t testing.TB, rawURL string) int {
	t.Helper()
	u, err := url.Parse(rawURL)
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(u.Port())
	if err != nil {
		t.Fatal(err)
	}
	return n
}
