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
	facts := rawjson.Inspect(v)
	if rawjson.IsString(v) {
		p.out = append(p.out, '[')
		p.message(v, role)
		p.out = append(p.out, ']')
	} else if role == "user" && !facts.Mixed {
		p.out = append(p.out, v...)
	} else {
		p.elements(v, role)
	}
	if facts.Unsound || facts.Binary || facts.Depth >= contentRules.Depth { // wrapping may add a level
		written := append([]byte(nil), p.out[from:]...)
		p.out = rawjson.Rewrite(p.out[:from], written, contentRules)
	}
}

func (p *properties) elements(v []byte, role string) {
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

// message wraps content that is no message into one.
func (p *properties) message(content []byte, role string) {
	p.out = append(p.out, `{"role":"`...)
	p.out = append(p.out, role...)
	p.out = append(p.out, `","content":`...)
	p.out = append(p.out, content...)
	p.out = append(p.out, '}')
}

// choiceNames are the members that tell what form a choice has.
var choiceNames = []string{"message", "delta", "text", "content", "role"}

// element writes one message or choice, flat: OpenAI wraps a choice's message
// in {index, message, finish_reason}, and its older completions carry `text`.
func (p *properties) element(v []byte, role string) {
	if !rawjson.IsObject(v) {
		p.message(v, role)
		return
	}
	var in [5][]byte
	rawjson.Pick(v, choiceNames, in[:])
	message, delta, text, content := in[0], in[1], in[2], in[3]
	hasRole := in[4] != nil
	if role == "assistant" {
		switch {
		case rawjson.IsObject(message):
			v, hasRole = message, rawjson.Member(message, "role") != nil
		case rawjson.IsObject(delta):
			v, hasRole = delta, rawjson.Member(delta, "role") != nil
		case rawjson.IsString(text) && content == nil:
			p.message(text, role)
			return
		}
	}
	if hasRole {
		p.out = append(p.out, v...)
		return
	}
	p.withRole(v, role)
}

// withRole writes a message that has no role with one.
func (p *properties) withRole(v []byte, role string) {
	p.out = append(p.out, `{"role":"`...)
	p.out = append(p.out, role...)
	p.out = append(p.out, '"')
	if !rawjson.IsEmpty(v) {
		p.out = append(p.out, ',')
	}
	p.out = append(p.out, v[1:]...)
}
