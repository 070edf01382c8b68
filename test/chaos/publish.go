package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/hogcast/hogcast/pkg/ingest"
	"github.com/hogcast/hogcast/pkg/queue"
	"github.com/hogcast/hogcast/test/chaos/load"
	"github.com/hogcast/hogcast/test/chaos/oracle"
)

// publisher publishes the load, three records of four by plain nats.go and one
// by hogcast's own library, and tells the oracle which were acknowledged. A
// publish of unknown outcome is made again with the same id until it is
// acknowledged. Its goroutines end with run.
type publisher struct {
	load   *load.Load
	oracle *oracle.Oracle
	urls   string
	site   *site
	host   int     // where it is
	rate   float64 // records a second
	hands  int     // publish side by side, one record each at a time
	shards int     // known to some of the gateways
	next   int     // number of the next record
	step   int     // from one of its records to the next
}

const (
	publishers  = 32 // of all hosts
	publishWait = 4 * time.Second
	dialWait    = 3 * time.Second
	// ingestEvery n-th record goes through the library.
	ingestEvery = 4
)

// connect connects as a gateway would: for ever.
func connect(urls, name string, more ...nats.Option) (*nats.Conn, error) {
	nc, err := nats.Connect(urls, append(more, nats.Name(name), nats.MaxReconnects(-1), nats.ReconnectWait(200*time.Millisecond),
		nats.ReconnectBufSize(-1), nats.Timeout(dialWait), nats.RetryOnFailedConnect(true),
		nats.PingInterval(5*time.Second), nats.MaxPingsOutstanding(2),
		nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}))...) // or it prints them
	if err != nil {
		return nil, fmt.Errorf("connecting to nats: %w", err)
	}
	return nc, nil
}

// run publishes until ctx ends, and then goes on with what has no answer yet
// until it has, or patience ends.
func (p *publisher) run(ctx, patience context.Context) error {
	plain, err := connect(p.urls, "chaos publisher", p.site.from(p.host)...)
	if err != nil {
		return err
	}
	defer plain.Close()
	js, err := jetstream.New(plain)
	if err != nil {
		return fmt.Errorf("publishing: %w", err)
	}
	own, err := connect(p.urls, "chaos gateway", p.site.from(p.host)...)
	if err != nil {
		return err
	}
	defer own.Close()
	library, err := ingest.New(ingest.Options{Conn: own})
	if err != nil {
		return err
	}
	records := make(chan *load.Record)
	var working sync.WaitGroup
	for range p.hands {
		working.Go(func() {
			for r := range records {
				p.insist(patience, js, r)
			}
		})
	}
	err = p.feed(ctx, func(r *load.Record) {
		if r.Kind == load.Good && r.N%ingestEvery == 0 {
			working.Go(func() { p.hand(patience, library, r) })
			return
		}
		records <- r
	})
	close(records)
	working.Wait()
	return errors.Join(err, library.Close(patience))
}

// feed makes the records at the rate, and no burst of more than a second after
// a stall.
func (p *publisher) feed(ctx context.Context, use func(*load.Record)) error {
	const step = 20 * time.Millisecond
	last, owed := time.Now(), 0.0
	for pause(ctx, step) {
		now := time.Now()
		owed = min(owed+now.Sub(last).Seconds()*p.rate, max(p.rate, 1))
		last = now
		for ; owed >= 1 && ctx.Err() == nil; owed-- {
			r := p.load.Record(p.next)
			p.next += p.step
			if err := p.oracle.Intend(r); err != nil {
				return err
			}
			use(r)
		}
	}
	return nil
}

// subject is where a gateway publishes: one half know of the shards.
func (p *publisher) subject(r *load.Record) string {
	if r.N%2 == 0 {
		return queue.ShardSubject(r.Subject, p.shards)
	}
	return queue.GenerationSubject(r.Subject)
}

// insist publishes one record by plain nats.go until it is acknowledged.
func (p *publisher) insist(ctx context.Context, js jetstream.JetStream, r *load.Record) {
	m := &nats.Msg{
		Subject: p.subject(r), Data: r.Body,
		Header: nats.Header{jetstream.MsgIDHeader: []string{r.MsgID}},
	}
	poll(ctx, 100*time.Millisecond, func() bool {
		once, cancel := context.WithTimeout(ctx, publishWait)
		defer cancel()
		if _, err := js.PublishMsg(once, m, jetstream.WithRetryAttempts(0)); err != nil {
			return false
		}
		p.oracle.Acked(r.N)
		return true
	})
}

// hand gives one record to the library until that says it is stored. What the
// library calls unknown is handed over again: it makes the same id of it.
func (p *publisher) hand(ctx context.Context, library *ingest.Publisher, r *load.Record) {
	poll(ctx, 100*time.Millisecond, func() bool {
		switch err := library.Publish(ctx, r.Body); {
		case err == nil:
			p.oracle.Acked(r.N)
			return true
		case errors.Is(err, ingest.ErrUnknown), errors.Is(err, ingest.ErrNotSent), errors.Is(err, ingest.ErrQueueFull):
			return false
		case errors.Is(err, ingest.ErrNotSetUp):
			// What the library says of a stream that is silent for longer than
			// its AckTimeout: here one without a quorum.
			return false
		default:
			p.oracle.Report("ingest", r.Subject, "record %d is refused: %v", r.N, err)
			return true
		}
	})
}
