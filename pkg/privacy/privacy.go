// Package privacy holds the privacy rules of a destination: functions from
// record to record, applied before a branch's record is mapped, held,
// dead-lettered or shown. Pure. Layer 1: decisions.
package privacy

import (
	"github.com/hogcast/hogcast/pkg/destination"
	"github.com/hogcast/hogcast/pkg/rawjson"
	"github.com/hogcast/hogcast/pkg/record"
)

// ModeRule is what an envelope's Hogcast-Rules says of Privacy Mode.
const ModeRule = "privacy_mode"

// Rules are one destination's privacy rules.
type Rules struct {
	// PrivacyMode leaves out what was said: the content, and what leaks it
	// elsewhere. Usage, costs, model information and custom metadata stay.
	PrivacyMode bool
}

// RulesOf returns the destination's rules.
func RulesOf(d *destination.Destination) Rules { return Rules{PrivacyMode: d.PrivacyMode} }

// Apply returns the record as the destination may have it. The record given is
// not changed; where no rule applies it is returned itself. Applying twice is
// applying once.
func Apply(r *record.Record, rules Rules) *record.Record {
	if !rules.PrivacyMode {
		return r
	}
	private := *r
	private.FinishReason = code(r.StopReason())
	private.Messages, private.Choices = nil, nil
	private.FinishReason = private.StopReason() // cancelled, where no code is left
	private.Tools = toolNames(r.Tools)
	private.Params = plainParams(r.Params)
	private.Failure = codedFailure(r.Failure)
	return &private
}

// Stored returns the bytes that may be kept of a record for a destination: raw
// as it came where no rule applies, else the record rebuilt from the known
// fields that hold no content.
func Stored(raw []byte, r *record.Record, rules Rules) []byte {
	if !rules.PrivacyMode {
		return raw
	}
	return Apply(r, rules).AppendJSON(nil)
}

// Applied names the transforms that Stored has applied, for the envelope.
func Applied(rules Rules) []string {
	if rules.PrivacyMode {
		return []string{ModeRule}
	}
	return nil
}

// toolNames keeps the tools' names only, as an array of strings: descriptions
// and schemas are prompt text.
func toolNames(tools []byte) record.Value {
	if tools == nil {
		return nil
	}
	names := []byte{'['}
	for tool := range rawjson.Array(tools) {
		name := toolName(tool)
		if name == nil || len(name) > maxCode {
			continue
		}
		if len(names) > 1 {
			names = append(names, ',')
		}
		names = rawjson.AppendString(names, rawjson.String(name))
	}
	return append(names, ']')
}

// toolName finds a tool's name, quoted: OpenAI's {function: {name}}, the flat
// {name} of others, or the bare string that toolNames itself has left.
func toolName(tool []byte) []byte {
	if rawjson.IsString(tool) {
		return nameOnly(tool)
	}
	if !rawjson.IsObject(tool) {
		return nil
	}
	if function := rawjson.Member(tool, "function"); rawjson.IsObject(function) {
		return nameOnly(rawjson.Member(function, "name"))
	}
	return nameOnly(rawjson.Member(tool, "name"))
}

// nameOnly returns a quoted string that has the form of a name, else nil.
func nameOnly(v []byte) []byte {
	if !rawjson.IsString(v) || code(rawjson.String(v)) == "" {
		return nil
	}
	return v
}

// plainParams keeps numbers and booleans: `stop`, `response_format` and the
// like are content.
func plainParams(params []record.Param) []record.Param {
	var plain []record.Param
	for _, p := range params {
		if _, isBool := rawjson.Bool(p.Value); isBool || rawjson.IsNumber(p.Value) {
			plain = append(plain, p)
		}
	}
	return plain
}

// codedFailure keeps the code and the type: providers echo the prompt in their
// messages.
func codedFailure(f *record.Failure) *record.Failure {
	if f == nil {
		return nil
	}
	return &record.Failure{Code: code(f.Code), Type: code(f.Type)}
}

// maxCode is the longest word that passes for a code, in bytes.
const maxCode = 64

// code returns s where it has the form of a code (a word of letters, digits,
// `_`, `-`, `.`, `:` or `/`), else "": a sentence there may be content.
func code(s string) string {
	if len(s) > maxCode {
		return ""
	}
	for i := range len(s) {
		c := s[i]
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9':
		case c == '_' || c == '-' || c == '.' || c == ':' || c == '/':
		default:
			return ""
		}
	}
	return s
}
