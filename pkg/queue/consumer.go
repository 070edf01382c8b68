package queue

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"
)

// ConsumerConfig of a consumer. Zero values give the defaults.
type ConsumerConfig struct {
	Conn *Conn
	// Hand takes what is delivered; default: one of its own, with Window and
	// Heartbeat.
	Hand   *Hand
	Window *Window // default: one of DefaultWindow
	// Fetchers pull side by side from each stream; each hands messages on one at
	// a time. Default 2, more buy nothing on two cores; 1 from manyStreams on.
	Fetchers  int
	Heartbeat time.Duration // default 20 s
	AckWait   time.Duration // default: the consumer's own
	// Name is this worker's among the Living, asked every few seconds: each
	// stream has one of them that pulls first (see place). Nil: it is alone.
	Name   string
	Living func() []string
	// Hold, if set, is asked before each pull: while it says so, none is made.
	Hold func() bool
	// LookEvery is how often it is looked for streams that have come; default 5 s.
	LookEvery time.Duration
	Logger    *zap.Logger
}

const (
	// rankEvery is how often it is looked who lives.
	rankEvery = 2 * time.Second
	// manyStreams is from how many on each has one fetcher: pulls that wait at
	// the server cost something, too.
	manyStreams = 16
)

// Consumer pulls from the durable consumer ConsumerWorkers of each stream of
// generation records that there is: those that it finds, and those that come
// while it runs.
type Consumer struct {
	*Hand

	config  ConsumerConfig
	log     *zap.Logger
	pulling atomic.Int32 // fetchers of all feeds

	lock  sync.Mutex       // guards what follows
	feeds map[string]*feed // by stream
	line  struct{ workers, streams []string }
}

// NewConsumer makes a consumer; Run starts it.
func NewConsumer(config ConsumerConfig) (*Consumer, error) {
	if config.Window == nil {
		config.Window = NewWindow(DefaultWindow)
	}
	if config.Fetchers == 0 {
		config.Fetchers = 2
	}
	if config.LookEvery == 0 {
		config.LookEvery = 5 * time.Second
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
	return &Consumer{
		Hand: config.Hand, config: config, log: config.Logger.Named("consumer"), feeds: make(map[string]*feed),
	}, nil
}

// Run fetches until ctx ends, and hands each message to handle, which must not
// keep it waiting; several calls may be under way at once. Pulls that are open
// then are read to their end, within three seconds. handle, or somebody
// later, calls Settle for each. Heartbeats go on after Run until Drain: what is
// in hand is still being worked on. The error is that something is not set up.
func (c *Consumer) Run(ctx context.Context, handle func(*Delivery)) error {
	streams, err := c.findStreams(ctx)
	if err != nil || streams == nil {
		return err
	}
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	r := running{Consumer: c, handle: handle, end: end, first: true}
	r.add(ctx, streams)
	r.first = false
	look, rank := time.NewTicker(c.config.LookEvery), time.NewTicker(rankEvery)
	defer look.Stop()
	defer rank.Stop()
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-rank.C:
			c.place()
		case <-look.C:
			look.Reset(c.config.LookEvery*9/10 + rand.N(c.config.LookEvery/5)) //nolint:gosec // keeps a fleet from asking as one
			r.look(ctx)
		}
	}
	r.feeding.Wait()
	if cause := context.Cause(ctx); errors.Is(cause, ErrNotSetUp) {
		return cause
	}
	return nil
}

// findStreams names the streams, asking again while there is no answer; nil
// when ctx ends.
func (c *Consumer) findStreams(ctx context.Context) ([]string, error) {
	pause := publishBackoff()
	for {
		streams, err := c.config.Conn.GenerationStreams(ctx)
		switch {
		case err == nil && slices.Contains(streams, StreamGenerations):
			return streams, nil
		case err == nil:
			return nil, fmt.Errorf("%w: stream %s is missing; %s", ErrNotSetUp, StreamGenerations, mend)
		}
		c.log.Warn("the streams can't be looked up; trying on", zap.Error(err))
		select {
		case <-ctx.Done():
			return nil, nil
		case <-time.After(pause.NextBackOff()):
		}
	}
}

// running is one Run.
type running struct {
	*Consumer

	handle  func(*Delivery)
	end     context.CancelCauseFunc
	first   bool // the streams are those that there were at the start
	feeding sync.WaitGroup
}

// look starts a feed for each stream that has come. No answer is none: what
// has no leader shows itself at its pulls.
func (r *running) look(ctx context.Context) {
	if streams, err := r.config.Conn.GenerationStreams(ctx); err == nil {
		r.add(ctx, streams)
	}
}

func (r *running) add(ctx context.Context, streams []string) {
	var added []*feed
	r.lock.Lock()
	for _, stream := range streams {
		if r.feeds[stream] == nil {
			f := &feed{Consumer: r.Consumer, stream: stream, late: !r.first, fetchers: r.config.Fetchers}
			if len(streams) >= manyStreams {
				f.fetchers = 1
			}
			r.feeds[stream] = f
			added = append(added, f)
		}
	}
	r.lock.Unlock()
	if len(added) == 0 {
		return
	}
	r.place()
	for _, f := range added {
		if !r.first {
			r.log.Info("a stream has come", zap.String("stream", f.stream))
		}
		r.feeding.Go(func() {
			err := f.run(ctx, r.handle)
			r.drop(f)
			if err != nil {
				r.end(err)
			}
		})
	}
}

func (c *Consumer) drop(f *feed) {
	c.lock.Lock()
	defer c.lock.Unlock()
	delete(c.feeds, f.stream)
	c.line.streams = nil // its successor of the same name has no place yet
}

// all lists the feeds, by the names of their streams.
func (c *Consumer) all() []*feed {
	c.lock.Lock()
	defer c.lock.Unlock()
	all := make([]*feed, 0, len(c.feeds))
	for _, f := range c.feeds {
		all = append(all, f)
	}
	slices.SortFunc(all, func(a, b *feed) int { return strings.Compare(a.stream, b.stream) })
	return all
}

// place finds this worker's place in the line of each stream, where the
// workers or the streams are others than before.
func (c *Consumer) place() {
	workers := []string{c.config.Name}
	if c.config.Living != nil {
		workers = c.config.Living()
	}
	feeds := c.all()
	streams := make([]string, len(feeds))
	for i, f := range feeds {
		streams[i] = f.stream
	}
	c.lock.Lock()
	defer c.lock.Unlock()
	if slices.Equal(workers, c.line.workers) && slices.Equal(streams, c.line.streams) {
		return
	}
	c.line.workers, c.line.streams = workers, streams
	for i, place := range places(c.config.Name, workers, streams) {
		feeds[i].place.Store(int32(place)) //nolint:gosec // at most the number of workers
	}
}

// Ready reports whether every stream answers; see Unready.
func (c *Consumer) Ready() bool { return c.Unready() == "" }

// Unready says why not all can be consumed that there is; "" where all streams
// have answered the last pull. One that has come while running and has not been
// pulled from yet is no reason.
func (c *Consumer) Unready() string {
	if !c.config.Conn.Connected() {
		return "NATS does not answer"
	}
	answered := false
	for _, f := range c.all() {
		switch f.state.Load() {
		case feedFails:
			return "stream " + f.stream + " does not answer"
		case feedAnswers:
			answered = true
		default:
			if !f.late {
				return "stream " + f.stream + " has not been pulled from yet"
			}
		}
	}
	if !answered {
		return "no stream has been pulled from yet"
	}
	return ""
}

// StreamPlace is what this worker is to a stream.
type StreamPlace struct {
	Stream  string
	Place   int // in the line of the workers: 0 pulls first
	Answers bool
}

// Streams lists the streams that are being consumed.
func (c *Consumer) Streams() []StreamPlace {
	var all []StreamPlace
	for _, f := range c.all() {
		all = append(all, StreamPlace{f.stream, int(f.place.Load()), f.state.Load() == feedAnswers})
	}
	return all
}
