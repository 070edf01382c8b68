package privacy

import (
	"github.com/hogcast/hogcast/pkg/destination"
	"github.com/hogcast/hogcast/pkg/rawjson"
	"github.com/hogcast/hogcast/pkg/record"
)

// metadata says which keys of `trace` are kept.
type metadata struct {
	all   bool // but for what deny names
	allow map[string]bool
	deny  map[string]bool
}

func newMetadata(f destination.MetadataFilter) *metadata {
	if f.Empty() {
		return nil
	}
	return &metadata{all: len(f.Allow) == 0, allow: set(f.Allow), deny: set(f.Deny)}
}

func set(names []string) map[string]bool {
	if len(names) == 0 {
		return nil
	}
	s := make(map[string]bool, len(names))
	for _, name := range names {
		s[name] = true
	}
	return s
}

// keeps: Deny wins, whatever the key. An allow-list need not name the reserved
// keys, as long as they serve as what they are reserved for; where their value
// can be no id and no name they become metadata like any other key.
func (m *metadata) keeps(key string, value []byte) bool {
	if m.deny[key] {
		return false
	}
	return m.all || m.allow[key] || reserved(key) && isScalar(value)
}

// reserved keys of `trace` become properties of their own.
func reserved(key string) bool {
	return key == "trace_id" || key == "trace_name" || key == "generation_name"
}

func isScalar(v []byte) bool {
	_, isBool := rawjson.Bool(v)
	return isBool || rawjson.IsNumber(v) || rawjson.IsString(v) && len(v) > len(`""`)
}

// oddKey is the key under which a trace that is no object becomes metadata.
const oddKey = "trace"

// filter drops the keys that are not kept; shown is how a path shows a key.
func (m *metadata) filter(r *record.Record, tell observer, shown func(key string) string) {
	if r.TraceOdd != nil && !m.keeps(oddKey, r.TraceOdd) {
		r.TraceOdd = nil
		tell.one(RuleMetadata, "trace")
	}
	if r.Trace == nil {
		return
	}
	kept := []byte{'{'}
	whole := true
	for key, value := range rawjson.Object(r.Trace) {
		name := rawjson.String(key)
		if !m.keeps(name, value) {
			whole = false
			if tell != nil {
				tell.one(RuleMetadata, "trace"+step(shown(name)))
			}
			continue
		}
		if len(kept) > 1 {
			kept = append(kept, ',')
		}
		kept = append(append(append(kept, key...), ':'), value...)
	}
	if !whole {
		r.Trace = append(kept, '}')
	}
}
