package delivery

import (
	"time"

	"github.com/hogcast/hogcast/pkg/destination"
)

// memory keeps what is worth knowing of lanes that are gone for a short while,
// so that a pause between two events costs a destination neither its pace nor
// its good name. Two generations take turns: an entry lives for 1 to 2 times
// memorySpan, or until memoryMost others have come, twice; about 3 MB at the
// most, since maps are half empty.
type memory struct {
	recent, older map[destination.ID]remembered
	turned        time.Time
}

const (
	memorySpan = 10 * time.Second
	memoryMost = 4096
)

type remembered struct {
	pace     pace
	accepted time.Time
	to       *destination.Destination
	revision string
}

func newMemory() memory {
	return memory{recent: map[destination.ID]remembered{}, older: map[destination.ID]remembered{}}
}

func (m *memory) put(id destination.ID, r remembered, now time.Time) {
	m.turn(now)
	m.recent[id] = r
}

func (m *memory) get(id destination.ID, now time.Time) (remembered, bool) {
	m.turn(now)
	r, ok := m.recent[id]
	if !ok {
		r, ok = m.older[id]
	}
	return r, ok
}

func (m *memory) turn(now time.Time) {
	if now.Sub(m.turned) < memorySpan && len(m.recent) < memoryMost {
		return
	}
	if now.Sub(m.turned) >= 2*memorySpan {
		clear(m.recent)
	}
	clear(m.older)
	m.recent, m.older, m.turned = m.older, m.recent, now
}
