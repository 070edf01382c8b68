// Package event holds what a destination receives: one PostHog event, ready
// for the wire. Layer 0: facts; it imports nothing of ours.
package event

import (
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// Names of the events that hogcast makes.
const (
	Generation = "$ai_generation"
	Embedding  = "$ai_embedding"
)

// MaxBytes is the largest event, as AppendJSON writes it. posthog-go refuses a
// message over 500,000 bytes; one limit below that on every protocol means
// that the path never changes the event.
const MaxBytes = 480_000

// PersonProfile is the property that tells PostHog to make no person.
const PersonProfile = "$process_person_profile"

// Event is one event of one destination. It is immutable once made: several
// attempts, possibly on several protocols, send the same bytes.
type Event struct {
	UUID       string    // version 5, canonical form; the same for ever
	Name       string    // Generation or Embedding
	DistinctID string    // 1–200 bytes
	Timestamp  time.Time // UTC, the record's own time
	// Personless asks PostHog to make no person. It is a property on the
	// legacy path and an option of the event on v1, so it stands apart.
	Personless bool
	// Properties is a JSON object, valid UTF-8, without PersonProfile.
	Properties []byte
	// Traceparent names the span of the record that it is made of, where that is
	// sampled, else "". It is never sent.
	Traceparent string

	room *Room // where Properties stand, if they are only lent
}

// AppendJSON appends the event as one JSON object: the legacy wire form, and
// what `hogcast map` prints.
func (e *Event) AppendJSON(dst []byte) []byte {
	dst = append(dst, `{"uuid":"`...)
	dst = append(dst, e.UUID...)
	dst = append(dst, `","event":"`...)
	dst = append(dst, e.Name...)
	dst = append(dst, `","distinct_id":`...)
	dst = appendString(dst, e.DistinctID)
	dst = append(dst, `,"timestamp":"`...)
	dst = e.AppendTimestamp(dst)
	dst = append(dst, `","properties":`...)
	dst = e.AppendProperties(dst)
	return append(dst, '}')
}

// AppendTimestamp appends the timestamp in RFC 3339, without quotes.
func (e *Event) AppendTimestamp(dst []byte) []byte {
	return e.Timestamp.UTC().AppendFormat(dst, time.RFC3339Nano)
}

// AppendProperties appends the properties with PersonProfile where it applies.
func (e *Event) AppendProperties(dst []byte) []byte {
	if !e.Personless {
		return append(dst, e.Properties...)
	}
	dst = append(dst, `{"`+PersonProfile+`":false`...)
	rest := e.Properties[1:]
	if len(rest) > 1 {
		dst = append(dst, ',')
	}
	return append(dst, rest...)
}

// Size is the number of bytes that AppendJSON appends, at most: the distinct
// id is counted as if each of its bytes were escaped in the longest way.
func (e *Event) Size() int {
	const frame = len(`{"uuid":"","event":"","distinct_id":"","timestamp":"","properties":}`) +
		len(`"`+PersonProfile+`":false,`) + len(time.RFC3339Nano)
	return frame + len(e.UUID) + len(e.Name) + 6*len(e.DistinctID) + len(e.Properties)
}

// appendString quotes s; invalid UTF-8 becomes U+FFFD.
func appendString(dst []byte, s string) []byte {
	dst, err := jsontext.AppendQuote(dst, s)
	_ = err // only ever says that invalid UTF-8 was replaced, which is the rule
	return dst
}
