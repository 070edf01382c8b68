package rawjson

import "slices"

// Editor says what Edit does to the strings and numbers of a value.
type Editor struct {
	// Token returns what stands in the place of a token: a quoted string; nil
	// where the token stays as it is.
	Token func(Token) []byte
	// StripBinary puts markers in place of base64 data, as Rewrite does; Token
	// does not see such strings.
	StripBinary bool
}

// Token is a string, quoted, or a number. It and its Path are of use only
// until the call returns.
type Token struct {
	Raw   []byte
	IsKey bool
	Path  []Step // from the value that is edited; the last step is the token's own
}

// Step is one step down into a value.
type Step struct {
	Key   []byte // quoted; nil in an array
	Index int    // in an array
}

// Key is the quoted key that the token stands under; the elements of an array
// stand under the array's own. nil where there is none.
func (t Token) Key() []byte {
	for _, step := range slices.Backward(t.Path) {
		if step.Key != nil {
			return step.Key
		}
	}
	return nil
}

// Edit passes once over v and returns it with its tokens edited; all other
// bytes stay as they are. Where nothing changes v itself is returned, and
// nothing is copied.
func Edit(v []byte, rules Editor) []byte {
	e := editor{in: v, rules: rules}
	e.value(place{})
	if e.out == nil {
		return v
	}
	return append(e.out, v[e.copied:]...)
}

// editor is a cursor over in; what lies before copied is in out already.
type editor struct {
	in     []byte
	at     int
	out    []byte
	copied int
	rules  Editor
	path   []Step
}

func (e *editor) value(at place) {
	e.at = space(e.in, e.at)
	if e.at >= len(e.in) {
		return
	}
	start := e.at
	switch e.in[start] {
	case '{':
		e.object()
	case '[':
		e.array(at)
	case '"':
		e.at = stringEnd(e.in, start)
		e.text(start, at)
	default:
		e.at = valueEnd(e.in, start)
		if IsNumber(e.in[start:e.at]) {
			e.token(start, false)
		}
	}
}

func (e *editor) object() {
	self := object{text: e.in[e.at:]}
	e.path = append(e.path, Step{})
	e.at = space(e.in, e.at+1)
	for e.at < len(e.in) && e.in[e.at] != '}' {
		start := e.at
		e.at = stringEnd(e.in, start)
		key := e.in[start:e.at]
		e.path[len(e.path)-1].Key = key
		e.token(start, true)
		e.at = space(e.in, e.at) + 1
		e.value(place{&self, key})
		e.comma()
	}
	e.at++
	e.path = e.path[:len(e.path)-1]
}

func (e *editor) array(at place) {
	e.path = append(e.path, Step{})
	e.at = space(e.in, e.at+1)
	for i := 0; e.at < len(e.in) && e.in[e.at] != ']'; i++ {
		e.path[len(e.path)-1] = Step{Index: i}
		e.value(at)
		e.comma()
	}
	e.at++
	e.path = e.path[:len(e.path)-1]
}

// comma passes what stands between two members or elements.
func (e *editor) comma() {
	e.at = space(e.in, e.at)
	if e.at < len(e.in) && e.in[e.at] == ',' {
		e.at = space(e.in, e.at+1)
	}
}

func (e *editor) text(start int, at place) {
	if e.rules.StripBinary {
		if stripped, ok := stripBinary(nil, e.in[start:e.at], at); ok {
			e.put(start, stripped)
			return
		}
	}
	e.token(start, false)
}

func (e *editor) token(start int, isKey bool) {
	if edited := e.rules.Token(Token{Raw: e.in[start:e.at], IsKey: isKey, Path: e.path}); edited != nil {
		e.put(start, edited)
	}
}

// put replaces the bytes from start to the cursor.
func (e *editor) put(start int, by []byte) {
	if e.out == nil {
		e.out = make([]byte, 0, len(e.in)+len(by))
	}
	e.out = append(e.out, e.in[e.copied:start]...)
	e.out = append(e.out, by...)
	e.copied = e.at
}
