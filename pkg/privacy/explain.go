package privacy

import (
	"strconv"
	"strings"

	"github.com/hogcast/hogcast/pkg/rawjson"
	"github.com/hogcast/hogcast/pkg/record"
)

// Effect is what a rule did to one place of a record. It holds no value.
type Effect struct {
	Rule    string // RulePrivacyMode, RuleMetadata, RuleUserHash or RuleRedact
	Pattern string // of RuleRedact
	// Path is of the record, in its canonical names: `messages` also where the
	// record has `input` or `prompt`. Keys are shown as redaction leaves them.
	Path  string
	Count int
	// Kept: the pattern matches in an identifier, which redaction leaves alone.
	Kept bool
}

// Explain applies the rules and tells what they did.
func Explain(r *record.Record, rules Rules) (*record.Record, []Effect) {
	if rules.Empty() {
		return r, nil
	}
	var effects []Effect
	private := apply(r, rules, func(e Effect) {
		for i := range effects {
			same := effects[i]
			same.Count = e.Count
			if same == e {
				effects[i].Count += e.Count
				return
			}
		}
		effects = append(effects, e)
	})
	return private, effects
}

// observer is told of each change; nil: nobody is.
type observer func(Effect)

func (tell observer) one(rule, path string) {
	if tell != nil {
		tell(Effect{Rule: rule, Path: path, Count: 1})
	}
}

// mode tells what Privacy Mode leaves out of a record.
func (tell observer) mode(r *record.Record) {
	if tell == nil {
		return
	}
	leave := func(left bool, path string) {
		if left {
			tell.one(RulePrivacyMode, path)
		}
	}
	leave(r.Messages != nil, "messages")
	leave(r.Choices != nil, "choices")
	leave(r.Tools != nil && string(toolNames(r.Tools)) != string(r.Tools), "tools")
	for _, p := range r.Params {
		leave(!isPlain(p), p.Name)
	}
	leave(r.FinishReason != "" && code(r.FinishReason) == "", "finish_reason")
	if f := r.Failure; f != nil {
		leave(f.Message != "", "error.message")
		leave(f.Code != "" && code(f.Code) == "", "error.code")
		leave(f.Type != "" && code(f.Type) == "", "error.type")
	}
}

// report tells of matches in a token.
func (s *search) report(t rawjson.Token, hits []span) {
	if s.tell == nil {
		return
	}
	path := s.path(t)
	for _, hit := range hits {
		s.tell(Effect{Rule: RuleRedact, Pattern: s.patterns[hit.pattern].name, Path: path, Count: 1})
	}
}

// path is where a token stands, its keys as redaction leaves them.
func (s *search) path(t rawjson.Token) string {
	var b strings.Builder
	b.WriteString(s.at)
	for i, at := range t.Path {
		if at.Key == nil {
			b.WriteString("[" + strconv.Itoa(at.Index) + "]")
			continue
		}
		if t.IsKey && i == len(t.Path)-1 {
			b.WriteString(" (key)")
			break
		}
		b.WriteString(step(s.quiet(rawjson.String(at.Key))))
	}
	return b.String()
}

// quiet redacts a text and tells nobody.
func (d *redactor) quiet(text string) string {
	if d == nil {
		return text
	}
	s := search{redactor: d}
	return s.text("", text)
}

// step is one key in a path: .name, or quoted where it is no plain name.
func step(key string) string {
	const longest = 64
	for i := range len(key) {
		if !isAlnum(key[i]) && key[i] != '_' && key[i] != '-' {
			return "[" + strconv.Quote(rawjson.Cut(key, longest)) + "]"
		}
	}
	return "." + rawjson.Cut(key, longest)
}
