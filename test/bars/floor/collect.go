package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// A batch is sent when it has so many events, so many bytes, or its oldest event
// has waited so long: the worker's own limits.
const (
	maxEvents = 100
	maxBytes  = 400_000
	maxWait   = 250 * time.Millisecond
)

// fetch pulls until ctx ends, as much at a time as the worker does.
func fetch(ctx context.Context, consumer jetstream.Consumer, to chan<- jetstream.Msg) error {
	for ctx.Err() == nil {
		pulled, err := consumer.Fetch(256, jetstream.FetchMaxWait(2*time.Second), jetstream.FetchPriorityGroup("workers"))
		if err != nil {
			return fmt.Errorf("fetching: %w", err)
		}
		for m := range pulled.Messages() {
			select {
			case to <- m:
			case <-ctx.Done():
				return nil
			}
		}
		if err := pulled.Error(); err != nil && !errors.Is(err, nats.ErrTimeout) {
			return fmt.Errorf("fetching: %w", err)
		}
	}
	return nil
}

// batch is what goes into one request of one tenant.
type batch struct {
	tenant   string
	messages []jetstream.Msg
	bytes    int
	since    time.Time
}

// collect groups messages by tenant. What it holds is bounded by what arrives
// within maxWait: it takes nothing more while no poster is free.
func collect(ctx context.Context, from <-chan jetstream.Msg, to chan<- *batch) {
	lanes := map[string]*batch{}
	var order []*batch // oldest first; those sent already are skipped
	send := func(b *batch) {
		delete(lanes, b.tenant)
		select {
		case to <- b:
		case <-ctx.Done():
		}
	}
	tick := time.NewTicker(maxWait / 10)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case m := <-from:
			if !jsontext.Value(m.Data()).IsValid() {
				continue // comes again after ack_wait; the harness sends none
			}
			tenant := m.Subject()[strings.LastIndexByte(m.Subject(), '.')+1:]
			b := lanes[tenant]
			if b == nil {
				b = &batch{tenant: tenant, since: time.Now()}
				lanes[tenant] = b
				order = append(order, b)
			}
			b.messages, b.bytes = append(b.messages, m), b.bytes+len(m.Data())
			if len(b.messages) >= maxEvents || b.bytes >= maxBytes {
				send(b)
			}
		case <-tick.C:
			for len(order) > 0 && (lanes[order[0].tenant] != order[0] || time.Since(order[0].since) >= maxWait) {
				if b := order[0]; lanes[b.tenant] == b {
					send(b)
				}
				order = order[1:]
			}
		}
	}
}
