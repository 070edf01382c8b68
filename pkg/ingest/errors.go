package ingest

import "errors"

// What callers tell apart. A record that its schema condemns is refused with a
// *record.Malformed.
var (
	// ErrQueueFull: the stream, the tenant's quota in it, or the server's
	// storage has no room. The record is not stored.
	ErrQueueFull = errors.New("the queue is full")
	// ErrNotSetUp: for AckTimeout no stream has taken records of this tenant.
	ErrNotSetUp = errors.New("no stream takes these records: run `hogcast setup`")
	// ErrTooLarge: over the server's max_payload less 64 KiB, which a worker
	// needs for headers when it moves the record.
	ErrTooLarge = errors.New("the record is too large")
	// ErrPermission: the server does not let this connection publish here.
	ErrPermission = errors.New("not permitted by the nats server")
	// ErrUnknown: an attempt was made and no answer came. Publishing the same
	// record again is safe: its id makes it one.
	ErrUnknown = errors.New("not known whether it was stored")
	// ErrNotSent: no attempt was made, for want of a connection.
	ErrNotSent = errors.New("not sent")
	// ErrClosed: the Publisher takes no more records.
	ErrClosed = errors.New("the publisher is closed")
)
