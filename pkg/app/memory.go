package app

import (
	"math"
	"runtime/debug"
)

const (
	// memoryBeside is what a worker takes beside its window: programs, what is
	// being sent, connections, and room for the collector to work in.
	memoryBeside = 88 << 20
	// memoryFor is what each destination beyond freeDestinations takes.
	memoryFor        = 2 << 10
	freeDestinations = 10_000
)

// limitMemory tells Go's collector how much memory the worker means to take, so
// that garbage is collected sooner where the window is full, unless GOMEMLIMIT
// has said it. It is a soft limit: more is taken where more is needed.
func limitMemory(window int64, destinations int) {
	if !ownMemory {
		return
	}
	debug.SetMemoryLimit(window + memoryBeside + memoryFor*int64(max(0, destinations-freeDestinations)))
}

// ownMemory: no limit was given by the environment.
var ownMemory = debug.SetMemoryLimit(-1) == math.MaxInt64
