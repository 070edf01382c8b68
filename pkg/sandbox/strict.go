package sandbox

import (
	"bytes"
	"errors"
	"strconv"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// maxDepth is the deepest nesting that serde_json reads, the batch's own three
// levels included: its limit of 128 is hit by the 128th level.
const maxDepth = 127

// lastWins is how PostHog reads a key that comes twice.
var lastWins = jsontext.AllowDuplicateNames(true)

// checkJSON refuses what PostHog's reader (Rust's serde_json) refuses: bad
// syntax, invalid UTF-8, lone surrogate escapes, deep nesting, and numbers that
// no double holds.
func checkJSON(b []byte) error {
	if !jsontext.Value(b).IsValid(lastWins) {
		return errors.New("not valid JSON in UTF-8")
	}
	depth := 0
	for i := 0; i < len(b); i++ {
		switch c := b[i]; {
		case c == '"':
			i = stringEnd(b, i)
		case c == '{' || c == '[':
			if depth++; depth > maxDepth {
				return errors.New("recursion limit exceeded")
			}
		case c == '}' || c == ']':
			depth--
		case c == '-' || '0' <= c && c <= '9':
			end := numberEnd(b, i)
			if !finite(b[i:end]) {
				return errors.New("number out of range")
			}
			i = end - 1
		}
	}
	return nil
}

// stringEnd is the index of the quote that ends the string that begins at i.
func stringEnd(b []byte, i int) int {
	for i++; b[i] != '"'; i++ {
		if b[i] == '\\' {
			i++
		}
	}
	return i
}

func numberEnd(b []byte, i int) int {
	for i < len(b) && bytes.IndexByte([]byte("+-.0123456789eE"), b[i]) >= 0 {
		i++
	}
	return i
}

// finite tells whether a double holds a number. Without an exponent it takes
// over 300 digits to leave the range, so that few are parsed.
func finite(number []byte) bool {
	if len(number) < 300 && bytes.IndexByte(number, 'e') < 0 && bytes.IndexByte(number, 'E') < 0 {
		return true
	}
	_, err := strconv.ParseFloat(string(number), 64)
	return err == nil
}

// decode reads b, which checkJSON has passed, into v.
func decode(b []byte, v any) error { return json.Unmarshal(b, v, lastWins) }

// oneLine is a JSON value without the line breaks that would end a record.
func oneLine(v []byte) []byte {
	if bytes.IndexByte(v, '\n') < 0 && bytes.IndexByte(v, '\r') < 0 {
		return v
	}
	compact := jsontext.Value(bytes.Clone(v))
	if err := compact.Compact(lastWins); err != nil {
		return v // can't be: it is valid
	}
	return compact
}
