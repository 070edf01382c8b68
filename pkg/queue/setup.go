package queue

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/nats-io/nats.go/jetstream"
)

// Setup creates or updates every stream, consumer and bucket, and returns what
// it changed, a line each; nothing where all was as it should be. It touches no
// message: a limit that would delete some is an error, and replicas are never
// lowered. What can't be changed in place is an error that says how to mend it.
func Setup(ctx context.Context, c *Conn, p Params) ([]string, error) {
	if err := errors.Join(p.Validate(), checkVersion(c.NATS.ConnectedServerVersion())); err != nil {
		return nil, err
	}
	if p.StorageBytes == 0 {
		account, err := c.JS.AccountInfo(ctx)
		if err != nil {
			return nil, asked("the account", err)
		}
		p.StorageBytes = storable(account, p.Replicas)
	}
	s := setup{conn: c}
	if err := s.shards(ctx, &p); err != nil {
		return s.changes, err
	}
	topology := NewTopology(p)
	for _, stream := range topology.Streams {
		if err := s.stream(ctx, stream); err != nil {
			return s.changes, err
		}
	}
	for _, consumer := range topology.Consumers {
		if err := s.consumer(ctx, consumer); err != nil {
			return s.changes, err
		}
	}
	for _, bucket := range topology.Buckets {
		if err := s.bucket(ctx, bucket); err != nil {
			return s.changes, err
		}
	}
	return s.changes, nil
}

// storable is how many bytes streams of so many replicas may hold together. A
// tier's limit is counted before replication, an account's after.
func storable(account *jetstream.AccountInfo, replicas int) int64 {
	if tier, ok := account.Tiers[fmt.Sprintf("R%d", max(replicas, 1))]; ok {
		return tier.Limits.MaxStore
	}
	return account.Limits.MaxStore / int64(max(replicas, 1))
}

type setup struct {
	conn    *Conn
	changes []string
}

func (s *setup) note(format string, args ...any) {
	s.changes = append(s.changes, fmt.Sprintf(format, args...))
}

func (s *setup) stream(ctx context.Context, want jetstream.StreamConfig) error {
	got, err := s.conn.JS.Stream(ctx, want.Name)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		if _, err := s.conn.JS.CreateStream(ctx, want); err != nil {
			return fmt.Errorf("creating stream %s: %w", want.Name, err)
		}
		s.note("created stream %s (%s)", want.Name, want.Subjects[0])
		return nil
	}
	if err != nil {
		return asked("stream "+want.Name, err)
	}
	have := got.CachedInfo().Config
	if have.Retention != want.Retention || have.Storage != want.Storage {
		return sameKind(have, want)
	}
	before := len(s.changes)
	d := differ{setup: s, what: "stream " + want.Name}
	next := have
	set(&d, "subjects", &next.Subjects, want.Subjects, slices.Equal)
	setValue(&d, "discard", &next.Discard, want.Discard)
	setValue(&d, "discard_new_per_subject", &next.DiscardNewPerSubject, want.DiscardNewPerSubject)
	setValue(&d, "max_msgs_per_subject", &next.MaxMsgsPerSubject, want.MaxMsgsPerSubject)
	setValue(&d, "max_age", &next.MaxAge, want.MaxAge)
	setValue(&d, "duplicate_window", &next.Duplicates, want.Duplicates)
	setValue(&d, "num_replicas", &next.Replicas, max(have.Replicas, want.Replicas))
	setValue(&d, "allow_direct", &next.AllowDirect, want.AllowDirect)
	if want.MaxBytes > 0 {
		setValue(&d, "max_bytes", &next.MaxBytes, want.MaxBytes)
	}
	if !d.changed {
		return nil
	}
	if err := guard(ctx, got, have, next); err != nil {
		s.changes = s.changes[:before]
		return err
	}
	if _, err := s.conn.JS.UpdateStream(ctx, next); err != nil {
		return fmt.Errorf("updating stream %s: %w", want.Name, err)
	}
	return nil
}

func (s *setup) consumer(ctx context.Context, want ConsumerSpec) error {
	got, err := s.conn.JS.Consumer(ctx, want.Stream, want.Config.Durable)
	if errors.Is(err, jetstream.ErrConsumerNotFound) {
		if _, err := s.conn.JS.CreateConsumer(ctx, want.Stream, want.Config); err != nil {
			return fmt.Errorf("creating consumer %s of %s: %w", want.Config.Durable, want.Stream, err)
		}
		s.note("created consumer %s of %s", want.Config.Durable, want.Stream)
		return nil
	}
	if err != nil {
		return asked("consumer "+want.Config.Durable, err)
	}
	have := got.CachedInfo().Config
	if err := fixedConsumerKind(have, want); err != nil {
		return err
	}
	d := differ{setup: s, what: "consumer " + want.Config.Durable + " of " + want.Stream}
	next := have
	setValue(&d, "filter_subject", &next.FilterSubject, "")
	set(&d, "filter_subjects", &next.FilterSubjects, nil, slices.Equal)
	setValue(&d, "ack_wait", &next.AckWait, want.Config.AckWait)
	setValue(&d, "max_ack_pending", &next.MaxAckPending, want.Config.MaxAckPending)
	setValue(&d, "max_deliver", &next.MaxDeliver, want.Config.MaxDeliver)
	if !d.changed {
		return nil
	}
	if _, err := s.conn.JS.UpdateConsumer(ctx, want.Stream, next); err != nil {
		return fmt.Errorf("updating consumer %s of %s: %w", want.Config.Durable, want.Stream, err)
	}
	return nil
}

func (s *setup) bucket(ctx context.Context, want jetstream.KeyValueConfig) error {
	kv, err := s.conn.JS.KeyValue(ctx, want.Bucket)
	if errors.Is(err, jetstream.ErrBucketNotFound) {
		if _, err := s.conn.JS.CreateKeyValue(ctx, want); err != nil {
			return fmt.Errorf("creating bucket %s: %w", want.Bucket, err)
		}
		s.note("created bucket %s", want.Bucket)
		return nil
	}
	if err != nil {
		return asked("bucket "+want.Bucket, err)
	}
	status, err := kv.Status(ctx)
	if err != nil {
		return asked("bucket "+want.Bucket, err)
	}
	d := differ{setup: s, what: "bucket " + want.Bucket}
	have := status.Config()
	setValue(&d, "history", &have.History, want.History)
	setValue(&d, "ttl", &have.TTL, want.TTL)
	setValue(&d, "num_replicas", &have.Replicas, max(have.Replicas, want.Replicas))
	if !d.changed {
		return nil
	}
	if _, err := s.conn.JS.UpdateKeyValue(ctx, have); err != nil {
		return fmt.Errorf("updating bucket %s: %w", want.Bucket, err)
	}
	return nil
}

// differ notes each difference that is mended.
type differ struct {
	setup   *setup
	what    string
	changed bool
}

func set[T any](d *differ, key string, have *T, want T, equal func(T, T) bool) {
	if equal(*have, want) {
		return
	}
	d.setup.note("%s: %s %v → %v", d.what, key, *have, want)
	d.changed = true
	*have = want
}

func setValue[T comparable](d *differ, key string, have *T, want T) {
	set(d, key, have, want, func(a, b T) bool { return a == b })
}

// Waiting is how many messages a stream holds.
func Waiting(ctx context.Context, c *Conn, stream string) (uint64, error) {
	s, err := c.JS.Stream(ctx, stream)
	if err != nil {
		return 0, asked("stream "+stream, err)
	}
	return s.CachedInfo().State.Msgs, nil
}
