package mapping

import (
	"github.com/hogcast/hogcast/pkg/rawjson"
	"github.com/hogcast/hogcast/pkg/record"
)

// contentRules: base64 is stripped, nothing passes PostHog's depth.
var contentRules = rawjson.Rules{Depth: valueDepth, StripBinary: true}

// content writes what was sent to the model and what came back, last, so that
// shortening finds it in one piece.
func (p *properties) content(r *record.Record) {
	p.value("$ai_tools", r.Tools, valueDepth)
	if r.Messages != nil {
		p.key("$ai_input")
		p.input.from = len(p.out)
		p.messages(r.Messages, "user")
		p.input.to = len(p.out)
	}
	if r.Choices != nil {
		p.key("$ai_output_choices")
		p.output.from = len(p.out)
		p.messages(r.Choices, "assistant")
		p.output.to = len(p.out)
	}
}

// messages writes an array of {role, content, …}. The user's messages stay raw
// bytes unless a rule has to look inside; a choice is flattened.
func (p *properties) messages(v []byte, role string) {
	from := len(p.out)
	switch {
	case rawjson.IsString(v):
		p.out = append(p.out, '[')
		p.message(v, role)
		p.out = append(p.out, ']')
	case role == "user" && allObjects(v):
		p.out = appendSound(p.out, v, contentRules)
		return
	default:
		p.out = append(p.out, '[')
		first := true
		for element := range rawjson.Array(v) {
			if rawjson.IsNull(element) {
				continue
			}
			if !first {
				p.out = append(p.out, ',')
			}
			first = false
			p.element(element, role)
		}
		p.out = append(p.out, ']')
	}
	p.mend(from)
}

// mend rewrites what was written from there on where a rule asks for it.
func (p *properties) mend(from int) {
	facts := rawjson.Inspect(p.out[from:])
	if facts.Unsound || facts.Binary || facts.Depth > contentRules.Depth {
		written := append([]byte(nil), p.out[from:]...)
		p.out = rawjson.Rewrite(p.out[:from], written, contentRules)
	}
}

func allObjects(array []byte) bool {
	for element := range rawjson.Array(array) {
		if !rawjson.IsObject(element) {
			return false
		}
	}
	return true
}

// message wraps content that is no message into one.
func (p *properties) message(content []byte, role string) {
	p.out = append(p.out, `{"role":"`...)
	p.out = append(p.out, role...)
	p.out = append(p.out, `","content":`...)
	p.out = append(p.out, content...)
	p.out = append(p.out, '}')
}

// element writes one message or choice, flat: OpenAI wraps a choice's message
// in {index, message, finish_reason}, and its older completions carry `text`.
func (p *properties) element(v []byte, role string) {
	if !rawjson.IsObject(v) {
		p.message(v, role)
		return
	}
	if role == "assistant" {
		for _, wrapper := range []string{"message", "delta"} {
			if inner := rawjson.Member(v, wrapper); rawjson.IsObject(inner) {
				v = inner
				break
			}
		}
		if text := rawjson.Member(v, "text"); rawjson.IsString(text) && rawjson.Member(v, "content") == nil {
			p.message(text, role)
			return
		}
	}
	p.withRole(v, role)
}

// withRole writes a message, with a role where it has none.
func (p *properties) withRole(v []byte, role string) {
	if rawjson.Member(v, "role") != nil {
		p.out = append(p.out, v...)
		return
	}
	p.out = append(p.out, `{"role":"`...)
	p.out = append(p.out, role...)
	p.out = append(p.out, '"')
	if !rawjson.IsEmpty(v) {
		p.out = append(p.out, ',')
	}
	p.out = append(p.out, v[1:]...)
}
