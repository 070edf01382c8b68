package sandbox

import (
	"encoding/json"
	"net/http"
	"time"
)

// Taken is one event that was accepted, as the rest of PostHog would see it:
// the same form whichever path it came by.
type Taken struct {
	APIKey     string
	Path       string // as it was requested
	Event      string
	UUID       string // canonical form; a new one where legacy got none
	DistinctID string // trimmed on v1, cut on legacy
	Timestamp  string // as it was sent
	// Properties is a JSON object on one line. On v1 the options, session_id,
	// window_id and the SDK's name ($lib, $lib_version) are folded into its end.
	// A key that comes twice was sent twice, or folded over: the last one wins.
	Properties json.RawMessage
	Options    json.RawMessage // v1's, as they were sent; nil where they weren't
	ReceivedAt time.Time
	Request    int // the Request's ID
}

// size is about what it takes in memory, in bytes.
func (t *Taken) size() int64 {
	const frame = 256
	return int64(frame + len(t.Path) + len(t.Event) + len(t.DistinctID) + len(t.Timestamp) +
		len(t.Properties) + len(t.Options))
}

// appendRecord appends the event's line of NDJSON, the line break included.
func (t *Taken) appendRecord(dst []byte) []byte {
	field := func(name, value string) {
		dst = append(append(append(dst, '"'), name...), `":`...)
		dst = append(appendString(dst, value), ',')
	}
	dst = append(dst, '{')
	field("api_key", t.APIKey)
	field("path", t.Path)
	field("uuid", t.UUID)
	field("event", t.Event)
	field("distinct_id", t.DistinctID)
	field("timestamp", t.Timestamp)
	dst = append(append(dst, `"properties":`...), t.Properties...)
	if t.Options != nil {
		dst = append(append(dst, `,"options":`...), t.Options...)
	}
	return append(dst, '}', '\n')
}

// Request is one request, whatever became of it.
type Request struct {
	ID         int // from 1, in order of arrival
	ReceivedAt time.Time
	Method     string
	Path       string
	Status     int    // 0: none was sent (reset, hang)
	Fault      string // that was played, in the words of ParseFault; "" for none
	APIKey     string // "" where it couldn't be read
	Encoding   string // the Content-Encoding
	WireBytes  int64  // of the body, as far as it was read
	Events     int    // in the batch, as far as it could be read
	// Header has what may interest a test: User-Agent, Content-Type,
	// Content-Encoding and all PostHog-*. Authorization isn't among them.
	Header http.Header
}
