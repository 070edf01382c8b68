// Package envelope is the stored form of a record that could not be delivered:
// the record itself as the body, so that a mended mapping reaches it, and what
// happened to it as headers. Layer 0: facts; it imports nothing of ours but rawjson.
package envelope

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/hogcast/hogcast/pkg/rawjson"
)

// Version is the envelope's version. Readers accept the one before and the one
// after, so that a rollout can be rolled back by one.
const Version = 1

// Header names. MsgID is the publisher's own, kept for people; the move itself
// has an id of its own (see MoveID).
const (
	HeaderEnvelope     = "Hogcast-Envelope"
	HeaderSource       = "Hogcast-Source"
	HeaderMsgID        = "Hogcast-Msg-Id"
	HeaderRecordID     = "Hogcast-Record-Id"
	HeaderReason       = "Hogcast-Reason"
	HeaderField        = "Hogcast-Field"
	HeaderDetail       = "Hogcast-Detail"
	HeaderStatus       = "Hogcast-Status"
	HeaderAttempts     = "Hogcast-Attempts"
	HeaderFirstAttempt = "Hogcast-First-Attempt"
	HeaderLastAttempt  = "Hogcast-Last-Attempt"
	HeaderFailures     = "Hogcast-Failures" // attempts that failed while the destination took others
	HeaderFirstFailure = "Hogcast-First-Failure"
	HeaderRules        = "Hogcast-Rules"
	HeaderMapping      = "Hogcast-Mapping"
	HeaderWorker       = "Hogcast-Worker"
	HeaderDropped      = "Hogcast-Dropped-Fields" // of a record that was rebuilt: names that its bytes no longer tell
	HeaderEncoding     = "Hogcast-Encoding"       // of the body: "" or "zstd"
	HeaderSize         = "Hogcast-Size"           // of the record in bytes, where the body is not it
	HeaderSHA256       = "Hogcast-Sha256"         // of the record, where the body is not it
	HeaderTraceparent  = "traceparent"            // the one header of the sender that is kept
)

// Limits, in bytes. Together they keep what a move adds below MaxAdded.
const (
	MaxMsgID  = 320
	MaxDetail = 1 << 10
	MaxField  = 256
	MaxAdded  = 8 << 10
)

// Source is where a record came from: the generation message.
type Source struct {
	Stream   string
	Sequence uint64
	Time     time.Time // the message's own timestamp
}

// String is `<stream>/<sequence>/<timestamp ns>`. The timestamp tells a stream
// that was deleted and made again, and so counts from 1 anew, from the first.
func (s Source) String() string {
	return s.Stream + "/" + strconv.FormatUint(s.Sequence, 10) + "/" + strconv.FormatInt(s.Time.UnixNano(), 10)
}

// ParseSource reads what String wrote.
func ParseSource(s string) (Source, error) {
	parts := strings.Split(s, "/")
	if len(parts) != 3 || parts[0] == "" {
		return Source{}, fmt.Errorf("%s: %q is not stream/sequence/nanoseconds", HeaderSource, s)
	}
	seq, err := strconv.ParseUint(parts[1], 10, 64)
	if err != nil {
		return Source{}, fmt.Errorf("%s: sequence: %w", HeaderSource, err)
	}
	ns, err := strconv.ParseInt(parts[2], 10, 64)
	if err != nil {
		return Source{}, fmt.Errorf("%s: timestamp: %w", HeaderSource, err)
	}
	return Source{Stream: parts[0], Sequence: seq, Time: time.Unix(0, ns).UTC()}, nil
}

// MoveID is the Nats-Msg-Id of a move of the source's branch: it names the
// instance, never the record. The record's own id would be answered as a
// duplicate inside the stream's window, and acknowledging then loses it.
func MoveID(s Source, destination string) string {
	return s.Stream + "/" + strconv.FormatUint(s.Sequence, 10) + "/" + destination + "/" +
		strconv.FormatInt(s.Time.UnixNano(), 10)
}

// Envelope is one stored branch. The zero value of a field leaves its header
// out.
type Envelope struct {
	Source       Source
	MsgID        string
	RecordID     string
	Reason       string
	Field        string
	Detail       string // cut at MaxDetail; scrub it before
	Status       int
	Attempts     int
	FirstAttempt time.Time
	LastAttempt  time.Time
	Failures     int // attempts that failed while the destination took others: what makes poison
	FirstFailure time.Time
	Rules        []string // privacy transforms already applied
	Mapping      string   // version of the mapping that was in force
	Worker       string
	Dropped      []string // optional fields left out of the record as stored
	Traceparent  string

	Encoding string
	Size     int
	SHA256   string
	Body     []byte
}

// Withhold drops the body and keeps its size and SHA-256: for what can't be
// made private, or is too large to keep.
func (e *Envelope) Withhold() {
	if e.SHA256 != "" {
		return
	}
	sum := sha256.Sum256(e.Body)
	e.Size, e.SHA256, e.Body, e.Encoding = len(e.Body), hex.EncodeToString(sum[:]), nil, ""
}

// Replayable reports whether the envelope still holds the record.
func (e *Envelope) Replayable() bool { return e.SHA256 == "" }

// Headers renders the headers. Values are single-line and bounded.
func (e *Envelope) Headers() map[string][]string {
	h := make(map[string][]string, 16)
	set := func(name, value string, limit int) {
		if value = oneLine(value, limit); value != "" {
			h[name] = []string{value}
		}
	}
	number := func(name string, n int) {
		if n != 0 {
			h[name] = []string{strconv.Itoa(n)}
		}
	}
	moment := func(name string, t time.Time) {
		if !t.IsZero() {
			h[name] = []string{t.UTC().Format(time.RFC3339Nano)}
		}
	}
	h[HeaderEnvelope] = []string{strconv.Itoa(Version)}
	if e.Source.Stream != "" {
		h[HeaderSource] = []string{e.Source.String()}
	}
	set(HeaderMsgID, e.MsgID, MaxMsgID)
	set(HeaderRecordID, e.RecordID, MaxMsgID)
	set(HeaderReason, e.Reason, 64)
	set(HeaderField, e.Field, MaxField)
	set(HeaderDetail, e.Detail, MaxDetail)
	number(HeaderStatus, e.Status)
	number(HeaderAttempts, e.Attempts)
	moment(HeaderFirstAttempt, e.FirstAttempt)
	moment(HeaderLastAttempt, e.LastAttempt)
	number(HeaderFailures, e.Failures)
	moment(HeaderFirstFailure, e.FirstFailure)
	set(HeaderRules, strings.Join(e.Rules, ","), 512)
	set(HeaderMapping, e.Mapping, 64)
	set(HeaderWorker, e.Worker, 128)
	set(HeaderDropped, strings.Join(e.Dropped, ","), MaxDetail)
	set(HeaderTraceparent, e.Traceparent, 128)
	set(HeaderEncoding, e.Encoding, 16)
	number(HeaderSize, e.Size)
	set(HeaderSHA256, e.SHA256, 64)
	return h
}

// ErrVersion says that an envelope is of a version that this build can't read.
var ErrVersion = errors.New("envelope version not readable by this build")

// Parse reads headers and body back. A header that is absent gives the zero
// value; one that is broken gives an error that names it.
func Parse(headers map[string][]string, body []byte) (*Envelope, error) {
	get := func(name string) string {
		if v := headers[name]; len(v) > 0 {
			return v[0]
		}
		return ""
	}
	version, err := strconv.Atoi(get(HeaderEnvelope))
	if err != nil {
		return nil, fmt.Errorf("%s: %q is no number", HeaderEnvelope, get(HeaderEnvelope))
	}
	if version < Version-1 || version > Version+1 {
		return nil, fmt.Errorf("%w: %d; this build reads %d to %d", ErrVersion, version, Version-1, Version+1)
	}
	e := &Envelope{
		MsgID: get(HeaderMsgID), RecordID: get(HeaderRecordID), Reason: get(HeaderReason),
		Field: get(HeaderField), Detail: get(HeaderDetail), Mapping: get(HeaderMapping),
		Worker: get(HeaderWorker), Traceparent: get(HeaderTraceparent),
		Encoding: get(HeaderEncoding), SHA256: get(HeaderSHA256), Body: body,
	}
	if dropped := get(HeaderDropped); dropped != "" {
		e.Dropped = strings.Split(dropped, ",")
	}
	if rules := get(HeaderRules); rules != "" {
		e.Rules = strings.Split(rules, ",")
	}
	return e, errors.Join(
		parseWith(get(HeaderSource), &e.Source, ParseSource),
		parseNamed(HeaderStatus, get(HeaderStatus), &e.Status, strconv.Atoi),
		parseNamed(HeaderAttempts, get(HeaderAttempts), &e.Attempts, strconv.Atoi),
		parseNamed(HeaderSize, get(HeaderSize), &e.Size, strconv.Atoi),
		parseNamed(HeaderFirstAttempt, get(HeaderFirstAttempt), &e.FirstAttempt, parseTime),
		parseNamed(HeaderLastAttempt, get(HeaderLastAttempt), &e.LastAttempt, parseTime),
		parseNamed(HeaderFailures, get(HeaderFailures), &e.Failures, strconv.Atoi),
		parseNamed(HeaderFirstFailure, get(HeaderFirstFailure), &e.FirstFailure, parseTime),
	)
}

func parseTime(s string) (time.Time, error) { return time.Parse(time.RFC3339Nano, s) }

func parseWith[T any](s string, to *T, parse func(string) (T, error)) error {
	if s == "" {
		return nil
	}
	v, err := parse(s)
	if err == nil {
		*to = v
	}
	return err
}

func parseNamed[T any](name, s string, to *T, parse func(string) (T, error)) error {
	if err := parseWith(s, to, parse); err != nil {
		return fmt.Errorf("%s: %q: %w", name, s, err)
	}
	return nil
}

// oneLine makes s safe as a header's value: no control characters, no space
// at either end (NATS would trim it), at most limit bytes, cut at a character.
func oneLine(s string, limit int) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, s)
	return strings.TrimSpace(rawjson.Cut(strings.TrimSpace(s), limit))
}
