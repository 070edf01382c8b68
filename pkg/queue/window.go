package queue

import (
	"context"

	"golang.org/x/sync/semaphore"
)

// Window bounds what a process has in hand, in bytes of memory: the messages
// it was handed and has not settled, and what becomes of them on the way.
type Window struct {
	bytes *semaphore.Weighted
	size  int64
}

// DefaultWindow is the default size in bytes.
const DefaultWindow = 64 << 20

// NewWindow makes a window of size bytes.
func NewWindow(size int64) *Window {
	return &Window{bytes: semaphore.NewWeighted(size), size: size}
}

// footprint is what a message of n bytes takes in memory: itself, the event
// made of it, and their frames.
func footprint(n int) int64 { return 2*int64(n) + 2<<10 }

// reserve waits for room for n bytes.
func (w *Window) reserve(ctx context.Context, n int64) error { return w.bytes.Acquire(ctx, n) }

func (w *Window) release(n int64) {
	if n > 0 {
		w.bytes.Release(n)
	}
}
