package queue

import (
	"context"
	"sync/atomic"

	"golang.org/x/sync/semaphore"
)

// Window bounds what a process has in hand, in bytes of memory: the messages
// it was handed and has not settled, and what becomes of them on the way.
type Window struct {
	bytes   *semaphore.Weighted
	size    int64
	outer   *Window // of a part: what it takes, it takes of the whole
	waiting atomic.Int32
	taken   atomic.Int64
}

// DefaultWindow is the default size in bytes.
const DefaultWindow = 64 << 20

// NewWindow makes a window of size bytes.
func NewWindow(size int64) *Window {
	return &Window{bytes: semaphore.NewWeighted(size), size: size}
}

// Part makes a window within this one: it may take at most size of its bytes.
func (w *Window) Part(size int64) *Window {
	part := NewWindow(min(size, w.size))
	part.outer = w
	return part
}

// Pressed reports whether somebody waits for room: while it lasts, whoever
// holds much keeps others from being served.
func (w *Window) Pressed() bool { return w.waiting.Load() > 0 }

// LargeMessage is from how many bytes on a message's event may be made before it
// is sent: the window has room for both.
const LargeMessage = 64 << 10

// footprint is what a message of n bytes takes in memory while it waits: itself
// and the frames around it, and a part of what becomes of it, as few are being
// sent at a time; of a large one the event, too.
func footprint(n int) int64 {
	const frames = 3 << 9 // 1.5 KiB
	if n > LargeMessage {
		return 2*int64(n) + frames
	}
	return int64(n) + int64(n)/8 + frames
}

// reserve waits for room for n bytes.
func (w *Window) reserve(ctx context.Context, n int64) error {
	if !w.bytes.TryAcquire(n) {
		w.waiting.Add(1)
		err := w.bytes.Acquire(ctx, n)
		w.waiting.Add(-1)
		if err != nil {
			return err
		}
	}
	if w.outer != nil {
		if err := w.outer.reserve(ctx, n); err != nil {
			w.bytes.Release(n)
			return err
		}
	}
	w.taken.Add(n)
	return nil
}

func (w *Window) release(n int64) {
	if n <= 0 {
		return
	}
	w.taken.Add(-n)
	w.bytes.Release(n)
	if w.outer != nil {
		w.outer.release(n)
	}
}

// Taken is how many bytes are taken, of Size.
func (w *Window) Taken() int64 { return w.taken.Load() }

// Size is how many bytes may be taken.
func (w *Window) Size() int64 { return w.size }
