package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// maxUnacknowledged bounds what is published and not yet acknowledged.
const maxUnacknowledged = 4096

// publisher publishes records at given rates, open loop: one that comes late is
// made up for. One goroutine, the caller's.
type publisher struct {
	js      jetstream.JetStream
	ledger  *ledger
	records *records
	shards  int          // over which records are spread; 0 or 1: none
	failed  atomic.Int64 // publishes without an acknowledgement
	late    time.Duration
}

func newPublisher(nc *nats.Conn, l *ledger, seed uint64) (*publisher, error) {
	p := &publisher{ledger: l, records: newRecords(seed)}
	var err error
	p.js, err = jetstream.New(nc,
		jetstream.WithPublishAsyncMaxPending(maxUnacknowledged),
		jetstream.WithPublishAsyncTimeout(60*time.Second),
		jetstream.WithPublishAsyncErrHandler(func(jetstream.JetStream, *nats.Msg, error) { p.failed.Add(1) }),
	)
	if err != nil {
		return nil, fmt.Errorf("publisher: %w", err)
	}
	return p, nil
}

// flow is a steady stream of records of one group of tenants.
type flow struct {
	group span
	rate  float64 // records a second, evenly over the group
	open  func() bool
	limit int // records in all; 0: no limit

	sent    int
	skipped float64 // due while not open
}

// due is how many records to send now, after so long.
func (f *flow) due(elapsed float64) int {
	n := int(f.rate*elapsed-f.skipped) - f.sent
	if f.open != nil && !f.open() {
		f.skipped += float64(n)
		return 0
	}
	if f.limit > 0 {
		n = min(n, f.limit-f.sent)
	}
	return max(n, 0)
}

// run publishes flows until one of: until reports true (asked ten times a
// second), ctx ends, or check fails, which is an error.
func (p *publisher) run(ctx context.Context, flows []*flow, check func() error, until func() bool) error {
	const tickEvery, asks = 5 * time.Millisecond, 20
	tick := time.NewTicker(tickEvery)
	defer tick.Stop()
	began, previous := time.Now(), time.Now()
	for n := 0; ; n++ {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
		p.late = max(p.late, time.Since(previous)-tickEvery)
		previous = time.Now()
		for _, f := range flows {
			for range f.due(time.Since(began).Seconds()) {
				if err := p.publish(f.group); err != nil {
					return err
				}
				f.sent++
			}
		}
		if n%asks != 0 {
			continue
		}
		if err := check(); err != nil {
			return err
		}
		if until() {
			return nil
		}
	}
}

// fill publishes n records of a group as fast as it can, and waits for their
// acknowledgements.
func (p *publisher) fill(ctx context.Context, group span, n int) error {
	for range n {
		if err := p.publish(group); err != nil {
			return err
		}
	}
	return p.flush(ctx)
}

// publish sends one record of one tenant of a group.
func (p *publisher) publish(group span) error {
	tenant := group.from + p.records.random.IntN(group.size())
	name := tenantName(tenant)
	n := p.ledger.publish(tenant)
	m := &nats.Msg{
		Subject: shardSubject(name, p.shards),
		Header:  nats.Header{jetstream.MsgIDHeader: {name + "/bars-" + strconv.Itoa(n)}},
		Data:    p.records.record(make([]byte, 0, 2048), n, name, time.Now()),
	}
	if _, err := p.js.PublishMsgAsync(m, jetstream.WithStallWait(30*time.Second)); err != nil {
		return fmt.Errorf("publishing: %w", err)
	}
	return nil
}

var errUnacknowledged = errors.New("publishing: not all was acknowledged within a minute")

// flush waits until all that was published is acknowledged.
func (p *publisher) flush(ctx context.Context) error {
	select {
	case <-p.js.PublishAsyncComplete():
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(time.Minute):
		return errUnacknowledged
	}
	if n := p.failed.Load(); n > 0 {
		return fmt.Errorf("publishing: %d records were not acknowledged", n)
	}
	return nil
}
