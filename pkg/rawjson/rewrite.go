package rawjson

// Truncated stands where something was cut.
const Truncated = "[truncated]"

// Rules say what Rewrite does beside its repairs.
type Rules struct {
	// Depth is how many levels of nesting stay; a container below them becomes
	// "[truncated]". 0 keeps no container at all.
	Depth int
	// StripBinary puts a marker with media type and size in place of base64
	// data in images, audio and files.
	StripBinary bool
}

// Rewrite appends v to dst without white space, repaired: invalid UTF-8, NUL
// and half a surrogate pair become U+FFFD, a number that no double holds
// becomes a string, and what Rules says is done. It takes one pass; it looks
// again only at an object in which it finds bare base64.
func Rewrite(dst, v []byte, rules Rules) []byte {
	w := writer{in: v, out: dst, rules: rules}
	w.value(0, place{})
	return w.out
}

// writer is a cursor over in; its methods consume what they write.
type writer struct {
	in    []byte
	at    int
	out   []byte
	rules Rules
}

// place is where a value stands: under a key of an object, or nowhere.
type place struct {
	object *object
	key    []byte
}

// object is an object that is being written.
type object struct {
	text  []byte  // begins with it
	media *string // what it says of its data's media type, once looked up
}

// value writes the value at the cursor. depth is that of the container it
// stands in.
func (w *writer) value(depth int, at place) {
	w.at = space(w.in, w.at)
	if w.at >= len(w.in) {
		return
	}
	switch c := w.in[w.at]; {
	case c == '{' && depth < w.rules.Depth:
		w.object(depth + 1)
	case c == '[' && depth < w.rules.Depth:
		w.array(depth+1, at)
	case c == '{' || c == '[':
		w.at = containerEnd(w.in, w.at)
		w.out = append(w.out, `"`+Truncated+`"`...)
	case c == '"':
		w.text(at)
	case c == '-' || c >= '0' && c <= '9':
		w.number()
	default:
		start := w.at
		w.at = valueEnd(w.in, w.at)
		w.out = append(w.out, w.in[start:w.at]...)
	}
}

func (w *writer) object(depth int) {
	self := &object{text: w.in[w.at:]}
	w.out = append(w.out, '{')
	w.at = space(w.in, w.at+1)
	for first := true; w.at < len(w.in) && w.in[w.at] != '}'; first = false {
		if !first {
			w.out = append(w.out, ',')
		}
		start := w.at
		w.at = stringEnd(w.in, w.at)
		key := w.in[start:w.at]
		w.out = append(appendSound(w.out, key), ':')
		w.at = space(w.in, w.at) + 1
		w.value(depth, place{self, key})
		w.comma()
	}
	w.at++
	w.out = append(w.out, '}')
}

// array writes an array; its elements stand under the array's own key, so that
// a list of images is seen as images.
func (w *writer) array(depth int, at place) {
	w.out = append(w.out, '[')
	w.at = space(w.in, w.at+1)
	for first := true; w.at < len(w.in) && w.in[w.at] != ']'; first = false {
		if !first {
			w.out = append(w.out, ',')
		}
		w.value(depth, at)
		w.comma()
	}
	w.at++
	w.out = append(w.out, ']')
}

// comma passes what stands between two members or elements.
func (w *writer) comma() {
	w.at = space(w.in, w.at)
	if w.at < len(w.in) && w.in[w.at] == ',' {
		w.at = space(w.in, w.at+1)
	}
}

func (w *writer) text(at place) {
	start := w.at
	w.at = stringEnd(w.in, w.at)
	s := w.in[start:w.at]
	if w.rules.StripBinary {
		if stripped, ok := stripBinary(w.out, s, at); ok {
			w.out = stripped
			return
		}
	}
	w.out = appendSound(w.out, s)
}

func (w *writer) number() {
	start := w.at
	w.at = valueEnd(w.in, w.at)
	w.out = AppendNumber(w.out, w.in[start:w.at])
}

// AppendNumber appends a JSON number; one that no double holds, as a string.
func AppendNumber(dst, number []byte) []byte {
	if FitsDouble(number) {
		return append(dst, number...)
	}
	dst = append(dst, '"')
	dst = append(dst, number...)
	return append(dst, '"')
}
