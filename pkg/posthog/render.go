package posthog

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/hogcast/hogcast/pkg/event"
)

// The options that the SDK makes of our stubs. Others mean that it has
// changed, and perhaps that persons would be made where none may be.
const (
	optionsPlain      = `{"disable_skew_correction":true}`
	optionsPersonless = `{"disable_skew_correction":true,"process_person_profile":false}`
)

// member is a bit per member of an SDK event that has to be there.
type member uint8

const (
	memberUUID member = 1 << iota
	memberEvent
	memberDistinctID
	memberTimestamp
	memberProperties
	memberOptions
)

const membersBatch = memberUUID | memberEvent | memberDistinctID | memberTimestamp | memberProperties

func (p path) members() member {
	if p == pathV1 {
		return membersBatch | memberOptions
	}
	return membersBatch
}

// accept takes the SDK's request over. Anything that it doesn't know is an error,
// so that an SDK of another make never sends stubs.
func (x *exchange) accept(req *http.Request) error {
	switch {
	case req.Method != http.MethodPost || req.URL.Path != string(x.path) || req.URL.RawQuery != "":
		return fmt.Errorf("%w: not a POST to %s", errShape, x.path)
	case x.path == pathV1 && req.Header.Get("Authorization") != "Bearer "+stubKey:
		return fmt.Errorf("%w: no key where ours belongs", errShape)
	}
	x.sdkBody.Reset()
	if _, err := x.sdkBody.ReadFrom(req.Body); err != nil {
		return fmt.Errorf("reading the SDK's body: %w", err)
	}
	return nil
}

// render writes the request's real body to space.raw: the SDK's envelope as it
// is, with our properties and timestamps in it, under the rule of accept.
func (x *exchange) render(space *scratch) error {
	x.rendering.Lock()
	defer x.rendering.Unlock()
	if x.abandoned {
		return errNotOurs
	}
	x.source = *bytes.NewBuffer(x.sdkBody.Bytes())
	x.decoder.Reset(&x.source, jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	r := renderer{dec: x.decoder, sdk: x.sdkBody.Bytes(), dst: space.raw[:0], path: x.path, key: x.dest.APIKey.Reveal(), events: x.queued()}
	if err := r.envelope(); err != nil {
		return err
	}
	space.raw = append(r.dst, r.sdk[r.copied:]...)
	return nil
}

// queued lists the events that the SDK took.
func (x *exchange) queued() []*event.Event {
	x.mu.Lock()
	defer x.mu.Unlock()
	for i := range x.notes {
		if x.notes[i].unsent != nil {
			return x.withoutUnsent()
		}
	}
	return x.events
}

func (x *exchange) withoutUnsent() []*event.Event {
	var out []*event.Event
	for i, e := range x.events {
		if x.notes[i].unsent == nil {
			out = append(out, e)
		}
	}
	return out
}

// renderer copies the SDK's body and puts ours in the place of some values.
type renderer struct {
	dec    *jsontext.Decoder
	sdk    []byte
	copied int // so much of sdk is in dst, or replaced
	dst    []byte
	path   path
	key    string
	keyed  bool // the key is in
	events []*event.Event
	next   int // of events
}

func (r *renderer) envelope() error {
	found := false
	err := r.members(func(name []byte) error {
		switch string(name) {
		case `"batch"`:
			found = true
			return r.batch()
		case `"api_key"`:
			return r.apiKey()
		}
		return r.skip()
	})
	switch {
	case err != nil:
		return err
	case r.keyed != (r.path == pathBatch):
		return fmt.Errorf("%w: no key where ours belongs", errShape)
	case !found:
		return fmt.Errorf("%w: no batch", errShape)
	case r.next != len(r.events):
		return fmt.Errorf("%w: %d events of %d", errShape, r.next, len(r.events))
	}
	if _, err := r.dec.ReadToken(); !errors.Is(err, io.EOF) {
		return fmt.Errorf("%w: something follows the batch", errShape)
	}
	return nil
}

// members calls do for each name of the object that comes next; do reads the
// value.
func (r *renderer) members(do func(name []byte) error) error {
	if err := r.expect('{'); err != nil {
		return err
	}
	for r.dec.PeekKind() == '"' {
		name, err := r.dec.ReadValue()
		if err != nil {
			return fmt.Errorf("%w: not JSON", errShape)
		}
		if err := do(name); err != nil {
			return err
		}
	}
	return r.expect('}')
}

func (r *renderer) skip() error {
	if err := r.dec.SkipValue(); err != nil {
		return fmt.Errorf("%w: not JSON", errShape)
	}
	return nil
}

// apiKey puts the destination's key in the stub's place.
func (r *renderer) apiKey() error {
	value, err := r.dec.ReadValue()
	if err != nil || string(value) != `"`+stubKey+`"` || r.keyed {
		return fmt.Errorf("%w: no key where ours belongs", errShape)
	}
	r.cut(value)
	r.dst, err = jsontext.AppendQuote(r.dst, r.key)
	r.keyed = true
	return err //nolint:wrapcheck // of invalid UTF-8 alone, which no key has
}

func (r *renderer) expect(kind jsontext.Kind) error {
	if r.dec.PeekKind() != kind {
		return fmt.Errorf("%w: no %s", errShape, kind)
	}
	if _, err := r.dec.ReadToken(); err != nil {
		return fmt.Errorf("%w: not JSON", errShape)
	}
	return nil
}

func (r *renderer) batch() error {
	if err := r.expect('['); err != nil {
		return err
	}
	for r.dec.PeekKind() == '{' {
		if r.next == len(r.events) {
			return fmt.Errorf("%w: more events than were queued", errShape)
		}
		if err := r.event(r.events[r.next]); err != nil {
			return err
		}
		r.next++
	}
	return r.expect(']')
}

func (r *renderer) event(e *event.Event) error {
	var seen member
	err := r.members(func(name []byte) error {
		m, err := r.member(e, name)
		if err == nil && seen&m != 0 {
			return fmt.Errorf("%w: a member twice", errShape)
		}
		seen |= m
		return err
	})
	if err != nil {
		return err
	}
	if want := r.path.members(); seen != want {
		return fmt.Errorf("%w: an event's members are %06b, not %06b", errShape, seen, want)
	}
	return nil
}

// member passes one member of an event, or replaces its value.
func (r *renderer) member(e *event.Event, name []byte) (member, error) {
	// The name is only valid until the value is read.
	m := memberOf(name)
	value, err := r.dec.ReadValue()
	if err != nil {
		return 0, fmt.Errorf("%w: not JSON", errShape)
	}
	switch m {
	case memberUUID:
		if value.Kind() != '"' || string(value[1:len(value)-1]) != e.UUID {
			return 0, fmt.Errorf("%w: another uuid", errShape)
		}
	case memberOptions:
		want := optionsPlain
		if e.Personless {
			want = optionsPersonless
		}
		if string(value) != want {
			return 0, fmt.Errorf("%w: other options", errShape)
		}
	case memberTimestamp:
		r.cut(value)
		r.dst = append(r.dst, '"')
		r.dst = e.AppendTimestamp(r.dst)
		r.dst = append(r.dst, '"')
	case memberProperties:
		r.cut(value)
		if r.path == pathV1 {
			r.dst = append(r.dst, e.Properties...)
		} else {
			r.dst = e.AppendProperties(r.dst)
		}
	}
	return m, nil
}

// cut copies the SDK's body up to the value that was read last, and skips it.
func (r *renderer) cut(value []byte) {
	end := int(r.dec.InputOffset())
	r.dst = append(r.dst, r.sdk[r.copied:end-len(value)]...)
	r.copied = end
}

func memberOf(name []byte) member {
	switch string(name) {
	case `"uuid"`:
		return memberUUID
	case `"event"`:
		return memberEvent
	case `"distinct_id"`:
		return memberDistinctID
	case `"timestamp"`:
		return memberTimestamp
	case `"properties"`:
		return memberProperties
	case `"options"`:
		return memberOptions
	}
	return 0
}
