package rawjson

import "bytes"

// Facts are what one look over a value tells about what has to be done to it.
type Facts struct {
	// Depth is the deepest nesting: 0 for a scalar, 1 for `{}` and `[1]`.
	Depth int
	// Unsound: a string or a number needs repair (see Rewrite).
	Unsound bool
	// Binary: there may be base64 data in it; a closer look is needed.
	Binary bool
}

// Inspect looks over a value once.
func Inspect(v []byte) Facts {
	f := Facts{Binary: mayHoldBinary(v)}
	depth := 0
	for i := 0; i < len(v); {
		switch c := v[i]; {
		case c == '"':
			end := stringEnd(v, i)
			if !f.Unsound && !soundString(v[i:end]) {
				f.Unsound = true
			}
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
			if !FitsDouble(v[i:end]) {
				f.Unsound = true
			}
			i = end
		default:
			i++
		}
	}
	return f
}

// binaryMarks are what base64 data can't do without: the marker of a data URL,
// or a key that may hold it bare (see binaryKey). A key or URL written with
// ASCII escapes (`\u0064ata`) has to be looked at as well.
var binaryMarks = [][]byte{
	[]byte(`base64,`), []byte(`data"`), []byte(`b64_json"`), []byte(`"image"`),
	[]byte(`"audio"`), []byte(`"bytes"`), []byte(`\u00`),
}

func mayHoldBinary(v []byte) bool {
	for _, mark := range binaryMarks {
		if bytes.Contains(v, mark) {
			return true
		}
	}
	return false
}
