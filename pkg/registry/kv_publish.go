package registry

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"

	"go.uber.org/zap"

	"github.com/hogcast/hogcast/pkg/destination"
	"github.com/hogcast/hogcast/pkg/queue"
)

// publishes puts what has changed in force, as soon as there is something: what
// comes in a burst goes together.
func (k *KV) publishes(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-k.wake:
		}
		k.mu.Lock()
		listed := k.listed
		k.mu.Unlock()
		if !listed {
			continue
		}
		first := !isClosed(k.ready)
		recovery, cancel := ctx, context.CancelFunc(func() {})
		if first {
			recovery, cancel = context.WithTimeout(ctx, recoverFirst)
		}
		k.recover(recovery)
		cancel()
		k.publish()
		if first && ctx.Err() == nil {
			close(k.ready)
			k.log.Info("destinations in force", zap.Int("destinations", readable(k.Current())), zap.Int("bad", len(k.Problems())))
			k.rouse() // what could not be recovered in time
		}
	}
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// publish makes the next snapshot, and tells of it.
func (k *KV) publish() {
	k.publishing.Lock()
	defer k.publishing.Unlock()
	k.mu.Lock()
	changes := make([]destination.Change, 0, len(k.dirty))
	for key := range k.dirty {
		changes = append(changes, k.changeOf(key))
	}
	clear(k.dirty)
	bad := len(k.bad)
	k.mu.Unlock()
	old := k.Current()
	var changed []destination.ID
	for _, c := range changes {
		if differs(old, c) {
			changed = append(changed, c.ID)
		}
	}
	k.current.Store(old.With(changes...))
	k.loads.succeeded(bad)
	if k.params.OnChange != nil && len(changed) > 0 {
		k.params.OnChange(k.Current(), changed)
	}
}

// differs reports whether a change is one of what is in force.
func differs(old *destination.Set, c destination.Change) bool {
	var was *destination.Destination
	if old.Own(c.ID.Tenant) {
		was = old.Get(c.ID)
	}
	return was != c.To
}

// changeOf is what has become of a key. Of one that is no name of a destination
// its tenant, if it may be one, is taken to have an entry that can't be read.
func (k *KV) changeOf(key string) destination.Change {
	now := k.known[key]
	id, ok := idOf(key)
	if !ok {
		tenant, name, _ := strings.Cut(key, ".")
		id = destination.ID{Tenant: tenant, Name: name}
	}
	c := destination.Change{ID: id, To: now.inForce}
	c.Unreadable = now.problem != nil && !errors.Is(now.problem, ErrSecretUnreadable)
	if now.entry.Deleted && now.problem == nil {
		delete(k.known, key)
	}
	return c
}

// recoversAtOnce bounds the questions for histories.
const recoversAtOnce = 16

// recover looks into the bucket's history for the last good version of what is
// bad, where this worker has never seen one.
func (k *KV) recover(ctx context.Context) {
	k.mu.Lock()
	var bad []string
	for key, now := range k.bad {
		if !now.searched && (now.inForce == nil || now.inForce.SecretUnreadable) {
			bad = append(bad, key)
		}
	}
	k.mu.Unlock()
	slots := make(chan struct{}, recoversAtOnce)
	var asking sync.WaitGroup
	defer asking.Wait()
	for _, key := range bad {
		if _, ok := idOf(key); !ok || ctx.Err() != nil {
			continue
		}
		slots <- struct{}{}
		asking.Go(func() {
			defer func() { <-slots }()
			k.recoverOne(ctx, key)
		})
	}
}

func (k *KV) recoverOne(ctx context.Context, key string) {
	history, err := k.bucket.History(ctx, key)
	if err != nil {
		return // it is searched for at the next change
	}
	good, revision := k.lastGood(history)
	k.mu.Lock()
	defer k.mu.Unlock()
	now := k.known[key]
	if now == nil || now.problem == nil || len(history) == 0 || now.entry.Revision != history[len(history)-1].Revision {
		return // it is another by now
	}
	now.searched = true
	if good == nil {
		return
	}
	next := now.inForce
	switch {
	case next == nil || next.EntryUnreadable:
		now.inForce = good
	case !good.SecretUnreadable:
		now.inForce = restricted(good, next)
	default:
		return // which it is, too
	}
	k.dirty[key] = true
	k.log.Warn("the last good version of a bad destination is in force",
		zap.String("key", place(key)), zap.Uint64("revision", revision))
}

// lastGood finds the newest version that is good, since it was deleted last;
// else the newest of which a secret alone can't be decrypted.
func (k *KV) lastGood(history []queue.Entry) (*destination.Destination, uint64) {
	ring := k.params.Keys.Ring()
	var best Stored
	for _, version := range slices.Backward(history) {
		s := decode(version, ring)
		if s.Deleted {
			break
		}
		if s.Problem == nil {
			return s.Destination, s.Revision
		}
		if best.Destination == nil {
			best = *s
		}
	}
	return best.Destination, best.Revision
}
