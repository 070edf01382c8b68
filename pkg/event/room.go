package event

import "sync"

// Room is where the properties of an event stand that lives for one request
// only: what is sent is made anew for each, and would else be most of what the
// collector has to clear away.
type Room struct{ b []byte }

// maxRoom bounds what is kept for others.
const maxRoom = 64 << 10

var rooms = sync.Pool{New: func() any { return new(Room) }}

// Borrow returns a room that nobody uses.
func Borrow() *Room {
	r, _ := rooms.Get().(*Room)
	return r
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
	if cap(r.b) <= maxRoom {
		rooms.Put(r)
	}
}
