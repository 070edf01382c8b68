package privacy

import (
	"slices"

	"github.com/hogcast/hogcast/pkg/destination"
	"github.com/hogcast/hogcast/pkg/rawjson"
	"github.com/hogcast/hogcast/pkg/record"
)

// redactor replaces what its patterns match, wherever text stands that is no
// identifier.
type redactor struct {
	patterns []pattern
	names    map[string]bool // the patterns', for their markers
	chosen   map[string]bool // metadata keys that the owner has named himself
	// wantsDigits: a pattern looks for groups of digits.
	wantsDigits bool
}

// newRedactor compiles the patterns. One that doesn't compile, which validation
// has refused, matches everything: then nothing is sent, rather than too much.
func newRedactor(patterns []destination.Pattern, chosen []string) *redactor {
	if len(patterns) == 0 {
		return nil
	}
	r := &redactor{chosen: set(chosen), names: make(map[string]bool, len(patterns))}
	for _, p := range patterns {
		r.names[p.Name] = true
		r.patterns = append(r.patterns, newPattern(p))
		r.wantsDigits = r.wantsDigits || p.Name == destination.PatternPhone || p.Name == destination.PatternCard
	}
	return r
}

// redact edits every part of the record but its identifiers (id, tenant, user,
// session_id, trace_id, api_key_id), which join events, and its typed numbers
// and booleans.
func (d *redactor) redact(r *record.Record, tell observer) {
	s := &search{redactor: d, tell: tell}
	r.Model = s.text("model", r.Model)
	r.Provider = s.text("provider", r.Provider)
	r.ResponseModel = s.text("response_model", r.ResponseModel)
	r.FinishReason = s.text("finish_reason", r.FinishReason)
	r.BaseURL = s.text("base_url", r.BaseURL)
	r.RequestURL = s.text("request_url", r.RequestURL)
	r.Messages = s.content("messages", r.Messages)
	r.Choices = s.content("choices", r.Choices)
	r.Tools = s.value("tools", r.Tools)
	r.TraceOdd = s.value("trace", r.TraceOdd)
	r.Trace = s.trace(r.Trace)
	r.Params = s.params(r.Params)
	r.Failure = s.failure(r.Failure)
	r.Groups = s.groups(r.Groups)
	s.kept(r)
}

// content strips base64 data on the way: none of it is sent, so none of it need
// be searched, or kept.
func (s *search) content(name string, v record.Value) record.Value {
	return s.edit(name, v, rawjson.Editor{Token: s.token, StripBinary: true})
}

func (s *search) value(name string, v record.Value) record.Value {
	return s.edit(name, v, rawjson.Editor{Token: s.token})
}

func (s *search) edit(name string, v record.Value, editor rawjson.Editor) record.Value {
	if v == nil {
		return nil
	}
	s.at = name
	return rawjson.Edit(v, editor)
}

// trace spares the id, and the keys whose names are ours or the owner's own.
func (s *search) trace(v record.Value) record.Value {
	return s.edit("trace", v, rawjson.Editor{Token: func(t rawjson.Token) []byte {
		if len(t.Path) == 1 {
			key := rawjson.String(t.Path[0].Key)
			if t.IsKey && (reserved(key) || s.chosen[key]) || !t.IsKey && key == "trace_id" {
				return nil
			}
		}
		return s.token(t)
	}})
}

// params edits those that are content; the others are numbers and booleans by
// their type.
func (s *search) params(params []record.Param) []record.Param {
	edited := slices.Clone(params)
	for i, p := range params {
		if isPlain(p) {
			continue
		}
		edited[i].Value = s.value(p.Name, p.Value)
	}
	return edited
}

func (s *search) failure(f *record.Failure) *record.Failure {
	if f == nil {
		return nil
	}
	return &record.Failure{
		Code: s.text("error.code", f.Code), Type: s.text("error.type", f.Type), Message: s.text("error.message", f.Message),
	}
}

// groups edits types and keys. Of two types that become one the first stays:
// PostHog takes one key a type.
func (s *search) groups(groups []record.Group) []record.Group {
	if len(groups) == 0 {
		return groups
	}
	edited := make([]record.Group, 0, len(groups))
	for _, g := range groups {
		g = record.Group{Type: s.text("groups", g.Type), Key: s.text("groups", g.Key)}
		if !slices.ContainsFunc(edited, func(e record.Group) bool { return e.Type == g.Type }) {
			edited = append(edited, g)
		}
	}
	return edited
}

// text edits a decoded text.
func (s *search) text(name, text string) string {
	if text == "" {
		return ""
	}
	s.at = name
	edited := s.token(rawjson.Token{Raw: rawjson.AppendString(nil, text)})
	if edited == nil {
		return text
	}
	return rawjson.String(edited)
}

// kept tells which identifiers hold what is redacted elsewhere.
func (s *search) kept(r *record.Record) {
	if s.tell == nil {
		return
	}
	tell := s.tell
	s.tell = func(e Effect) {
		e.Kept = true
		tell(e)
	}
	s.text("id", r.ID)
	s.text("user", r.User)
	s.text("session_id", r.SessionID)
	if r.Trace != nil {
		if id := rawjson.Member(r.Trace, "trace_id"); isScalar(id) {
			s.value("trace.trace_id", id)
		}
	}
	s.tell = tell
}
