package ingest

import (
	"context"
	"slices"
	"sync"
)

// room bounds what is in flight, in messages and bytes; who waits is served in
// order. What is larger than all the room goes alone.
type room struct {
	maxMessages int
	maxBytes    int64

	mu       sync.Mutex
	messages int
	bytes    int64
	waiting  []*waiter // one for each blocked caller
}

type waiter struct {
	bytes int64
	ready chan struct{}
}

// acquire waits for room until ctx ends or closing is closed.
func (r *room) acquire(ctx context.Context, closing <-chan struct{}, bytes int64) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	r.mu.Lock()
	w := &waiter{bytes, make(chan struct{})}
	r.waiting = append(r.waiting, w)
	r.admit()
	r.mu.Unlock()
	select {
	case <-w.ready:
		return nil
	case <-ctx.Done():
		return r.leave(w, context.Cause(ctx))
	case <-closing:
		return r.leave(w, ErrClosed)
	}
}

// leave gives up waiting, unless w was let in meanwhile.
func (r *room) leave(w *waiter, why error) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	i := slices.Index(r.waiting, w)
	if i < 0 {
		return nil
	}
	r.waiting = slices.Delete(r.waiting, i, i+1)
	r.admit() // a large one at the head may have barred smaller ones
	return why
}

func (r *room) release(bytes int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.messages--
	r.bytes -= bytes
	r.admit()
}

func (r *room) admit() {
	for len(r.waiting) > 0 {
		w := r.waiting[0]
		fits := r.messages == 0 || r.messages < r.maxMessages && r.bytes+w.bytes <= r.maxBytes
		if !fits {
			return
		}
		r.messages++
		r.bytes += w.bytes
		r.waiting = slices.Delete(r.waiting, 0, 1)
		close(w.ready)
	}
}
