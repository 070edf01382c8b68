package queue

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"
)

// A fetch asks for at most fetchMessages and waits at most fetchWait: what is
// sent to a pull that has died waits for ack_wait, and stopping waits for the
// last pull, so pulls are short.
const (
	fetchMessages = 256
	fetchWait     = 2 * time.Second
	// unanswered is when a pull that the server should have ended by then has
	// had no answer; nats.go ends it a second after the server's time and takes
	// it for an empty one.
	unanswered = fetchWait + 900*time.Millisecond
	// headerRoom is what subject, reply subject and headers of one message may
	// take of a pull's byte limit, beside max_payload. A limit below the
	// largest message would stall the consumer.
	headerRoom = 64 << 10
	// holdLook is how often a hold is looked at.
	holdLook = 100 * time.Millisecond
	// pullShare is the part of the window that pulls may keep while they wait,
	// all streams together: a stream where nothing comes, or nobody answers,
	// leaves the others the rest.
	pullShare = 2 // one half
)

// feed pulls from one stream.
type feed struct {
	*Consumer

	stream   string
	fetchers int
	late     bool // it has come while the others were consumed
	ackWait  time.Duration
	place    atomic.Int32 // of this worker in the stream's line
	state    atomic.Int32
}

// What the last pull of a feed came to.
const (
	feedNew int32 = iota
	feedAnswers
	feedFails
)

// run feeds until ctx ends or the stream is gone.
func (f *feed) run(ctx context.Context, handle func(*Delivery)) error {
	consumer, err := f.find(ctx)
	if err != nil || consumer == nil {
		return err
	}
	f.pulling.Add(int32(f.fetchers)) //nolint:gosec // a handful
	var fetchers sync.WaitGroup
	for n := range f.fetchers {
		fetchers.Go(func() { f.fetchAll(ctx, fetching{consumer: consumer, n: n, handle: handle}) })
	}
	fetchers.Wait()
	f.pulling.Add(-int32(f.fetchers)) //nolint:gosec // a handful
	return nil
}

// find looks the consumer up, again while there is no answer; a shard's, which
// set-up may be about to make, while it is missing, too. nil when ctx ends or
// the stream goes.
func (f *feed) find(ctx context.Context) (jetstream.Consumer, error) {
	pause := publishBackoff()
	for {
		consumer, err := f.lookUp(ctx)
		if err == nil {
			err = f.lease(consumer)
		}
		if err == nil {
			return consumer, nil
		}
		if ctx.Err() != nil || errors.Is(err, ErrNotSetUp) && f.gone(ctx) {
			return nil, nil //nolint:nilnil // nothing to consume, and no error
		}
		if errors.Is(err, ErrNotSetUp) && f.stream == StreamGenerations {
			return nil, err
		}
		f.state.Store(feedFails)
		f.log.Warn("the consumer can't be used; trying on", zap.Error(err))
		select {
		case <-ctx.Done():
		case <-time.After(pause.NextBackOff()):
		}
	}
}

// lease finds how long a delivery may be in hand.
func (f *feed) lease(consumer jetstream.Consumer) error {
	f.ackWait = f.config.AckWait
	if f.ackWait == 0 {
		f.ackWait = consumer.CachedInfo().Config.AckWait
	}
	if f.heartbeat*2 > f.ackWait {
		return fmt.Errorf("%w: heartbeat %s is more than half of ack_wait %s of consumer %s of %s; leases would run out",
			ErrNotSetUp, f.heartbeat, f.ackWait, ConsumerWorkers, f.stream)
	}
	return nil
}

// lookUp looks the durable consumer up; see Check for its errors.
func (f *feed) lookUp(ctx context.Context) (jetstream.Consumer, error) {
	consumer, err := f.config.Conn.JS.Consumer(ctx, f.stream, ConsumerWorkers)
	if err != nil {
		return nil, asked("consumer "+ConsumerWorkers+" of "+f.stream, err)
	}
	return consumer, nil
}

// gone reports whether the stream was a shard that has been removed.
func (f *feed) gone(ctx context.Context) bool {
	streams, err := f.config.Conn.GenerationStreams(ctx)
	if err != nil || f.stream == StreamGenerations || slices.Contains(streams, f.stream) {
		return false
	}
	f.log.Info("a stream was removed", zap.String("stream", f.stream))
	return true
}

// fetchAll is one fetcher: room first, then a pull for no more than the room.
// It ends with its last pull, at most a second and fetchWait after ctx.
func (f *feed) fetchAll(ctx context.Context, x fetching) {
	pause := publishBackoff()
	var told string
	x.size = newPullSize(x.consumer, f.config.Conn)
	for ctx.Err() == nil {
		room := x.size.fit(f.share())
		if !f.await(ctx) || f.window.reserve(ctx, room) != nil {
			return
		}
		err := f.fetch(ctx, x, room)
		if err == nil || ctx.Err() != nil {
			f.state.Store(feedAnswers)
			if told != "" {
				f.log.Info("consuming again", zap.String("stream", f.stream))
				told = ""
			}
			pause.Reset()
			continue
		}
		if errors.Is(err, ErrNotSetUp) && f.gone(ctx) {
			return
		}
		f.state.Store(feedFails)
		if text := err.Error(); text != told {
			told = text
			f.log.Error("consuming failed; trying on", zap.String("stream", f.stream), zap.Error(err))
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause.NextBackOff()):
		}
	}
}

// await waits until no hold is on; false when ctx ends before.
func (f *feed) await(ctx context.Context) bool {
	for f.config.Hold != nil && f.config.Hold() {
		select {
		case <-ctx.Done():
			return false
		case <-time.After(holdLook):
		}
	}
	return true
}

// share is what a pull may keep of the window while it waits.
func (f *feed) share() int64 {
	return f.window.size / pullShare / int64(max(f.pulling.Load(), 1))
}

// fetching is one fetcher of a feed.
type fetching struct {
	consumer jetstream.Consumer
	n        int // of the feed's
	size     *pullSize
	handle   func(*Delivery)
}

// fetch pulls once and hands on what comes. It owns room, and passes on to each
// message what that takes of it; the rest goes back. The pull is not cut short when ctx
// ends: what the server has sent by then would wait for ack_wait. It is read to
// its end, and what comes is handled like all before: handed back, it would come
// straight back while a pull is open, and late after.
func (f *feed) fetch(ctx context.Context, x fetching, room int64) error {
	left := room
	defer func() { f.window.release(left) }()
	began, took := time.Now(), 0
	n, opts := x.size.ask(fetchMessages)
	batch, err := x.consumer.Fetch(n, append(opts, jetstream.FetchMaxWait(fetchWait),
		jetstream.FetchPriorityGroup(PriorityGroup), jetstream.FetchPrioritized(f.rank(x.n)))...)
	if err != nil {
		return f.fetchError(ctx, err)
	}
	for msg := range batch.Messages() {
		took++
		x.size.got(len(msg.Data()))
		if d := f.take(msg, &left, lease{f.window, f.ackWait, f.config.Conn.NATS}); d != nil {
			d.Header = nil
			x.handle(d)
		}
	}
	if err := batch.Error(); err != nil {
		return f.fetchError(ctx, err)
	}
	if took > 0 {
		return nil
	}
	return f.empty(ctx, x.size, time.Since(began))
}

var errOverLimit = errors.New("fetching: the next message is larger than the server's max_payload; was it lowered? raise it again")

// empty tells why a pull has brought nothing: that there was nothing; that the
// next message is over its limit, which nats.go keeps to itself; or, too late,
// that nobody has answered, and then the server is asked.
func (f *feed) empty(ctx context.Context, size *pullSize, after time.Duration) error {
	switch {
	case after >= unanswered:
		f.state.Store(feedFails) // until the answer, which may be long in coming
		_, err := f.lookUp(ctx)
		return err
	case after < fetchWait/2 && !size.tooSmall(after, fetchWait):
		return errOverLimit
	case after >= fetchWait/2:
		size.suit() // somebody else has the large message that it was to bring
	}
	return nil
}

// fetchError tells a consumer that was deleted from one that nobody leads just
// now: the server is asked.
func (f *feed) fetchError(ctx context.Context, err error) error {
	if errors.Is(err, nats.ErrNoResponders) || errors.Is(err, jetstream.ErrConsumerDeleted) {
		if _, cause := f.lookUp(ctx); cause != nil {
			return cause
		}
	}
	return fmt.Errorf("fetching: %w", err)
}

// rank is the rank of a pull: of those that wait, the lowest is served until it
// is full, and then the next.
func (f *feed) rank(fetcher int) uint8 {
	return rankOf(int(f.place.Load()), fetcher, f.bytes.Load() >= f.window.size/busyShare)
}
