package queue

import (
	"errors"
	"strings"

	"github.com/nats-io/nats.go/jetstream"
)

// Errors that callers tell apart.
var (
	// ErrNotSetUp: a stream, consumer or bucket is missing, or is not of the
	// kind that hogcast needs. `hogcast setup` mends it.
	ErrNotSetUp = errors.New("jetstream is not set up for hogcast")
	// ErrTooOld: the server lacks what hogcast needs.
	ErrTooOld = errors.New("nats-server is too old")
	// ErrUnavailable: no answer. It says nothing about what is set up; wait.
	ErrUnavailable = errors.New("jetstream does not answer")
	// ErrQueueFull: the stream, or the quota of this subject, is full.
	ErrQueueFull = errors.New("the queue is full")
	// ErrNoMessage: the stream, or the subject, holds none such.
	ErrNoMessage = errors.New("no message")
	// ErrConflict: somebody else has written the key since it was read.
	ErrConflict = errors.New("written by somebody else meanwhile")
	// ErrGone: the consumer of a drain was ended by somebody else, or by the
	// server.
	ErrGone = errors.New("the consumer is gone")
	// ErrTooLarge: over the server's max_payload.
	ErrTooLarge = errors.New("message too large")
	// ErrPermission: the server refused the publish for want of permission.
	ErrPermission = errors.New("not permitted by the nats server")
)

// JetStream's error codes that mean that there is no room: account, stream
// limits, publish queue, storage, memory.
const (
	codeAccountExceeded      = 10002
	codeMemoryExceeded       = 10028
	codeStreamStoreFailed    = 10077
	codeInsufficientResource = 10023
	codeStorageExceeded      = 10047
)

// isFull reports whether an error of a publish says that there is no room.
func isFull(err error) bool {
	var api *jetstream.APIError
	if !errors.As(err, &api) {
		return false
	}
	switch api.ErrorCode {
	case codeAccountExceeded, codeMemoryExceeded, codeInsufficientResource, codeStorageExceeded:
		return true
	}
	return limitReached(api)
}

// limitReached reports whether a stream, or a subject of it, holds as much as
// it is set to. The server has one code for all that a store refuses, and tells
// them apart by its text alone.
func limitReached(api *jetstream.APIError) bool {
	return api.ErrorCode == codeStreamStoreFailed && strings.Contains(api.Description, "maximum ")
}

// isMissing reports whether an error says that a stream, consumer or bucket
// does not exist; anything else, above all no answer, does not say so.
func isMissing(err error) bool {
	return errors.Is(err, jetstream.ErrStreamNotFound) || errors.Is(err, jetstream.ErrConsumerNotFound) ||
		errors.Is(err, jetstream.ErrBucketNotFound) || errors.Is(err, jetstream.ErrConsumerDoesNotExist)
}
