// Package rawjson walks and repairs JSON as raw bytes, so that content goes
// from the queue to the socket without being decoded. Its input is JSON that
// a strict reader (jsontext) has found well-formed; only invalid UTF-8 and
// unpaired surrogates may be left in it. Layer 0; it imports nothing of ours.
package rawjson

import (
	"bytes"
	"iter"
)

// Object yields the members of an object in order: the key as a quoted JSON
// string and the value, both raw. Duplicates are yielded as they stand.
func Object(v []byte) iter.Seq2[[]byte, []byte] {
	return func(yield func(key, value []byte) bool) {
		i := space(v, 1)
		for i < len(v) && v[i] != '}' {
			keyEnd := stringEnd(v, i)
			start := space(v, space(v, keyEnd)+1)
			end := valueEnd(v, start)
			if !yield(v[i:keyEnd], v[start:end]) {
				return
			}
			i = space(v, end)
			if i < len(v) && v[i] == ',' {
				i = space(v, i+1)
			}
		}
	}
}

// Array yields the elements of an array in order, raw.
func Array(v []byte) iter.Seq[[]byte] {
	return func(yield func(element []byte) bool) {
		i := space(v, 1)
		for i < len(v) && v[i] != ']' {
			end := valueEnd(v, i)
			if !yield(v[i:end]) {
				return
			}
			i = space(v, end)
			if i < len(v) && v[i] == ',' {
				i = space(v, i+1)
			}
		}
	}
}

// Member returns the value of the last member of that name, or nil.
func Member(v []byte, name string) []byte {
	var found []byte
	for key, value := range Object(v) {
		if KeyIs(key, name) {
			found = value
		}
	}
	return found
}

// Pick puts the values of the named members into the places of their names, in
// one pass; of two members of one name the last wins, an absent one leaves its
// place as it is. into must be as long as names.
func Pick(object []byte, names []string, into [][]byte) {
	for key, value := range Object(object) {
		inner := key[1 : len(key)-1]
		if bytes.IndexByte(inner, '\\') >= 0 {
			inner = []byte(String(key))
		}
		for i, name := range names {
			if string(inner) == name {
				into[i] = value
				break
			}
		}
	}
}

// KeyIs reports whether a quoted key is that name, escapes considered.
func KeyIs(key []byte, name string) bool {
	inner := key[1 : len(key)-1]
	if bytes.IndexByte(inner, '\\') < 0 {
		return string(inner) == name
	}
	return String(key) == name
}

// IsObject reports whether v is an object; of nil it says no, as its kin do.
func IsObject(v []byte) bool { return len(v) > 0 && v[0] == '{' }

// IsArray reports whether v is an array.
func IsArray(v []byte) bool { return len(v) > 0 && v[0] == '[' }

// IsString reports whether v is a string.
func IsString(v []byte) bool { return len(v) > 0 && v[0] == '"' }

// IsNumber reports whether v is a number.
func IsNumber(v []byte) bool { return len(v) > 0 && (v[0] == '-' || v[0] >= '0' && v[0] <= '9') }

// IsNull reports whether v is null.
func IsNull(v []byte) bool { return len(v) > 0 && v[0] == 'n' }

// IsEmpty reports whether an object or array has no member.
func IsEmpty(v []byte) bool {
	i := space(v, 1)
	return i < len(v) && (v[i] == '}' || v[i] == ']')
}

// Bool reads true or false; ok is false for any other value.
func Bool(v []byte) (value, ok bool) {
	switch string(v) {
	case "true":
		return true, true
	case "false":
		return false, true
	}
	return false, false
}

// space returns the first index from i on that is no white space.
func space(v []byte, i int) int {
	for i < len(v) && v[i] <= ' ' {
		i++
	}
	return i
}

// valueEnd returns the index behind the value that begins at i.
func valueEnd(v []byte, i int) int {
	if i >= len(v) {
		return len(v)
	}
	switch v[i] {
	case '"':
		return stringEnd(v, i)
	case '{', '[':
		return containerEnd(v, i)
	}
	for i < len(v) && v[i] > ' ' && v[i] != ',' && v[i] != ']' && v[i] != '}' {
		i++
	}
	return i
}

// stringEnd returns the index behind the string that begins at i.
func stringEnd(v []byte, i int) int {
	j := i + 1
	// Keys and words are short: looking at each byte beats a call for them.
	for short := min(len(v), j+16); j < short && v[j] != '\\'; j++ {
		if v[j] == '"' {
			return j + 1
		}
	}
	for j < len(v) {
		n := bytes.IndexByte(v[j:], '"')
		if n < 0 {
			break
		}
		j += n
		if !escaped(v, i+1, j) {
			return j + 1
		}
		j++
	}
	return len(v)
}

// escaped reports whether the byte at j is preceded by an odd number of
// backslashes, counted back to from.
func escaped(v []byte, from, j int) bool {
	n := 0
	for j-1-n >= from && v[j-1-n] == '\\' {
		n++
	}
	return n%2 == 1
}

// containerEnd returns the index behind the object or array that begins at i.
func containerEnd(v []byte, i int) int {
	for depth := 0; i < len(v); {
		switch v[i] {
		case '"':
			i = stringEnd(v, i)
			continue
		case '{', '[':
			depth++
		case '}', ']':
			depth--
			if depth == 0 {
				return i + 1
			}
		}
		i++
	}
	return len(v)
}

// Balanced reports whether the brackets of data, which need not be JSON, are
// balanced, strings left aside.
func Balanced(data []byte) bool {
	depth := 0
	for i := 0; i < len(data); {
		switch data[i] {
		case '"':
			end := stringEnd(data, i)
			if data[end-1] != '"' || end == i+1 {
				return false // the string does not end
			}
			i = end
			continue
		case '{', '[':
			depth++
		case '}', ']':
			depth--
		}
		i++
	}
	return depth <= 0
}
