package queue

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/hogcast/hogcast/pkg/doctor"
)

// Inspect finds out what a doctor has to know of the server, the account, the
// streams, consumers and buckets. It changes nothing, and it has no error: what
// could not be found out says so. Where messages wait, consumers are looked at
// twice, sample apart, to see whether anything moves; 0: once.
func Inspect(ctx context.Context, c *Conn, sample time.Duration) doctor.Snapshot {
	i := inspection{conn: c}
	i.server()
	i.account(ctx)
	if i.found.Server.JetStream == doctor.Refused || i.found.Server.JetStream == doctor.Here {
		i.all(ctx, sample)
	}
	return i.found
}

// inspection is one Inspect.
type inspection struct {
	conn  *Conn
	found doctor.Snapshot

	mu sync.Mutex // guards the clock's part of found.Server
}

func (i *inspection) server() {
	nc := i.conn.NATS
	_, noTLS := nc.TLSConnectionState()
	i.found.Server = doctor.Server{
		URL: RedactURLs([]string{nc.ConnectedUrl()}), Name: nc.ConnectedServerName(), Version: nc.ConnectedServerVersion(),
		Needs: MinServer, TooOld: !atLeast(nc.ConnectedServerVersion(), MinServer), Cluster: nc.ConnectedClusterName(),
		MaxPayload: nc.MaxPayload(), TLS: noTLS == nil, Loopback: isLoopback(nc.ConnectedAddr()),
	}
}

func isLoopback(hostPort string) bool {
	host, _, err := net.SplitHostPort(hostPort)
	if err != nil {
		return false
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.Unmap().IsLoopback()
}

func (i *inspection) account(ctx context.Context) {
	var info jetstream.AccountInfo
	a := i.conn.ask(ctx, question{verb: "INFO", into: &info})
	i.found.Server.JetStream = a.Answer
	i.found.Account = doctor.AccountFacts{Answer: a.Answer, Detail: a.Detail}
	if a.Answer != doctor.Here {
		return
	}
	if len(info.Tiers) == 0 {
		i.found.Account.Tiers = []doctor.Tier{tier("", info.Tier)}
	}
	for name, t := range info.Tiers {
		i.found.Account.Tiers = append(i.found.Account.Tiers, tier(name, t))
	}
	slices.SortFunc(i.found.Account.Tiers, func(a, b doctor.Tier) int { return strings.Compare(a.Name, b.Name) })
}

func tier(name string, t jetstream.Tier) doctor.Tier {
	return doctor.Tier{
		Name: name, Store: t.Store, MaxStore: t.Limits.MaxStore, Consumers: t.Consumers, MaxConsumers: t.Limits.MaxConsumers,
	}
}

// all asks for every stream, consumer and bucket at once.
func (i *inspection) all(ctx context.Context, sample time.Duration) {
	want := i.wanted(ctx)
	streams := make([]doctor.Stream, len(want.Streams))
	consumers := make([]doctor.Consumer, len(want.Consumers))
	buckets := make([]doctor.Bucket, len(want.Buckets))
	var asking sync.WaitGroup
	for n, spec := range want.Streams {
		asking.Go(func() { streams[n] = i.stream(ctx, spec) })
	}
	for n, spec := range want.Consumers {
		asking.Go(func() { consumers[n] = i.conn.consumerFacts(ctx, spec) })
	}
	for n, spec := range want.Buckets {
		asking.Go(func() { buckets[n] = i.bucket(ctx, spec) })
	}
	asking.Wait()
	i.found.Streams, i.found.Consumers, i.found.Buckets = streams, consumers, buckets
	i.again(ctx, sample)
}

// wanted is the topology, with the shards that there are.
func (i *inspection) wanted(ctx context.Context) Topology {
	t := NewTopology(DefaultParams())
	var page struct {
		Streams []string `json:"streams"`
	}
	if i.conn.ask(ctx, question{verb: "STREAM.NAMES", body: map[string]string{"subject": prefixGenerations + ">"}, into: &page}).Answer != doctor.Here {
		return t
	}
	slices.Sort(page.Streams)
	for _, name := range page.Streams {
		known := slices.ContainsFunc(t.Streams, func(s jetstream.StreamConfig) bool { return s.Name == name })
		if known || roleOf(name) != doctor.Generations {
			continue
		}
		consumer := t.Consumers[0]
		consumer.Stream = name
		t.Streams = slices.Insert(t.Streams, 1, jetstream.StreamConfig{Name: name})
		t.Consumers = slices.Insert(t.Consumers, 1, consumer)
	}
	return t
}

// roleOf is what a stream is for, by its name; "" for one of somebody else.
func roleOf(stream string) doctor.Role {
	switch stream {
	case StreamGenerations:
		return doctor.Generations
	case StreamHeld, StreamHeldHosts:
		return doctor.HeldWork
	case StreamWakeups:
		return doctor.Wakeups
	case StreamDead:
		return doctor.DeadLetters
	case "HOGCAST_AUDIT":
		return doctor.Audit
	}
	if strings.HasPrefix(stream, StreamGenerations+"_") {
		return doctor.Generations
	}
	return ""
}

// again looks at the consumers that something waits for a second time.
func (i *inspection) again(ctx context.Context, sample time.Duration) {
	waits := slices.ContainsFunc(i.found.Consumers, func(c doctor.Consumer) bool { return c.Pending > 0 })
	if sample <= 0 || !waits {
		return
	}
	began := time.Now()
	select {
	case <-ctx.Done():
		return
	case <-time.After(sample):
	}
	for n, before := range i.found.Consumers {
		if before.Pending == 0 {
			continue
		}
		var now jetstream.ConsumerInfo
		if i.conn.ask(ctx, question{verb: "CONSUMER.INFO." + before.Stream + "." + before.Name, into: &now}).Answer != doctor.Here {
			continue
		}
		c := &i.found.Consumers[n]
		c.Watched = time.Since(began)
		c.Moved = now.Delivered.Consumer != before.DeliveredAt || now.AckFloor.Consumer != before.AckedAt ||
			now.NumAckPending != before.InHand
	}
}

// clock keeps the furthest that a server's clock is off, beyond what the time
// of the question explains.
func (i *inspection) clock(at time.Time, of string, a answer) {
	if at.IsZero() {
		return
	}
	off := at.Sub(a.Asked.Add(a.Took / 2))
	switch slack := a.Took / 2; {
	case off > slack:
		off -= slack
	case off < -slack:
		off += slack
	default:
		off = 0
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	s := &i.found.Server
	if !s.SkewKnown || off.Abs() > s.Skew.Abs() {
		s.Skew, s.SkewOf = off, of
	}
	s.SkewKnown = true
}
