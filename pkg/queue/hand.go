package queue

import (
	"cmp"
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"

	"github.com/hogcast/hogcast/pkg/envelope"
)

// Delivery is one delivered message. It is in hand until it is settled.
type Delivery struct {
	Subject string
	Data    []byte
	// Header: of records nil, since thousands are in hand; MsgID and Traceparent
	// are what is read of it.
	Header       map[string][]string
	MsgID        string // the publisher's Nats-Msg-Id, or ""
	Traceparent  string // the publisher's, or ""
	Stream       string
	Sequence     uint64
	Time         time.Time // when it was stored
	NumDelivered uint64    // 1 for the first time

	reply     string // where it is settled
	lease     lease
	footprint int64
	renewed   time.Time // guarded by Hand.mu
}

// lease is what a delivery is held under: the window that its room goes back
// to, how long it may be in hand without being renewed, and who is told.
type lease struct {
	window  *Window
	ackWait time.Duration
	nats    *nats.Conn
}

// Hand is what this process has in hand of any consumer: it keeps the leases
// and settles each delivery once.
type Hand struct {
	window    *Window
	heartbeat time.Duration
	log       *zap.Logger

	mu      sync.Mutex
	inHand  map[*Delivery]struct{}
	settled *sync.Cond   // with mu: something left inHand
	bytes   atomic.Int64 // of windows, by what is inHand

	stats stats
}

type stats struct {
	received, acked, retried, handedBack, abandoned, failed atomic.Int64
}

// Stats are counts since the start, and what is in hand now.
type Stats struct {
	Received, Acked, Retried, HandedBack int64
	Abandoned                            int64 // leases that ran out; the records came again elsewhere
	Failed                               int64 // settlings that did not reach the server
	InHand                               int
}

// Heartbeat is how often a lease is renewed by default.
const Heartbeat = 20 * time.Second

// NewHand makes a hand over a window. A lease is renewed when heartbeat, or a
// third of the lease, has passed; default 20 s.
func NewHand(window *Window, heartbeat time.Duration, log *zap.Logger) *Hand {
	if heartbeat == 0 {
		heartbeat = Heartbeat
	}
	if log == nil {
		log = zap.NewNop()
	}
	h := &Hand{window: window, heartbeat: heartbeat, log: log.Named("consumer"), inHand: make(map[*Delivery]struct{})}
	h.settled = sync.NewCond(&h.mu)
	return h
}

// Heartbeats renews the leases of what is in hand until ctx ends. Run it
// beside all that takes into the hand, and past it until Drain has returned.
func (h *Hand) Heartbeats(ctx context.Context) {
	tick := time.NewTicker(h.heartbeat / 4)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			h.beat(now)
		}
	}
}

// take puts a message in hand; nil where it is none of JetStream's. What it
// takes of the window comes out of *left.
func (h *Hand) take(msg jetstream.Msg, left *int64, l lease) *Delivery {
	meta, err := msg.Metadata()
	if err != nil {
		h.log.Error("a message without JetStream's metadata was ignored", zap.String("subject", msg.Subject()), zap.Error(err))
		return nil
	}
	d := &Delivery{
		Subject: msg.Subject(), Data: msg.Data(), Header: msg.Headers(),
		MsgID: msg.Headers().Get(jetstream.MsgIDHeader), Traceparent: traceparent(msg.Headers()), Stream: meta.Stream, Sequence: meta.Sequence.Stream, Time: meta.Timestamp, NumDelivered: meta.NumDelivered,
		reply: msg.Reply(), lease: l, renewed: time.Now(),
	}
	// The server keeps a pull within its byte limit, but many small messages
	// have more frames than one large one.
	d.footprint = min(footprint(len(d.Data)), *left)
	*left -= d.footprint
	h.stats.received.Add(1)
	h.bytes.Add(d.footprint)
	h.mu.Lock()
	h.inHand[d] = struct{}{}
	h.mu.Unlock()
	return d
}

// traceparent finds the publisher's. Some carriers write the name of a header as
// HTTP does.
func traceparent(h nats.Header) string {
	return cmp.Or(h.Get(envelope.HeaderTraceparent), h.Get("Traceparent"))
}

// Drain waits until all in hand is settled, or until ctx ends, and then hands
// the rest back; it returns how many that were.
func (h *Hand) Drain(ctx context.Context) int {
	stop := context.AfterFunc(ctx, func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.settled.Broadcast()
	})
	defer stop()
	h.mu.Lock()
	for len(h.inHand) > 0 && ctx.Err() == nil {
		h.settled.Wait()
	}
	rest := make([]*Delivery, 0, len(h.inHand))
	for d := range h.inHand {
		rest = append(rest, d)
	}
	h.mu.Unlock()
	for _, d := range rest {
		h.Settle(d, HandBack())
	}
	return len(rest)
}

// Stats returns the counts.
func (h *Hand) Stats() Stats {
	h.mu.Lock()
	inHand := len(h.inHand)
	h.mu.Unlock()
	return Stats{
		Received: h.stats.received.Load(), Acked: h.stats.acked.Load(), Retried: h.stats.retried.Load(),
		HandedBack: h.stats.handedBack.Load(), Abandoned: h.stats.abandoned.Load(), Failed: h.stats.failed.Load(),
		InHand: inHand,
	}
}
