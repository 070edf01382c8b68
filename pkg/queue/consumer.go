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
	Stream string // default StreamGenerations
	// Hand takes what is delivered; default: one of its own, with Window and
	// Heartbeat.
	Hand   *Hand
	Window *Window // default: one of DefaultWindow
	// Fetchers pull side by side; each hands messages on one at a time.
	// Default 2: more buy nothing on two cores.
	Fetchers  int
	Rank      uint8         // 0–9; the lowest rank that waits is served
	Heartbeat time.Duration // default 20 s
	AckWait   time.Duration // default: the consumer's own
	// Hold, if set, is asked before each pull: while it says so, none is made.
	Hold   func() bool
	Logger *zap.Logger
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
	// holdLook is how often a hold is looked at.
	holdLook = 100 * time.Millisecond
)

// Consumer pulls from the durable consumer ConsumerWorkers of a stream.
type Consumer struct {
	*Hand

	config ConsumerConfig
	log    *zap.Logger
	ready  atomic.Bool
	late   []*Delivery // came after the stop; guarded by Hand.mu
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
	if config.Logger == nil {
		config.Logger = zap.NewNop()
	}
	if config.Hand == nil {
		config.Hand = NewHand(config.Window, config.Heartbeat, config.Logger)
	}
	config.Window = config.Hand.window
	if least := footprint(int(config.Conn.NATS.MaxPayload()) + headerRoom); config.Window.size < least {
		return nil, fmt.Errorf("window: %d bytes can't hold the largest message; at least %d for this server's max_payload", config.Window.size, least)
	}
	return &Consumer{Hand: config.Hand, config: config, log: config.Logger.Named("consumer")}, nil
}

// Run fetches until ctx ends, and hands each message to handle, which must not
// keep it waiting. handle, or somebody later, calls Settle for each. Heartbeats
// go on after Run until Drain: what is in hand is still being worked on.
func (c *Consumer) Run(ctx context.Context, handle func(*Delivery)) error {
	consumer, err := c.findLasting(ctx)
	if err != nil || consumer == nil {
		return err
	}
	var fetchers sync.WaitGroup
	for range c.config.Fetchers {
		fetchers.Go(func() { c.fetchAll(ctx, consumer, handle) })
	}
	fetchers.Wait()
	c.mu.Lock()
	late := c.late
	c.late = nil
	c.mu.Unlock()
	for _, d := range late {
		c.Settle(d, HandBack())
	}
	return nil
}

// findLasting is find, again while there is no answer; nil when ctx ends.
func (c *Consumer) findLasting(ctx context.Context) (jetstream.Consumer, error) {
	pause := publishBackoff()
	for {
		consumer, err := c.find(ctx)
		if err == nil || !errors.Is(err, ErrUnavailable) {
			return consumer, err
		}
		c.log.Warn("the consumer can't be looked up; trying on", zap.Error(err))
		select {
		case <-ctx.Done():
			return nil, nil //nolint:nilnil // told to stop: nothing to consume, and no error
		case <-time.After(pause.NextBackOff()):
		}
	}
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
	if c.heartbeat*2 > c.config.AckWait {
		return nil, fmt.Errorf("heartbeat %s is more than half of ack_wait %s of consumer %s; leases would run out", c.heartbeat, c.config.AckWait, ConsumerWorkers)
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

// fetchAll is one fetcher: room first, then a pull for no more than the room.
// It ends with its last pull, at most fetchWait after ctx.
func (c *Consumer) fetchAll(ctx context.Context, consumer jetstream.Consumer, handle func(*Delivery)) {
	pause := publishBackoff()
	var told string
	size := newPullSize(consumer, c.config.Conn)
	for ctx.Err() == nil {
		room := size.room()
		if !c.await(ctx) || c.window.reserve(ctx, room) != nil {
			return
		}
		err := c.fetch(ctx, consumer, size, room, handle)
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

// await waits until no hold is on; false when ctx ends before.
func (c *Consumer) await(ctx context.Context) bool {
	for c.config.Hold != nil && c.config.Hold() {
		select {
		case <-ctx.Done():
			return false
		case <-time.After(holdLook):
		}
	}
	return true
}

// fetch pulls once and hands on what comes. It owns room, and passes on to each
// message what that takes; the rest goes back. The pull is not cut short when
// ctx ends: what the server has sent by then would wait for ack_wait. It is read
// to its end; what comes is handed back when no pull of ours is open, or it
// would come straight back to us, again and again.
func (c *Consumer) fetch(ctx context.Context, consumer jetstream.Consumer, size *pullSize, room int64, handle func(*Delivery)) error {
	left := room
	defer func() { c.window.release(left) }()
	began, took := time.Now(), 0
	n, opts := size.ask(fetchMessages)
	batch, err := consumer.Fetch(n, append(opts, jetstream.FetchMaxWait(fetchWait),
		jetstream.FetchPriorityGroup(PriorityGroup), jetstream.FetchPrioritized(c.config.Rank))...)
	if err != nil {
		return c.fetchError(ctx, err)
	}
	for msg := range batch.Messages() {
		took++
		size.got(len(msg.Data()))
		d := c.take(msg, &left, lease{c.window, c.config.AckWait})
		switch {
		case d == nil:
		case ctx.Err() != nil:
			c.mu.Lock()
			c.late = append(c.late, d)
			c.mu.Unlock()
		default:
			handle(d)
		}
	}
	if err := batch.Error(); err != nil {
		return c.fetchError(ctx, err)
	}
	if quick := time.Since(began); took == 0 && quick < fetchWait/2 && !size.tooSmall(quick, fetchWait) {
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

// Ready reports whether the last pull was answered.
func (c *Consumer) Ready() bool { return c.ready.Load() && c.config.Conn.Connected() }
