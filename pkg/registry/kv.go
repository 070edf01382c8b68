package registry

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/hogcast/hogcast/pkg/destination"
	"github.com/hogcast/hogcast/pkg/queue"
	"github.com/hogcast/hogcast/pkg/seal"
)

// KV is a registry of destinations in the bucket, watched: a change is in force
// as soon as the server has told of it, some milliseconds after it was written.
type KV struct {
	params KVParams
	log    *zap.Logger
	bucket *queue.Bucket

	mu      sync.Mutex
	known   map[string]*known // by key
	dirty   map[string]bool   // keys whose change is not in force yet
	bad     map[string]*known // those of the known that have a problem
	session uint64            // of the watch: counts its beginnings
	seen    int               // entries that this session has told of
	listed  bool              // the first list is complete

	publishing sync.Mutex // held from taking the dirty to telling of them
	current    atomic.Pointer[destination.Set]
	ready      chan struct{} // closed when the first list is in force
	wake       chan struct{}
	asked      asked
	loads      loads
}

// KVParams of a registry in the bucket.
type KVParams struct {
	Conn *queue.Conn
	// Keys decrypt the secrets; nil: none. KV.Run follows their file.
	Keys *seal.Keys
	// Defaults has destinations of the tenant `_` stand in for those of each
	// tenant that has none of its own.
	Defaults bool
	// OnChange, if set, is told after each change is in force.
	OnChange OnChange
	Logger   *zap.Logger
}

// known is an entry as it was told of last.
type known struct {
	entry    queue.Entry // its Value only where a secret of it can't be decrypted
	session  uint64
	inForce  *destination.Destination // nil: it is gone, or never was good
	problem  error
	searched bool // the bucket's history, for a last good version
	plain    bool // a secret is not encrypted
}

// OpenKV looks the bucket up; queue.ErrNotSetUp where there is none.
func OpenKV(ctx context.Context, p KVParams) (*KV, error) {
	if p.Logger == nil {
		p.Logger = zap.NewNop()
	}
	bucket, err := p.Conn.Bucket(ctx, queue.BucketDestinations)
	if err != nil {
		return nil, err
	}
	k := &KV{
		params: p, log: p.Logger.Named("destinations"), bucket: bucket,
		known: make(map[string]*known), dirty: make(map[string]bool), bad: make(map[string]*known),
		ready: make(chan struct{}), wake: make(chan struct{}, 1),
	}
	k.asked.init()
	k.current.Store(k.empty())
	return k, nil
}

func (k *KV) empty() *destination.Set {
	set := destination.NewSet(nil)
	if k.params.Defaults {
		set = set.WithDefaults()
	}
	return set
}

// Current is the snapshot in force; empty until Listed.
func (k *KV) Current() *destination.Set { return k.current.Load() }

// Loads tells how loading has gone: Failed while the bucket is not watched.
func (k *KV) Loads() Loads {
	k.loads.mu.Lock()
	defer k.loads.mu.Unlock()
	return k.loads.last
}

// Listed waits until the first full list is in force. Run has to run.
func (k *KV) Listed(ctx context.Context) error {
	select {
	case <-k.ready:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

const (
	watchAgain = time.Second
	// recoverFirst bounds how long the first list waits for last good versions
	// of what is bad in it; the rest is looked for while records flow.
	recoverFirst = time.Second
)

// Run watches bucket and keys until ctx ends.
func (k *KV) Run(ctx context.Context) {
	var parts sync.WaitGroup
	defer parts.Wait()
	parts.Go(func() { k.watch(ctx) })
	parts.Go(func() { k.publishes(ctx) })
	parts.Go(func() {
		k.params.Keys.Watch(ctx, func(r *seal.Ring) {
			k.log.Info("secrets keys reloaded", zap.Stringer("keys", r))
			k.decryptAgain()
		}, func(err error) { k.log.Error("secrets keys not reloaded", zap.Error(err)) })
	})
}

// watch begins again when the connection was lost: what the server has to tell
// of meanwhile comes first then.
func (k *KV) watch(ctx context.Context) {
	told := false
	for ctx.Err() == nil {
		k.begin()
		err := k.bucket.Watch(ctx, k.learn, func() { told = false; k.caughtUp() })
		if ctx.Err() != nil {
			return
		}
		k.loads.failed()
		if !told {
			told = true
			k.log.Warn("watching destinations failed; the last known stay in force, trying on", zap.Error(err))
		}
		select {
		case <-ctx.Done():
		case <-time.After(watchAgain):
		}
	}
}

func (k *KV) begin() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.session++
	k.seen = 0
}

// learn takes what the watch tells.
func (k *KV) learn(e queue.Entry) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.seen++
	k.take(e, k.session)
	k.rouse()
}

// take notes an entry, unless something newer is known. A session that has just
// begun is believed whatever was known: the bucket may have been made anew.
func (k *KV) take(e queue.Entry, session uint64) {
	now := k.known[e.Key]
	switch {
	case now == nil:
		now = &known{}
		k.known[e.Key] = now
	case now.session == session && e.Revision <= now.entry.Revision:
		return
	}
	same := now.entry.Revision == e.Revision && now.entry.At.Equal(e.At)
	now.session = session
	if same {
		return
	}
	k.read(now, e)
	k.dirty[e.Key] = true
}

// read decodes an entry, and decides what is in force of it.
func (k *KV) read(now *known, e queue.Entry) {
	s := decode(e, k.params.Keys.Ring())
	now.entry, now.plain, now.searched = e, s.Plain, false
	if !errors.Is(s.Problem, ErrSecretUnreadable) {
		now.entry.Value = nil // only this one may be read again
	}
	was := now.problem
	now.problem = s.Problem
	switch {
	case s.Deleted:
		now.inForce, now.problem = nil, nil
	case s.Problem == nil:
		now.inForce = renewed(now.inForce, s.Destination)
	case s.Destination != nil:
		now.inForce = restricted(now.inForce, s.Destination)
	case now.inForce == nil || now.inForce.EntryUnreadable:
		now.inForce = renewed(now.inForce, s.standIn)
	}
	if delete(k.bad, e.Key); now.problem != nil {
		k.bad[e.Key] = now
	}
	if now.problem != nil && (was == nil || was.Error() != now.problem.Error()) {
		k.log.Error("a destination in the bucket is bad", zap.Uint64("revision", e.Revision), zap.Error(now.problem))
	}
	if now.plain && k.params.Keys.Ring() != nil {
		k.log.Warn("a secret in the bucket is not encrypted; `hogcast secrets rotate` mends it", zap.String("key", place(e.Key)))
	}
}

// renewed is the next version, or the one that there is where nothing of it has
// changed: a new seal is no change.
func renewed(was, next *destination.Destination) *destination.Destination {
	if was != nil && was.Revision() == next.Revision() {
		return was
	}
	return next
}

// restricted is what is in force where the next version's secret can't be
// decrypted: where to and with which key stays, what the owner forbids counts at
// once. Where there was none its branches are held, by its rules.
func restricted(was, next *destination.Destination) *destination.Destination {
	if was == nil || was.SecretUnreadable {
		return renewed(was, next)
	}
	d := *was
	d.Enabled, d.Paused, d.PrivacyMode, d.Privacy = next.Enabled, next.Paused, next.PrivacyMode, next.Privacy
	if !next.Privacy.UserHashKey.Empty() && !was.Privacy.UserHashKey.Empty() {
		d.Privacy.UserHashKey = was.Privacy.UserHashKey
	}
	return renewed(was, &d)
}

// caughtUp is told when the session has told of all that there is.
func (k *KV) caughtUp() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.seen == 0 && len(k.known) > 0 {
		// Whoever deletes destinations leaves a mark of each.
		k.log.Error("the bucket of destinations is empty, as if made anew; the last known stay in force",
			zap.String("bucket", queue.BucketDestinations), zap.Int("destinations", k.Current().Len()))
	} else {
		k.sweep()
	}
	k.listed = true
	k.rouse()
}

// sweep forgets what the session has not told of.
func (k *KV) sweep() {
	for key, now := range k.known {
		if now.session != k.session {
			*now = known{session: k.session, entry: queue.Entry{Key: key, Deleted: true}}
			delete(k.bad, key)
			k.dirty[key] = true
		}
	}
}

func (k *KV) rouse() {
	select {
	case k.wake <- struct{}{}:
	default:
	}
}

// decryptAgain reads again what could not be decrypted, last good versions too.
func (k *KV) decryptAgain() {
	k.mu.Lock()
	defer k.mu.Unlock()
	for key, now := range maps.Clone(k.bad) {
		if now.entry.Value != nil {
			k.read(now, now.entry)
			k.dirty[key] = true
		}
		now.searched = now.searched && (now.inForce == nil || !now.inForce.SecretUnreadable)
	}
	k.rouse()
}

// Problems are those of the entries that are not in force as they stand.
func (k *KV) Problems() []EntryProblem {
	k.mu.Lock()
	defer k.mu.Unlock()
	all := make([]EntryProblem, 0, len(k.bad))
	for _, key := range slices.Sorted(maps.Keys(k.bad)) {
		now := k.bad[key]
		all = append(all, EntryProblem{
			Where: place(key), Problem: now.problem.Error(), Revision: now.entry.Revision,
			LastGood: now.inForce != nil && !now.inForce.SecretUnreadable,
		})
	}
	return all
}

// errNoList: the bucket's first list is not complete.
var errNoList = fmt.Errorf("%w: destinations are not listed yet", queue.ErrUnavailable)
