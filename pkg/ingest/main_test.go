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

func newRig(tb testing.TB) *rig {
	tb.Helper()
	s, err := embedded.Start(embedded.Config{StoreDir: tb.TempDir(), MaxPayload: 1 << 20})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(s.Stop)
	return connectTo(tb, s)
}

func connectTo(tb testing.TB, s *embedded.Server, opts ...nats.Option) *rig {
	tb.Helper()
	opts = append(opts, nats.MaxReconnects(-1), nats.ReconnectWait(50*time.Millisecond), nats.ReconnectJitter(0, 0))
	nc, err := nats.Connect(s.ClientURL(), opts...)
	if err != nil {
		tb.Fatal(err)
	}
	closed := make(chan struct{})
	nc.SetClosedHandler(func(*nats.Conn) { close(closed) })
	tb.Cleanup(func() { nc.Close(); <-closed })
	js, err := jetstream.New(nc)
	if err != nil {
		tb.Fatal(err)
	}
	return &rig{s, nc, js}
}

func (r *rig) stream(tb testing.TB, change func(*jetstream.StreamConfig)) {
	tb.Helper()
	c := streamConfig()
	if change != nil {
		change(&c)
	}
	if _, err := r.js.CreateStream(tb.Context(), c); err != nil {
		tb.Fatal(err)
	}
}

func (r *rig) publisher(tb testing.TB, o ingest.Options) *ingest.Publisher {
	tb.Helper()
	o.Conn = r.conn
	p, err := ingest.New(o)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := p.Close(ctx); err != nil {
			tb.Error(err)
		}
	})
	return p
}

// stored are the messages of the stream, oldest first.
func (r *rig) stored(tb testing.TB) []*jetstream.RawStreamMsg {
	tb.Helper()
	s, err := r.js.Stream(tb.Context(), streamName)
	if err != nil {
		tb.Fatal(err)
	}
	state := s.CachedInfo().State
	var all []*jetstream.RawStreamMsg
	for seq := state.FirstSeq; seq <= state.LastSeq; seq++ {
		m, err := s.GetMsg(tb.Context(), seq)
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			continue
		}
		if err != nil {
			tb.Fatal(err)
		}
		all = append(all, m)
	}
	return all
}

func rec(tenant string, n int) []byte {
	return fmt.Appendf(nil, `{"id":"gen-%d","tenant":%q,"created_at":"2026-01-31T23:59:59Z","model":"m"}`, n, tenant)
}

func port(tb testing.TB, rawURL string) int {
	tb.Helper()
	u, err := url.Parse(rawURL)
	if err != nil {
		tb.Fatal(err)
	}
	n, err := strconv.Atoi(u.Port())
	if err != nil {
		tb.Fatal(err)
	}
	return n
}
