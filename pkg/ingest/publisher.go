// Package ingest is the publisher library: a gateway hands it generation
// records and learns of each whether JetStream has stored it. Layer 3: a flow;
// it imports record, nats.go and the standard library only, since gateways
// import it. A Publisher owns two goroutines, and a third while it asks how many
// shards there are; they end with Close. The connection is the caller's.
package ingest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/hogcast/hogcast/pkg/record"
)

// Defaults of Options.
const (
	DefaultMaxInFlight      = 4096
	DefaultMaxInFlightBytes = 64 << 20
	DefaultAckTimeout       = 5 * time.Second
)

// Options of a Publisher. Only Conn is required.
type Options struct {
	Conn *nats.Conn
	// Tenant is given to records that name none; a record that names another
	// is refused. Default: each record names its own.
	Tenant string
	// MaxInFlight and MaxInFlightBytes bound the records that wait for their
	// answer; more callers block. A record larger than MaxInFlightBytes goes
	// alone. Default 4096, 64 MiB.
	MaxInFlight      int
	MaxInFlightBytes int64
	// AckTimeout is how long one attempt waits for its answer before it is
	// made again with the same id. Default 5 s.
	AckTimeout time.Duration
	// SkipValidation publishes records that a worker would dead-letter as
	// malformed. One whose id is unfit goes without message id, so that an
	// attempt made again may store it twice; one whose tenant can't be told
	// is still refused, unless Tenant is set.
	SkipValidation bool
}

func (o *Options) complete() error {
	if o.Conn == nil {
		return errors.New("no connection")
	}
	if o.Tenant != "" && !record.ValidTenant(o.Tenant) {
		return fmt.Errorf("tenant %q: not 1–64 letters, digits, _ or -, beginning with a letter or digit", o.Tenant)
	}
	if o.MaxInFlight < 0 || o.MaxInFlightBytes < 0 || o.AckTimeout < 0 {
		return errors.New("a limit below zero")
	}
	if o.MaxInFlight == 0 {
		o.MaxInFlight = DefaultMaxInFlight
	}
	if o.MaxInFlightBytes == 0 {
		o.MaxInFlightBytes = DefaultMaxInFlightBytes
	}
	if o.AckTimeout == 0 {
		o.AckTimeout = DefaultAckTimeout
	}
	return nil
}

// Result is the outcome of one record.
type Result struct {
	ID, Tenant string // as far as they can be told
	// Duplicate: it was stored already; success.
	Duplicate bool
	// Err is nil if, and only if, the record is stored. See the errors of this
	// package.
	Err error
}

// Publisher publishes records. Its methods may be called at once by any number
// of goroutines.
type Publisher struct {
	options Options
	js      jetstream.JetStream
	room    *room

	events   chan event    // to the settler
	retries  chan *flight  // to the sender; room for each flight
	closing  chan struct{} // closed when Close begins
	aborting chan struct{} // closed when Close can wait no longer
	stopped  chan struct{} // closed when nothing is in flight any more
	gone     chan struct{} // closed when all is cleaned up
	routines sync.WaitGroup
	launches sync.WaitGroup

	ears     *ears
	shards   shards
	learning sync.WaitGroup
	life     context.Context // ends with Close; of questions that no caller waits for
	end      context.CancelFunc

	mu       sync.Mutex
	closed   bool
	taken    uint64                 // records taken so far
	live     map[*flight]struct{}   // whose callback has not returned
	attempts map[*nats.Msg]*flight  // without an answer
	flushes  map[*flushing]struct{} // one for each caller of Flush

	mute      error  // why no answer can be heard,
	muteSince uint64 // since this many reconnects
}

// New makes a Publisher. It waits for nothing: a missing stream shows with the
// first record. The connection should reconnect for ever
// (nats.MaxReconnects(-1)); close it after the Publisher. Its error handler
// goes on being called, but a handler that is set later takes from the
// Publisher that it hears of refusals at once.
func New(o Options) (*Publisher, error) {
	if err := o.complete(); err != nil {
		return nil, fmt.Errorf("ingest: %w", err)
	}
	p := &Publisher{
		options: o,
		room:    &room{maxMessages: o.MaxInFlight, maxBytes: o.MaxInFlightBytes},
		// An answer, a refusal and an ended context for each flight: the
		// connection's goroutine, which delivers the answers, never waits.
		events:   make(chan event, 3*o.MaxInFlight),
		retries:  make(chan *flight, o.MaxInFlight),
		closing:  make(chan struct{}),
		aborting: make(chan struct{}),
		stopped:  make(chan struct{}),
		gone:     make(chan struct{}),
		live:     make(map[*flight]struct{}),
		attempts: make(map[*nats.Msg]*flight),
		flushes:  make(map[*flushing]struct{}),
	}
	js, err := jetstream.New(o.Conn,
		jetstream.WithPublishAsyncTimeout(o.AckTimeout),
		jetstream.WithPublishAsyncMaxPending(o.MaxInFlight),
		jetstream.WithPublishAsyncAckHandler(func(_ jetstream.JetStream, m *nats.Msg, ack *jetstream.PubAck) {
			p.answered(m, ack, nil)
		}),
		jetstream.WithPublishAsyncErrHandler(func(_ jetstream.JetStream, m *nats.Msg, err error) {
			p.answered(m, nil, err)
		}))
	if err != nil {
		return nil, fmt.Errorf("ingest: %w", err)
	}
	p.js = js
	p.shards.first = make(chan struct{})
	p.life, p.end = context.WithCancel(context.Background())
	p.listen()
	p.learn(0)
	p.routines.Go(p.settleAll)
	p.routines.Go(p.sendAgain)
	return p, nil
}

// Publish publishes one record and waits until it is stored, which nil says;
// that it was stored already is success. Unknown outcomes are asked again until
// ctx ends. Errors: those of Send and of Result. An error that is ErrUnknown
// leaves rec in use until Flush or Close returns nil.
func (p *Publisher) Publish(ctx context.Context, rec []byte, opts ...PublishOption) error {
	done := make(chan error, 1)
	if err := p.Send(ctx, rec, func(r Result) { done <- r.Err }, opts...); err != nil {
		return err
	}
	return <-done
}

// Send publishes one record without waiting for its answer: it blocks only
// while MaxInFlight or MaxInFlightBytes is reached, and at the very first until
// the shards are known, for half a second at most. Where it returns nil, done
// is called exactly once, after Send has returned or before; where it returns
// an error, the record was not taken, and done is not called.
//
// done runs on the Publisher's goroutine, one call at a time: it must not block,
// nor call the Publisher. rec must not change before done is called. When ctx
// ends first, done gets its error with ErrUnknown or ErrNotSent; rec then stays
// in use for up to AckTimeout more.
//
// Errors: a *record.Malformed, ErrTooLarge, ErrClosed, or that of ctx.
func (p *Publisher) Send(ctx context.Context, rec []byte, done func(Result), opts ...PublishOption) error {
	if done == nil {
		return errors.New("publishing a record: no callback, its failure would go unseen")
	}
	f, err := p.prepare(rec, opts)
	if err != nil {
		return fmt.Errorf("publishing a record: %w", err)
	}
	f.ctx, f.done = ctx, done
	if err := p.room.acquire(ctx, p.closing, f.size()); err != nil {
		return fmt.Errorf("publishing a record: waiting for room: %w", err)
	}
	p.awaitShards(ctx)
	if !p.take(f) {
		p.room.release(f.size())
		return fmt.Errorf("publishing a record: %w", ErrClosed)
	}
	p.launch(f)
	return nil
}

// Close takes no more records, waits for those in flight, and ends the
// Publisher's goroutines. When ctx ends first, the rest is given up with
// ErrUnknown or ErrNotSent, and the error says how many. It must not be called
// by a callback. Calls after the first wait for it.
func (p *Publisher) Close(ctx context.Context) error {
	p.mu.Lock()
	again := p.closed
	p.closed = true
	p.mu.Unlock()
	if again {
		<-p.gone
		return nil
	}
	close(p.closing)
	err := p.Flush(ctx)
	if err != nil {
		err = fmt.Errorf("closing the publisher: %d records given up: %w", p.inFlight(), context.Cause(ctx))
		close(p.aborting)
		p.flush(context.Background())
	}
	close(p.stopped)
	p.deafen()
	p.stopLearning()
	p.launches.Wait()
	p.routines.Wait()
	p.js.CleanupPublisher()
	close(p.gone)
	return err
}

func (p *Publisher) inFlight() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.live)
}
