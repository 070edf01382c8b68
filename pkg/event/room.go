package event

import "sync"

// Room is where the properties of an event stand that lives for one request
// only: what is sent is made anew for each, and would else be most of what the
// collector has to clear away.
type Room struct{ b []byte }

// Few events are large, and few rooms shall be; what is larger yet is not kept.
const smallRoom, largeRoom = 8 << 10, 64 << 10

var small, large sync.Pool

// Borrow returns a room for n bytes that nobody uses.
func Borrow(n int) *Room {
	rooms := &large
	if n <= smallRoom {
		rooms = &small
	}
	if r, ok := rooms.Get().(*Room); ok {
		return r
	}
	return new(Room)
}

// Bytes are empty, with room for n.
func (r *Room) Bytes(n int) []byte {
	if cap(r.b) < n {
		r.b = make([]byte, 0, n)
	}
	return r.b[:0]
}

// In says that the event's Properties stand in r, until Release.
func (e *Event) In(r *Room) { e.room = r }

// Release gives the room of the event's Properties to others: they are gone.
// Does nothing where they are its own.
func (e *Event) Release() {
	r := e.room
	if r == nil {
		return
	}
	r.b, e.Properties, e.room = e.Properties[:0], nil, nil
	switch n := cap(r.b); {
	case n <= smallRoom:
		small.Put(r)
	case n <= largeRoom:
		large.Put(r)
	}
}
