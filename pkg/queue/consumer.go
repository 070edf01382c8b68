package queue

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"
)

// ConsumerConfig of a consumer. Zero values give the defaults.
type ConsumerConfig struct {
	Conn   *Conn
	Stream string  // default StreamGenerations
	Window *Window // default: one of DefaultWindow
	// Fetchers pull side by side; each hands messages on one at a time.
	// Default 2: more buy nothing on two cores.
	Fetchers  int
	Rank      uint8         // 0–9; the lowest rank that waits is served
	Heartbeat time.Duration // default 20 s
	AckWait   time.Duration // default: the consumer's own
	Logger    *zap.Logger
}

// A fetch asks for at most fetchMessages and waits at most fetchWait: what is
// sent to a pull that has died waits for ack_wait, and stopping waits for the
// last pull, so pulls are short.
const (
	fetchMessages = 256
	fetchWait     = 2 * time.Second
	// headerRoom is what subject, reply subject and headers of one message may
	// take of a pull's byte limit, beside max_payload. A limit below the
	// largest message would stall the consumer.
	headerRoom = 64 << 10
)

// Delivery is one delivered message. It is in hand until it is settled.
type Delivery struct {
	Subject      string
	Data         []byte
	Header       map[string][]string
	Stream       string
	Sequence     uint64
	Time         time.Time // when it was stored
	NumDelivered uint64    // 1 for the first time

	msg       jetstream.Msg
	footprint int64
	renewed   time.Time // guarded by Consumer.mu
}

// MsgID is the publisher's Nats-Msg-Id, or "".
func (d *Delivery) MsgID() string {
	if v := d.Header[jetstream.MsgIDHeader]; len(v) > 0 {
		return v[0]
	}
	return ""
}

// Consumer pulls from the durable consumer ConsumerWorkers of a stream.
type Consumer struct {
	config ConsumerConfig
	log    *zap.Logger

	mu      sync.Mutex
	inHand  map[*Delivery]struct{}
	settled *sync.Cond // with mu: something left inHand

	ready atomic.Bool
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

// NewConsumer makes a consumer; Run starts it.
func NewConsumer(config ConsumerConfig) (*Consumer, error) {
	if config.Stream == "" {
		config.Stream = StreamGenerations
	}
	if config.Window == nil {
		config.Window = NewWindow(DefaultWindow)
	}
	if config.Fetchers == 0 {
		config.Fetchers = 2
	}
	if config.Heartbeat == 0 {
		config.Heartbeat = 20 * time.Second
	}
	if config.Logger == nil {
		config.Logger = zap.NewNop()
	}
	if least := footprint(int(config.Conn.NATS.MaxPayload()) + headerRoom); config.Window.size < least {
		return nil, fmt.Errorf("window: %d bytes can't hold the largest message; at least %d for this server's max_payload", config.Window.size, least)
	}
	c := &Consumer{config: config, log: config.Logger.Named("consumer"), inHand: make(map[*Delivery]struct{})}
	c.settled = sync.NewCond(&c.mu)
	return c, nil
}

// Run fetches until ctx ends, and hands each message to handle, which must not
// keep it waiting. handle, or somebody later, calls Settle for each. Heartbeats
// go on after Run until Drain: what is in hand is still being worked on.
func (c *Consumer) Run(ctx context.Context, handle func(*Delivery)) error {
	consumer, err := c.find(ctx)
	if err != nil {
		return err
	}
	var fetchers sync.WaitGroup
	for range c.config.Fetchers {
		fetchers.Go(func() { c.fetchAll(ctx, consumer, handle) })
	}
	fetchers.Wait()
	return nil
}

// find looks the durable consumer up; see Check for its errors.
func (c *Consumer) find(ctx context.Context) (jetstream.Consumer, error) {
	consumer, err := c.lookUp(ctx)
	if err != nil {
		return nil, err
	}
	if c.config.AckWait == 0 {
		c.config.AckWait = consumer.CachedInfo().Config.AckWait
	}
	if c.config.Heartbeat*2 > c.config.AckWait {
		return nil, fmt.Errorf("heartbeat %s is more than half of ack_wait %s of consumer %s; leases would run out", c.config.Heartbeat, c.config.AckWait, ConsumerWorkers)
	}
	return consumer, nil
}

func (c *Consumer) lookUp(ctx context.Context) (jetstream.Consumer, error) {
	consumer, err := c.config.Conn.JS.Consumer(ctx, c.config.Stream, ConsumerWorkers)
	if err != nil {
		return nil, asked("consumer "+ConsumerWorkers+" of "+c.config.Stream, err)
	}
	return consumer, nil
}

// Heartbeats renews the leases of what is in hand until ctx ends. Run it
// beside Run, and past it until Drain has returned.
func (c *Consumer) Heartbeats(ctx context.Context) {
	tick := time.NewTicker(c.config.Heartbeat / 4)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			c.beat(now)
		}
	}
}

// fetchAll is one fetcher: room first, then a pull for no more than the room.
// It ends with its last pull, at most fetchWait after ctx.
func (c *Consumer) fetchAll(ctx context.Context, consumer jetstream.Consumer, handle func(*Delivery)) {
	pause := publishBackoff()
	var told string
	for ctx.Err() == nil {
		limit := int(c.config.Conn.NATS.MaxPayload()) + headerRoom
		room := footprint(limit)
		if c.config.Window.reserve(ctx, room) != nil {
			return
		}
		err := c.fetch(ctx, consumer, limit, room, handle)
		c.ready.Store(err == nil)
		if err == nil || ctx.Err() != nil {
			if told != "" {
				c.log.Info("consuming again")
				told = ""
			}
			pause.Reset()
			continue
		}
		if text := err.Error(); text != told {
			told = text
			c.log.Error("consuming failed; trying on", zap.String("stream", c.config.Stream), zap.Error(err))
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause.NextBackOff()):
		}
	}
}

// fetch pulls once and hands on what comes. It owns room, and passes on to each
// message what that takes; the rest goes back. The pull is not cut short when
// ctx ends: what the server has sent by then would wait for ack_wait. It is read
// to its end, and what comes is handed back.
func (c *Consumer) fetch(ctx context.Context, consumer jetstream.Consumer, limit int, room int64, handle func(*Delivery)) error {
	left := room
	defer func() { c.config.Window.release(left) }()
	began, took := time.Now(), 0
	batch, err := consumer.Fetch(fetchMessages, jetstream.FetchMaxBytes(limit), jetstream.FetchMaxWait(fetchWait),
		jetstream.FetchPriorityGroup(PriorityGroup), jetstream.FetchPrioritized(c.config.Rank))
	if err != nil {
		return c.fetchError(ctx, err)
	}
	for msg := range batch.Messages() {
		took++
		d := c.take(msg, &left)
		switch {
		case d == nil:
		case ctx.Err() != nil:
			c.Settle(d, HandBack())
		default:
			handle(d)
		}
	}
	if err := batch.Error(); err != nil {
		return c.fetchError(ctx, err)
	}
	if took == 0 && time.Since(began) < fetchWait/2 {
		return errOverLimit // nats.go keeps this one to itself
	}
	return nil
}

var errOverLimit = errors.New("fetching: the next message is larger than the server's max_payload; was it lowered? raise it again")

// fetchError tells a consumer that was deleted from one that nobody leads just
// now: the server is asked.
func (c *Consumer) fetchError(ctx context.Context, err error) error {
	if errors.Is(err, nats.ErrNoResponders) {
		if _, cause := c.lookUp(ctx); cause != nil {
			return cause
		}
	}
	return fmt.Errorf("fetching: %w", err)
}

// take puts a message in hand.
func (c *Consumer) take(msg jetstream.Msg, left *int64) *Delivery {
	meta, err := msg.Metadata()
	if err != nil {
		c.log.Error("a message without JetStream's metadata was ignored", zap.String("subject", msg.Subject()), zap.Error(err))
		return nil
	}
	d := &Delivery{
		Subject: msg.Subject(), Data: msg.Data(), Header: msg.Headers(),
		Stream: meta.Stream, Sequence: meta.Sequence.Stream, Time: meta.Timestamp, NumDelivered: meta.NumDelivered,
		msg: msg, renewed: time.Now(),
	}
	// The server keeps a pull within its byte limit, but many small messages
	// have more frames than one large one.
	d.footprint = min(footprint(len(d.Data)), *left)
	*left -= d.footprint
	c.stats.received.Add(1)
	c.mu.Lock()
	c.inHand[d] = struct{}{}
	c.mu.Unlock()
	return d
}

// Drain waits until all in hand is settled, or until ctx ends, and then hands
// the rest back; it returns how many that were.
func (c *Consumer) Drain(ctx context.Context) int {
	stop := context.AfterFunc(ctx, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.settled.Broadcast()
	})
	defer stop()
	c.mu.Lock()
	for len(c.inHand) > 0 && ctx.Err() == nil {
		c.settled.Wait()
	}
	rest := make([]*Delivery, 0, len(c.inHand))
	for d := range c.inHand {
		rest = append(rest, d)
	}
	c.mu.Unlock()
	for _, d := range rest {
		c.Settle(d, HandBack())
	}
	return len(rest)
}

// Ready reports whether the last pull was answered.
func (c *Consumer) Ready() bool { return c.ready.Load() && c.config.Conn.Connected() }

// Stats returns the counts.
func (c *Consumer) Stats() Stats {
	c.mu.Lock()
	inHand := len(c.inHand)
	c.mu.Unlock()
	return Stats{
		Received: c.stats.received.Load(), Acked: c.stats.acked.Load(), Retried: c.stats.retried.Load(),
		HandedBack: c.stats.handedBack.Load(), Abandoned: c.stats.abandoned.Load(), Failed: c.stats.failed.Load(),
		InHand: inHand,
	}
}
