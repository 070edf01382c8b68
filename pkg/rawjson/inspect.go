package rawjson

import "bytes"

// Facts are what one look over a value tells about what has to be done to it.
type Facts struct {
	// Depth is the deepest nesting: 0 for a scalar, 1 for `{}` and `[1]`.
	Depth int
	// Unsound: a string or a number needs repair (see Rewrite).
	Unsound bool
	// Binary: there may be base64 data in it, so that a closer look is needed.
	Binary bool
	// Mixed: it is an array with an element that is no object.
	Mixed bool
}

// Inspect looks over a value once.
func Inspect(v []byte) Facts {
	// Base64 data stands behind the marker of a data URL, or bare under a key
	// (see binaryKey); either may be written with ASCII escapes.
	f := Facts{Binary: bytes.Contains(v, []byte(`base64,`))}
	list := IsArray(v)
	depth := 0
	for i := 0; i < len(v); {
		c := v[i]
		if list && depth == 1 && c != '{' && c != ']' && c != ',' && c > ' ' {
			f.Mixed = true
		}
		switch {
		case c == '"':
			end := stringEnd(v, i)
			f.look(v, i, end)
			i = end
		case c == '{' || c == '[':
			depth++
			f.Depth = max(f.Depth, depth)
			i++
		case c == '}' || c == ']':
			depth--
			i++
		case c == '-' || c >= '0' && c <= '9':
			end := valueEnd(v, i)
			f.Unsound = f.Unsound || !FitsDouble(v[i:end])
			i = end
		default:
			i++
		}
	}
	return f
}

// look notes the facts of the string v[i:end].
func (f *Facts) look(v []byte, i, end int) {
	sound, asciiEscape := soundString(v[i:end])
	f.Unsound = f.Unsound || !sound
	f.Binary = f.Binary || asciiEscape ||
		end-i <= longestBinaryKey && end < len(v) && v[end] != ',' && binaryKey(v[i:end])
}
