package queue

import (
	"context"
	"time"
)

// Oversleep makes the delivery look as if this process had stood still for by.
func (h *Hand) Oversleep(d *Delivery, by time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	d.renewed = d.renewed.Add(-by)
}

// Beat is one look of the heartbeats.
func (h *Hand) Beat() { h.beat(time.Now()) }

// TakeAll tries to reserve the whole window: it can only where all was given back.
func (w *Window) TakeAll() bool {
	if !w.bytes.TryAcquire(w.size) {
		return false
	}
	w.bytes.Release(w.size)
	return true
}

// Footprint is what a message of n bytes takes of a window.
func Footprint(n int) int64 { return footprint(n) }

// HeaderRoom is what a pull leaves for a message's headers.
const HeaderRoom = headerRoom

// AtLeast compares versions.
func AtLeast(version, least string) bool { return atLeast(version, least) }

// Reserve takes bytes of a window.
func (w *Window) Reserve(ctx context.Context, n int64) { _ = w.reserve(ctx, n) }

// Release gives them back.
func (w *Window) Release(n int64) { w.release(n) }
