package registry

import (
	"context"
	"strings"
	"sync"
	"time"

	"github.com/hogcast/hogcast/pkg/destination"
	"github.com/hogcast/hogcast/pkg/queue"
)

const (
	// askedFor is how long an answer counts.
	askedFor = 2 * time.Second
	// askedMost bounds the answers that are remembered.
	askedMost = 10_000
)

// asked remembers which tenants the bucket was asked about.
type asked struct {
	mu sync.Mutex
	at map[string]time.Time
}

func (a *asked) init() { a.at = make(map[string]time.Time) }

func (a *asked) fresh(tenant string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return time.Since(a.at[tenant]) < askedFor
}

// note counts from when it was asked: the answer is as old as the question.
func (a *asked) note(tenant string, at time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.at) >= askedMost {
		for other, then := range a.at {
			if time.Since(then) >= askedFor {
				delete(a.at, other)
			}
		}
		if len(a.at) >= askedMost {
			clear(a.at)
		}
	}
	a.at[tenant] = at
}

// Asked reports whether Ask has had an answer about the tenant within the last
// 2 s: then what Current says of it counts.
func (k *KV) Asked(tenant string) bool { return k.asked.fresh(tenant) }

// Ask asks the bucket itself for the destinations of a tenant, and puts them in
// force: the watch may not have told of them yet. An error is no answer.
func (k *KV) Ask(ctx context.Context, tenant string) error {
	if !destination.ValidName(tenant) {
		return nil // nobody can have set it up
	}
	if !isClosed(k.ready) {
		return errNoList
	}
	began := time.Now()
	k.mu.Lock()
	session := k.session
	k.mu.Unlock()
	var told []queue.Entry
	if err := k.bucket.Known(ctx, tenant+".*", func(e queue.Entry) { told = append(told, e) }); err != nil {
		return err
	}
	k.mu.Lock()
	if session == k.session { // else the watch tells of everything anew
		for _, e := range told {
			k.take(e, session)
		}
	}
	news := false
	for key := range k.dirty {
		news = news || strings.HasPrefix(key, tenant+".")
	}
	k.mu.Unlock()
	if news {
		k.publish()
	}
	k.asked.note(tenant, began)
	return nil
}
