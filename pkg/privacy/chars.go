package privacy

import (
	"bytes"
	"unicode/utf8"

	"github.com/hogcast/hogcast/pkg/rawjson"
)

func isDigit(c byte) bool { return c-'0' < 10 }

func isLetter(c byte) bool { return (c|0x20)-'a' < 26 }

func isAlnum(c byte) bool { return isDigit(c) || isLetter(c) }

// wordBefore and wordAfter report whether a letter, digit or underscore stands
// directly before, or behind, a place; letters beyond ASCII do not count, since
// many scripts set no space between words.
func wordBefore(text []byte, i int) bool { return i > 0 && (isAlnum(text[i-1]) || text[i-1] == '_') }

func wordAfter(text []byte, i int) bool { return i < len(text) && (isAlnum(text[i]) || text[i] == '_') }

// spaceAt is the length of the character at text[i] where it is a space (but no
// line break), else 0.
func spaceAt(text []byte, i int) int {
	switch c := text[i]; {
	case c == ' ':
		return 1
	case c < utf8.RuneSelf:
		return 0
	}
	switch r, size := utf8.DecodeRune(text[i:]); r {
	case '\u00a0', '\u2007', '\u2009', '\u202f': // no-break, figure, thin, narrow no-break
		return size
	}
	return 0
}

// dashAt likewise, of a hyphen or dash.
func dashAt(text []byte, i int) int {
	switch c := text[i]; {
	case c == '-':
		return 1
	case c < utf8.RuneSelf:
		return 0
	}
	switch r, size := utf8.DecodeRune(text[i:]); r {
	case '\u2010', '\u2011', '\u2012', '\u2013', '\u2212': // hyphens, figure and en dash, minus
		return size
	}
	return 0
}

// inUUID reports whether the digits at text[i] begin one of the groups of a
// UUID.
func inUUID(text []byte, i int) bool {
	for _, group := range [...]int{0, 9, 14, 19, 24} {
		if isUUID(text, i-group) {
			return true
		}
	}
	return false
}

func isUUID(text []byte, i int) bool {
	const size = 36
	if i < 0 || i+size > len(text) {
		return false
	}
	for k, c := range text[i : i+size] {
		dash := k == 8 || k == 13 || k == 18 || k == 23
		hex := isDigit(c) || (c|0x20)-'a' < 6
		if dash && c != '-' || !dash && !hex {
			return false
		}
	}
	return true
}

// inside is what a quoted key says.
func inside(key []byte) []byte {
	if inner := key[1 : len(key)-1]; bytes.IndexByte(inner, '\\') < 0 {
		return inner
	}
	return []byte(rawjson.String(key))
}

// plainName appends a name in lower case without `_`, `-` and spaces.
func plainName(dst, name []byte) []byte {
	for _, c := range name {
		if c >= 'A' && c <= 'Z' {
			c |= 0x20
		}
		if c != '_' && c != '-' && c != ' ' {
			dst = append(dst, c)
		}
	}
	return dst
}
