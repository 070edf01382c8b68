package queue

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Bucket is a key-value bucket whose writes are compare-and-set.
type Bucket struct {
	kv   jetstream.KeyValue
	name string
	conn *Conn
}

// Entry is a key's value; Deleted where it has none.
type Entry struct {
	Key      string
	Value    []byte
	Revision uint64
	Deleted  bool
	At       time.Time // when it was written
}

// Bucket looks a bucket up.
func (c *Conn) Bucket(ctx context.Context, name string) (*Bucket, error) {
	var kv jetstream.KeyValue
	err := c.permitted(ctx, c.apiPrefix()+"STREAM.INFO.KV_"+name, "asking for bucket "+name, func(ctx context.Context) (err error) {
		kv, err = c.JS.KeyValue(ctx, name)
		return err
	})
	if err != nil {
		return nil, asked("bucket "+name, err)
	}
	return &Bucket{kv: kv, name: name, conn: c}, nil
}

// Put writes a key that is at revision last; 0: that has no value. It returns
// the new revision, or ErrConflict.
func (b *Bucket) Put(ctx context.Context, key string, value []byte, last uint64) (uint64, error) {
	var revision uint64
	err := b.write(ctx, "writing", key, func(ctx context.Context) (err error) {
		if last == 0 {
			revision, err = b.kv.Create(ctx, key, value)
		} else {
			revision, err = b.kv.Update(ctx, key, value, last)
		}
		return err
	})
	return revision, err
}

// Set writes a key whatever its revision: for keys with one writer.
func (b *Bucket) Set(ctx context.Context, key string, value []byte) error {
	return b.write(ctx, "writing", key, func(ctx context.Context) error {
		_, err := b.kv.Put(ctx, key, value)
		return err
	})
}

// Delete takes away the value of a key that is at revision last; 0: whatever it
// is at.
func (b *Bucket) Delete(ctx context.Context, key string, last uint64) error {
	var opts []jetstream.KVDeleteOpt
	if last != 0 {
		opts = append(opts, jetstream.LastRevision(last))
	}
	return b.write(ctx, "deleting", key, func(ctx context.Context) error { return b.kv.Delete(ctx, key, opts...) })
}

// Get reads a key; Deleted where it has no value.
func (b *Bucket) Get(ctx context.Context, key string) (Entry, error) {
	var e jetstream.KeyValueEntry
	subject := b.conn.apiPrefix() + "DIRECT.GET.KV_" + b.name + ".$KV." + b.name + "." + key
	err := b.conn.permitted(ctx, subject, "reading "+key+" of "+b.name, func(ctx context.Context) (err error) {
		e, err = b.kv.Get(ctx, key)
		return err
	})
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		return Entry{Key: key, Deleted: true}, nil
	}
	if err != nil {
		return Entry{}, b.outcome("reading", key, err)
	}
	return entryOf(e), nil
}

// History reads what the bucket keeps of a key, oldest first, deletions among
// it; nothing where it keeps none.
func (b *Bucket) History(ctx context.Context, key string) (all []Entry, err error) {
	err = b.known(ctx, key, func(e Entry) { all = append(all, e) }, jetstream.IncludeHistory())
	return all, err
}

func entryOf(e jetstream.KeyValueEntry) Entry {
	return Entry{
		Key: e.Key(), Value: e.Value(), Revision: e.Revision(), At: e.Created(),
		Deleted: e.Operation() != jetstream.KeyValuePut,
	}
}

func (b *Bucket) outcome(doing, key string, err error) error {
	var api *jetstream.APIError
	switch {
	case err == nil:
		return nil
	case errors.Is(err, ErrPermission):
		return err
	case errors.Is(err, jetstream.ErrKeyExists),
		errors.As(err, &api) && api.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequence:
		return fmt.Errorf("%s %s of %s: %w", doing, key, b.name, ErrConflict)
	}
	return fmt.Errorf("%s %s of %s: %w: %w", doing, key, b.name, ErrUnavailable, err)
}

// Watch calls use with each key that has a value, then caughtUp, and then use
// with each change, until ctx ends. The keys' changes come in their order.
func (b *Bucket) Watch(ctx context.Context, use func(Entry), caughtUp func()) error {
	return b.watch(ctx, ">", use, caughtUp)
}

func (b *Bucket) watch(ctx context.Context, keys string, use func(Entry), caughtUp func(), opts ...jetstream.WatchOpt) error {
	ctx, stop := b.conn.refusals.watch(ctx, b.conn.apiPrefix()+"CONSUMER.CREATE.KV_"+b.name+".")
	defer stop()
	watcher, err := b.kv.Watch(ctx, keys, opts...)
	if cause := context.Cause(ctx); err != nil && errors.Is(cause, ErrPermission) {
		return fmt.Errorf("watching %s: %w", b.name, cause)
	}
	if err != nil {
		return fmt.Errorf("watching %s: %w: %w", b.name, ErrUnavailable, err)
	}
	defer func() { _ = watcher.Stop() }() // the subscription goes with ctx
	// After a reconnect nats.go takes up to 20 s to find out what it missed.
	again := b.conn.NATS.StatusChanged(nats.CONNECTED)
	defer b.conn.NATS.RemoveStatusListener(again)
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-again:
			return fmt.Errorf("watching %s: %w: nats was lost meanwhile", b.name, ErrUnavailable)
		case e, ok := <-watcher.Updates():
			switch {
			case !ok:
				return fmt.Errorf("watching %s: %w: %w", b.name, ErrUnavailable, nats.ErrConnectionClosed)
			case e == nil:
				caughtUp()
			default:
				use(entryOf(e))
			}
		}
	}
}

// Each calls use with each key that has a value now.
func (b *Bucket) Each(ctx context.Context, use func(Entry)) error {
	return b.Known(ctx, ">", func(e Entry) {
		if !e.Deleted {
			use(e)
		}
	})
}

// Known calls use with what is known now of each key that matches, wildcards
// allowed: its value, or that it is deleted.
func (b *Bucket) Known(ctx context.Context, keys string, use func(Entry)) error {
	return b.known(ctx, keys, use)
}

func (b *Bucket) known(ctx context.Context, keys string, use func(Entry), opts ...jetstream.WatchOpt) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	caughtUp := false
	err := b.watch(ctx, keys, func(e Entry) {
		if !caughtUp {
			use(e)
		}
	}, func() { caughtUp = true; cancel() }, opts...)
	if caughtUp {
		return nil
	}
	return err
}

// Count is how many keys have a value: of a bucket with a TTL, the living.
func (b *Bucket) Count(ctx context.Context) (int, error) {
	n := 0
	err := b.Each(ctx, func(Entry) { n++ })
	return n, err
}
