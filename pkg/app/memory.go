package app

import (
	"math"
	"runtime/debug"
	"sync"
)

const (
	// memoryBeside is what a worker takes beside its window: programs, what is
	// being sent, connections, and room for the collector to work in.
	memoryBeside = 96 << 20
	// memoryFor is what each destination beyond freeDestinations takes.
	memoryFor        = 2 << 10
	freeDestinations = 10_000
)

// memoryLimit tells Go's collector how much memory the worker means to take, so
// that garbage is collected sooner where the window is full, unless GOMEMLIMIT
// has said it. It is a soft limit: more is taken where more is needed.
type memoryLimit struct {
	mu    sync.Mutex
	limit int64
}

// follow sets the limit for a window in bytes, and so many destinations.
func (m *memoryLimit) follow(window int64, destinations int) {
	const step = 1 << 20 // a change of less is not worth it
	limit := window + memoryBeside + memoryFor*int64(max(0, destinations-freeDestinations))
	m.mu.Lock()
	defer m.mu.Unlock()
	if environmentLimits || limit-m.limit < step && m.limit-limit < step {
		return
	}
	m.limit = limit
	debug.SetMemoryLimit(limit)
}

// environmentLimits: GOMEMLIMIT was given.
var environmentLimits = debug.SetMemoryLimit(-1) != math.MaxInt64
