package held

import (
	"context"
	"encoding/json"
	"errors"
	"slices"

	"github.com/hogcast/hogcast/pkg/queue"
)

func markKey(held string) string { return markPrefix + queue.HostToken(held) }

// encode makes an array: those who look for states in the bucket, builds before
// this one among them, take it for none.
func (m marked) encode() []byte {
	value, err := json.Marshal([]marked{m})
	if err != nil {
		panic(err) // numbers and strings
	}
	return value
}

// decodeMark reads a mark; another version's is none.
func decodeMark(value []byte) marked {
	var all []marked
	if json.Unmarshal(value, &all) != nil || len(all) != 1 {
		return marked{}
	}
	return all[0]
}

// marks is the bucket that they are in, looked up once.
func (k *Keeper) marks(ctx context.Context) (*queue.Bucket, error) {
	if bucket := k.bucket.Load(); bucket != nil {
		return bucket, nil
	}
	bucket, err := k.Conn.Bucket(ctx, queue.BucketState)
	if err != nil {
		return nil, err
	}
	k.bucket.Store(bucket)
	return bucket, nil
}

// closeMark takes this process out of a subject's mark: as its holder, and as a
// victim, since it lives.
func (k *Keeper) closeMark(ctx context.Context, held string) error {
	bucket, err := k.marks(ctx)
	if err != nil {
		return err
	}
	for range markTries {
		if err = k.leaveMark(ctx, bucket, markKey(held)); !errors.Is(err, queue.ErrConflict) {
			return err
		}
	}
	return err
}

func (k *Keeper) leaveMark(ctx context.Context, bucket *queue.Bucket, key string) error {
	found, err := bucket.Get(ctx, key)
	if err != nil || found.Deleted {
		return err
	}
	left := decodeMark(found.Value)
	holds, dead := left.Holder == k.instance, slices.Contains(left.Victims, k.instance)
	switch {
	case dead:
		left.Victims = slices.DeleteFunc(left.Victims, func(v string) bool { return v == k.instance })
	case !holds:
		return nil
	}
	if holds {
		left.Holder, left.Wake, left.From, left.To, left.Alone = "", 0, 0, 0, false
	}
	if left.Holder == "" && left.Size == 0 {
		return bucket.Delete(ctx, key, found.Revision)
	}
	_, err = bucket.Put(ctx, key, left.encode(), found.Revision)
	return err
}

func (k *Keeper) forgetUnclosed(held string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.unclosed, held)
}

// closeMarks says of turns that they have ended where that could not be said
// before.
func (k *Keeper) closeMarks(ctx context.Context) error {
	k.mu.Lock()
	var due []string
	for held := range k.unclosed {
		if !k.active[held] {
			due = append(due, held)
		}
	}
	k.mu.Unlock()
	for _, held := range due {
		if err := k.closeMark(ctx, held); err != nil {
			return err
		}
		k.forgetUnclosed(held)
	}
	return nil
}
