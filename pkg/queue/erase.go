package queue

import (
	"context"
	"fmt"
	"strings"

	"github.com/nats-io/nats.go/jetstream"
)

// GenerationFilters match a tenant's generation records, in shards and out of
// them.
func GenerationFilters(tenant string) []string {
	return []string{GenerationSubject(tenant), prefixGenerations + "*." + tenant}
}

// Kept counts what the bucket keeps of each key that matches, wildcards allowed:
// its value, its history, and deletions. What Erase leaves does not count.
func (b *Bucket) Kept(ctx context.Context, keys string) (map[string]uint64, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	watcher, err := b.kv.Watch(ctx, keys, jetstream.IncludeHistory(), jetstream.MetaOnly())
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w: %w", b.name, ErrUnavailable, err)
	}
	defer func() { _ = watcher.Stop() }() // the subscription goes with ctx
	kept := map[string]uint64{}
	for {
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case e, ok := <-watcher.Updates():
			switch {
			case !ok:
				return nil, fmt.Errorf("reading %s: %w: the connection was lost", b.name, ErrUnavailable)
			case e == nil:
				return kept, nil
			case e.Operation() == jetstream.KeyValuePurge:
				delete(kept, e.Key()) // what was before it is gone
			default:
				kept[e.Key()]++
			}
		}
	}
}

// Erase deletes a key's value and its history. A marker stays, without content,
// so that those who watch learn of it.
func (b *Bucket) Erase(ctx context.Context, key string) error {
	return b.outcome("erasing", key, b.kv.Purge(ctx, key))
}

// drainPrefix begins the names of drains' consumers.
const drainPrefix = "drain-"

// Drains lists the subjects of the tenant's held branches that are being
// drained: each has a consumer.
func (c *Conn) Drains(ctx context.Context, tenant string) ([]string, error) {
	s, err := c.JS.Stream(ctx, StreamHeld)
	if err != nil {
		return nil, asked("stream "+StreamHeld, err)
	}
	var subjects []string
	lister := s.ListConsumers(ctx)
	for info := range lister.Info() {
		_, of, _, ok := ParseHeldSubject(info.Config.FilterSubject)
		if ok && of == tenant && strings.HasPrefix(info.Name, drainPrefix) {
			subjects = append(subjects, info.Config.FilterSubject)
		}
	}
	if err := lister.Err(); err != nil {
		return nil, asked("the consumers of "+StreamHeld, err)
	}
	return subjects, nil
}
