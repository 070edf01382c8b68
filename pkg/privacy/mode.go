package privacy

import (
	"github.com/hogcast/hogcast/pkg/rawjson"
	"github.com/hogcast/hogcast/pkg/record"
)

// leaveOutContent is Privacy Mode.
func leaveOutContent(r *record.Record, tell observer) {
	tell.mode(r)
	r.FinishReason = code(r.StopReason())
	r.Messages, r.Choices = nil, nil
	r.FinishReason = r.StopReason() // cancelled, where no code is left
	r.Tools = toolNames(r.Tools)
	r.Params = plainParams(r.Params)
	r.Failure = codedFailure(r.Failure)
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
		if name == nil {
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
		if isPlain(p) {
			plain = append(plain, p)
		}
	}
	return plain
}

func isPlain(p record.Param) bool {
	_, isBool := rawjson.Bool(p.Value)
	return isBool || rawjson.IsNumber(p.Value)
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
// `_`, `-`, `.`, `:` or `/`), else "": a sentence there may be content. The marks
// of a redaction don't count.
func code(s string) string {
	bare := withoutMarkers(s)
	if len(bare) > maxCode {
		return ""
	}
	for i := range len(bare) {
		c := bare[i]
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9':
		case c == '_' || c == '-' || c == '.' || c == ':' || c == '/':
		default:
			return ""
		}
	}
	return s
}
