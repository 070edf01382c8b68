// Package mapping turns a generation record into a PostHog event. Pure: no
// context, no clock, no I/O, no randomness; the same record gives the same
// bytes for ever. Layer 1: decisions.
package mapping

import (
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/uuid"

	"github.com/hogcast/hogcast/pkg/event"
	"github.com/hogcast/hogcast/pkg/rawjson"
	"github.com/hogcast/hogcast/pkg/record"
)

const (
	// Version is the mapping's version, kept in envelopes.
	Version = "1"
	// LibVersion is sent as $ai_lib_version.
	LibVersion = "0.1.0"

	// maxMetadataDepth is how many levels of a custom property stay.
	maxMetadataDepth = 3
	// maxEventDepth: PostHog's JSON reader stops at 128 levels and then refuses
	// the whole batch, whose own frame takes two.
	maxEventDepth = 100
	// valueDepth is what is left of it for the value of a property: the event
	// and its properties are two levels themselves.
	valueDepth = maxEventDepth - 2

	// FrameBytes is about what an event has beside its record's own bytes.
	FrameBytes = 512

	// maxDroppedFields bounds the property hogcast_dropped_fields.
	maxDroppedFields = 20
)

// namespace of all version 5 UUIDs that hogcast makes.
var namespace = uuid.MustParse("9f1c2f0e-5d0b-5c44-9c1b-7f0d6c3a2b10")

// Notes tell what the mapping had to do to a record.
type Notes struct {
	DistinctIDShortened bool
	// Truncated: content, or at the utmost metadata, was cut to fit.
	Truncated bool
}

// Map makes the event of a record for one destination. Privacy rules have
// been applied to the record before.
func Map(r *record.Record, destination string) (*event.Event, Notes) {
	return mapTo(new(event.Room), r, destination)
}

// Lend is Map for an event that lives for one request: after its Release the
// memory of its properties is another's.
func Lend(r *record.Record, destination string) (*event.Event, Notes) {
	room := event.Borrow(sizeHint(r))
	e, notes := mapTo(room, r, destination)
	e.In(room)
	return e, notes
}

func mapTo(room *event.Room, r *record.Record, destination string) (*event.Event, Notes) {
	e, p, notes := build(room, r, destination)
	if e.Size() > event.MaxBytes {
		// White space costs nobody his content.
		e, p, notes = build(room, compact(r), destination)
	}
	if e.Size() > event.MaxBytes {
		notes.Truncated = true
		e.Properties = p.shorten(e.Size() - event.MaxBytes)
	}
	return e, notes
}

// UUID is the uuid of the record's event for a destination: the same for ever,
// so that PostHog can tell copies.
func UUID(r *record.Record, destination string) string {
	return uuid.NewSHA1(namespace, []byte(r.Tenant+"/"+destination+"/"+r.ID)).String()
}

// build makes the event whatever its size.
func build(room *event.Room, r *record.Record, destination string) (*event.Event, *properties, Notes) {
	t := readTrace(r)
	who := identify(r, t.id)
	e := &event.Event{
		UUID:       UUID(r, destination),
		Name:       event.Generation,
		DistinctID: who.distinctID,
		Timestamp:  r.CreatedAt,
		Personless: who.personless,
	}
	if r.Embedding {
		e.Name = event.Embedding
	}
	p := &properties{out: room.Bytes(sizeHint(r))}
	p.open()
	p.ids(r, &t)
	p.model(r)
	p.usage(&r.Usage, r.CacheExclusive)
	p.failure(r)
	p.groups(r.Groups)
	p.metadata(&t)
	p.dropped(r.Dropped)
	p.content(r)
	e.Properties = p.close()
	return e, p, Notes{DistinctIDShortened: who.shortened}
}

// compact returns the record with its raw values free of white space.
func compact(r *record.Record) *record.Record {
	c := *r
	for _, v := range []*record.Value{&c.Messages, &c.Choices, &c.Tools, &c.Trace, &c.TraceOdd} {
		if *v == nil {
			continue
		}
		packed := v.Clone()
		if packed.Compact(jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)) == nil {
			*v = packed
		}
	}
	return &c
}

// sizeHint is about the size of the properties, so that they grow once at most.
func sizeHint(r *record.Record) int {
	return 1024 + len(r.Messages) + len(r.Choices) + len(r.Tools) + len(r.Trace) + len(r.Trace)/2
}

// properties writes the event's properties, metadata first, content last.
type properties struct {
	out []byte
	// Where the values of $ai_input and $ai_output_choices begin and end in
	// out; 0, 0 where there is none.
	input, output span
}

type span struct{ from, to int }

// open names the sender on every path alike, and keeps PostHog from taking the
// worker's address for the user's place.
func (p *properties) open() {
	p.out = append(p.out, `{"$ai_lib":"hogcast","$ai_lib_version":"`+LibVersion+
		`","$lib":"hogcast","$lib_version":"`+LibVersion+`","$geoip_disable":true`...)
}

func (p *properties) close() []byte {
	p.out = append(p.out, '}')
	return p.out
}

// key begins a member; name is one of ours and needs no escapes.
func (p *properties) key(name string) {
	p.out = append(p.out, ',', '"')
	p.out = append(p.out, name...)
	p.out = append(p.out, '"', ':')
}

func (p *properties) text(name, s string) {
	if s != "" {
		p.key(name)
		p.out = rawjson.AppendString(p.out, s)
	}
}

// raw writes a value that is known to be sound, such as a number.
func (p *properties) raw(name string, v []byte) {
	if v != nil {
		p.key(name)
		p.out = append(p.out, v...)
	}
}

// value writes a value of any kind, repaired, depth levels of it.
func (p *properties) value(name string, v []byte, depth int) {
	if v != nil {
		p.key(name)
		p.out = appendSound(p.out, v, rawjson.Rules{Depth: depth})
	}
}

// appendSound appends v as it is where nothing has to be done to it, and
// rewritten where something has.
func appendSound(dst, v []byte, rules rawjson.Rules) []byte {
	facts := rawjson.Inspect(v)
	if facts.Unsound || facts.Depth > rules.Depth || rules.StripBinary && facts.Binary {
		return rawjson.Rewrite(dst, v, rules)
	}
	return append(dst, v...)
}

func (p *properties) flag(name string) {
	p.key(name)
	p.out = append(p.out, "true"...)
}
