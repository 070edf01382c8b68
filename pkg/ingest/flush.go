package ingest

import (
	"context"
	"fmt"
)

// flushing is one call of Flush: it waits for the flights up to upTo.
type flushing struct {
	upTo uint64
	left int
	done chan struct{}
}

// Flush waits until the callbacks of all records taken before it have
// returned, or ctx ends. What became of the records is told by their results.
func (p *Publisher) Flush(ctx context.Context) error {
	if !p.flush(ctx) {
		return fmt.Errorf("flushing: %w", context.Cause(ctx))
	}
	return nil
}

func (p *Publisher) flush(ctx context.Context) bool {
	p.mu.Lock()
	w := &flushing{upTo: p.taken, left: len(p.live), done: make(chan struct{})}
	if w.left == 0 {
		p.mu.Unlock()
		return true
	}
	p.flushes[w] = struct{}{}
	p.mu.Unlock()
	select {
	case <-w.done:
		return true
	case <-ctx.Done():
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.flushes, w)
		return w.left == 0
	}
}

// landed tells those who flush that a flight's callback has returned. The
// lock is held.
func (p *Publisher) landed(f *flight) {
	delete(p.live, f)
	for w := range p.flushes {
		if f.number > w.upTo {
			continue
		}
		if w.left--; w.left == 0 {
			delete(p.flushes, w)
			close(w.done)
		}
	}
}
