package mapping

import (
	"bytes"

	"github.com/hogcast/hogcast/pkg/rawjson"
	"github.com/hogcast/hogcast/pkg/record"
)

// trace is the record's `trace`, its three reserved keys told apart from the
// custom ones.
type trace struct {
	id       string // $ai_trace_id: trace_id, else the record's id
	spanName string // generation_name
	name     []byte // trace_name, a quoted string or nil
	custom   []member
}

// member is a key, quoted and in canonical form, and its raw value.
type member struct{ key, value []byte }

func readTrace(r *record.Record) trace {
	t := trace{id: r.ID}
	if r.TraceOdd != nil {
		t.custom = []member{{[]byte(`"trace"`), r.TraceOdd}}
	}
	if r.Trace == nil {
		return t
	}
	members := uniqueMembers(r.Trace)
	t.custom = members[:0]
	for _, m := range members {
		switch string(m.key) {
		case `"trace_id"`:
			if id := nameText(m.value); id != "" {
				t.id = id
				continue
			}
		case `"generation_name"`:
			if s := nameText(m.value); s != "" {
				t.spanName = s
				continue
			}
		case `"trace_name"`:
			if scalar(m.value) {
				t.name = rawjson.AppendString(nil, scalarText(m.value))
				continue
			}
		}
		t.custom = append(t.custom, m)
	}
	return t
}

// nameText reads an id or a name; "" where the value can be neither, and then
// it is kept as metadata.
func nameText(v []byte) string {
	if !scalar(v) {
		return ""
	}
	return scalarText(v)
}

// scalar: a string, number or boolean.
func scalar(v []byte) bool {
	_, isBool := rawjson.Bool(v)
	return isBool || rawjson.IsString(v) || rawjson.IsNumber(v)
}

func scalarText(v []byte) string {
	if rawjson.IsString(v) {
		return rawjson.String(v)
	}
	return string(v)
}

// uniqueMembers lists an object's members in order of first appearance; of two
// of one name the last wins.
func uniqueMembers(object []byte) []member {
	const usual, few = 8, 16 // up to few a search beats a map
	members := make([]member, 0, usual)
	var index map[string]int
	for key, value := range rawjson.Object(object) {
		key = canonicalKey(key)
		at := -1
		if index == nil && len(members) <= few {
			at = search(members, key)
		} else {
			if index == nil {
				index = indexOf(members)
			}
			if i, ok := index[string(key)]; ok {
				at = i
			}
		}
		if at >= 0 {
			members[at].value = value
			continue
		}
		if index != nil {
			index[string(key)] = len(members)
		}
		members = append(members, member{key, value})
	}
	return members
}

func search(members []member, key []byte) int {
	for i := range members {
		if bytes.Equal(members[i].key, key) {
			return i
		}
	}
	return -1
}

func indexOf(members []member) map[string]int {
	index := make(map[string]int, 2*len(members))
	for i, m := range members {
		index[string(m.key)] = i
	}
	return index
}

// canonicalKey gives keys that mean the same the same bytes.
func canonicalKey(key []byte) []byte {
	if bytes.IndexByte(key, '\\') < 0 && !rawjson.Inspect(key).Unsound {
		return key
	}
	return rawjson.AppendString(nil, rawjson.String(key))
}

// metadata writes the custom properties: `trace_name` bare, every other key of
// the trace behind a prefix that keeps it apart from native properties.
func (p *properties) metadata(t *trace) {
	p.raw("trace_name", t.name)
	for _, m := range t.custom {
		p.out = append(p.out, `,"metadata_`...)
		p.out = append(p.out, m.key[1:]...)
		p.out = append(p.out, ':')
		p.out = appendSound(p.out, m.value, rawjson.Rules{Depth: maxMetadataDepth})
	}
}
