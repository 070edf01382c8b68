package fleet

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/hogcast/hogcast/pkg/destination"
	"github.com/hogcast/hogcast/pkg/health"
	"github.com/hogcast/hogcast/pkg/queue"
)

const (
	shareTimeout = 5 * time.Second
	shareAgain   = time.Second
	beatEvery    = 5 * time.Second // three beats are the TTL of BucketWorkers
)

// dirtySet holds the keys that are to be shared, and whether what is held for
// them is to be woken then. Bounded by the destinations.
type dirtySet struct {
	mu    sync.Mutex
	keys  map[string]bool
	ready chan struct{}
}

func (d *dirtySet) init() {
	d.keys, d.ready = make(map[string]bool), make(chan struct{}, 1)
}

func (d *dirtySet) add(key string, rouse bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.keys[key] = d.keys[key] || rouse
	select {
	case d.ready <- struct{}{}:
	default:
	}
}

func (d *dirtySet) has(key string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	_, ok := d.keys[key]
	return ok
}

func (d *dirtySet) take() map[string]bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	keys := d.keys
	d.keys = make(map[string]bool)
	return keys
}

// Run shares the states until ctx ends.
func (b *Board) Run(ctx context.Context) {
	var parts sync.WaitGroup
	parts.Go(func() { b.lasting(ctx, "watching destination states", b.watch) })
	parts.Go(func() { b.lasting(ctx, "sharing destination states", b.share) })
	parts.Go(func() { b.lasting(ctx, "counting workers", b.beat) })
	parts.Wait()
}

// CaughtUp waits until the states that the fleet shares are known, for at most
// as long as ctx; a worker that does not know them yet finds out by itself.
func (b *Board) CaughtUp(ctx context.Context) {
	select {
	case <-b.caughtUp:
	case <-ctx.Done():
	}
}

// lasting runs a part again when it fails, and says so once.
func (b *Board) lasting(ctx context.Context, doing string, run func(context.Context) error) {
	told := false
	for ctx.Err() == nil {
		began := time.Now()
		err := run(ctx)
		if ctx.Err() != nil {
			return
		}
		if time.Since(began) > time.Minute {
			told = false
		}
		if err != nil && !told {
			told = true
			b.log.Warn(doing+" failed; trying on", zap.Error(err))
		}
		select {
		case <-ctx.Done():
		case <-time.After(shareAgain):
		}
	}
}

// bucket is the states': looked up once, since to look it up is a question to
// the server.
func (b *Board) bucket(ctx context.Context) (*queue.Bucket, error) {
	if bucket := b.shared.Load(); bucket != nil {
		return bucket, nil
	}
	bucket, err := b.params.Conn.Bucket(ctx, queue.BucketState)
	if err != nil {
		return nil, err
	}
	b.shared.Store(bucket)
	return bucket, nil
}

// watch adopts what others write.
func (b *Board) watch(ctx context.Context) error {
	bucket, err := b.bucket(ctx)
	if err != nil {
		return err
	}
	return bucket.Watch(ctx, b.learn, func() { b.once.Do(func() { close(b.caughtUp) }) })
}

func (b *Board) learn(from queue.Entry) {
	status := health.Status{State: health.Healthy}
	if !from.Deleted && json.Unmarshal(from.Value, &status) != nil {
		return // another version's; it is about a destination that may be tried
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	id, token := parseKey(from.Key)
	known := b.entries[from.Key]
	if known == nil && from.Deleted {
		return
	}
	e := b.entry(from.Key, id, token)
	if from.Revision <= max(e.revision, e.deleted) {
		return
	}
	ours := from.Deleted && e.deleted != 0
	e.revision, e.deleted = from.Revision, 0
	// What was decided here since, and is still to be shared, comes after it.
	if b.dirty.has(from.Key) || ours && e.status.State != health.Healthy {
		if from.Deleted {
			e.revision = 0
		}
		return
	}
	b.adopt(e, status)
	if from.Deleted {
		e.revision = 0
		if !e.probing {
			delete(b.entries, from.Key)
		}
	}
}

func parseKey(key string) (id destination.ID, token string) {
	if token, ok := strings.CutPrefix(key, hostPrefix); ok {
		return destination.ID{}, token
	}
	if strings.HasPrefix(key, guardPrefix) {
		return id, ""
	}
	id.Tenant, id.Name, _ = strings.Cut(key, ".")
	return id, ""
}

// share writes what this worker has decided. Who made a destination healthy
// wakes what is held for it.
func (b *Board) share(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-b.dirty.ready:
		}
		var failed error
		for key, rouse := range b.dirty.take() {
			if failed == nil {
				failed = b.shareKey(ctx, key, rouse)
			}
			if failed != nil {
				b.dirty.add(key, rouse)
			}
		}
		if failed != nil {
			return failed
		}
	}
}

func (b *Board) shareKey(ctx context.Context, key string, rouse bool) error {
	b.mu.RLock()
	e := b.entries[key]
	if e == nil {
		b.mu.RUnlock()
		return nil
	}
	status, revision := e.status, e.revision
	b.mu.RUnlock()
	ctx, cancel := context.WithTimeout(ctx, shareTimeout)
	defer cancel()
	bucket, err := b.bucket(ctx)
	if err != nil {
		return err
	}
	if status.State != health.Healthy {
		_, err := b.put(ctx, bucket, key, status, revision)
		return err
	}
	if revision != 0 {
		if err := bucket.Delete(ctx, key, revision); err != nil {
			return b.conflict(ctx, bucket, key, err)
		}
	}
	b.forget(key, revision)
	if !rouse {
		return nil
	}
	return b.rouse(ctx, e)
}

// forget drops a healthy entry: one that was in the bucket when the watch tells
// that it is gone, so that what it tells of before is known to be old.
func (b *Board) forget(key string, revision uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	e := b.entries[key]
	switch {
	case e == nil:
	case revision == 0:
		if e.revision == 0 && e.status.State == health.Healthy {
			delete(b.entries, key)
		}
	case e.revision == revision:
		e.revision, e.deleted = 0, revision
	}
}

func (b *Board) rouse(ctx context.Context, e *entry) error {
	if e.host != "" {
		return b.params.Conn.Rouse(ctx, queue.HostWakeupSubject(e.host))
	}
	return b.params.Conn.Rouse(ctx, queue.WakeupSubject(e.id.Tenant, e.id.Name))
}

// put writes a status where nobody has written since; else what was written
// is adopted, and it has not won.
func (b *Board) put(ctx context.Context, bucket *queue.Bucket, key string, s health.Status, revision uint64) (won bool, err error) {
	value, err := json.Marshal(s)
	if err != nil {
		return false, fmt.Errorf("encoding the state of %s: %w", key, err)
	}
	b.mu.RLock()
	before := b.entries[key]
	b.mu.RUnlock()
	written, err := bucket.Put(ctx, key, value, revision)
	if err != nil {
		return false, b.conflict(ctx, bucket, key, err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	// Another entry has begun since what was written was deleted again.
	if e := b.entries[key]; e != nil && e == before {
		e.revision = max(e.revision, written)
	}
	return true, nil
}

// conflict adopts what somebody else has written.
func (b *Board) conflict(ctx context.Context, bucket *queue.Bucket, key string, err error) error {
	if !errors.Is(err, queue.ErrConflict) {
		return err
	}
	now, err := bucket.Get(ctx, key)
	if err != nil {
		return err
	}
	if now.Deleted {
		b.mu.Lock()
		defer b.mu.Unlock()
		if e := b.entries[key]; e != nil {
			e.revision = 0
			if b.dirty.has(key) {
				return nil // decided anew meanwhile
			}
			b.adopt(e, health.Status{State: health.Healthy})
			delete(b.entries, key)
		}
		return nil
	}
	b.learn(now)
	return nil
}

// Beat is what a worker tells of itself in BucketWorkers.
type Beat struct {
	At      time.Time `json:"at"`
	Version string    `json:"version,omitempty"`
}

// beat says that this worker lives, and counts the living.
func (b *Board) beat(ctx context.Context) error {
	bucket, err := b.params.Conn.Bucket(ctx, queue.BucketWorkers)
	if err != nil {
		return err
	}
	key := keyOf(b.params.Worker)
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_ = bucket.Delete(ctx, key, 0) // else it is forgotten by its TTL
	}()
	tick := time.NewTicker(beatEvery)
	defer tick.Stop()
	for {
		beat, err := json.Marshal(Beat{At: time.Now().UTC().Truncate(time.Second), Version: b.params.Version})
		if err != nil {
			return fmt.Errorf("encoding a sign of life: %w", err)
		}
		if err := bucket.Set(ctx, key, beat); err != nil {
			return err
		}
		var living []string
		if err := bucket.Each(ctx, func(e queue.Entry) { living = append(living, e.Key) }); err == nil {
			b.workers.Store(int64(len(living)))
			b.counted(living)
			b.first.Store(b.Living()[0] == key)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// keyOf makes a key of a worker's name, which may hold what keys may not.
func keyOf(worker string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '-', r == '_':
			return r
		}
		return '_'
	}, worker)
}
