package rawjson

import (
	"bytes"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// String decodes a quoted JSON string. Invalid UTF-8, NUL and half a surrogate
// pair become U+FFFD.
func String(quoted []byte) string {
	inner := quoted[1 : len(quoted)-1]
	if bytes.IndexByte(inner, '\\') < 0 && utf8.Valid(inner) {
		return string(inner)
	}
	text, err := jsontext.AppendUnquote(nil, quoted)
	_ = err // says only that something was replaced, which is the rule
	return strings.ReplaceAll(string(text), "\x00", "\uFFFD")
}

// AppendString appends s as a quoted JSON string, repaired as String repairs.
func AppendString(dst []byte, s string) []byte {
	if strings.IndexByte(s, 0) >= 0 {
		s = strings.ReplaceAll(s, "\x00", "\uFFFD")
	}
	dst, err := jsontext.AppendQuote(dst, s)
	_ = err // as above
	return dst
}

// FitsDouble reports whether a JSON number is within a double's range. A
// strict reader refuses the whole batch for one that is not.
func FitsDouble(number []byte) bool {
	if len(number) < 300 && bytes.IndexByte(number, 'e') < 0 && bytes.IndexByte(number, 'E') < 0 {
		return true
	}
	f, err := strconv.ParseFloat(string(number), 64)
	return err == nil && !math.IsInf(f, 0)
}

// escape is what the escape at v[i] (a backslash) stands for and how many bytes
// it takes; a whole surrogate pair takes 12.
type escape struct {
	size   int
	broken bool // NUL or half a surrogate pair
	ascii  bool // a character that needed no escape, such as \u0041
}

func readEscape(v []byte, i int) escape {
	if i+1 >= len(v) || v[i+1] != 'u' {
		return escape{size: 2}
	}
	unit := hex4(v, i+2)
	switch {
	case unit == 0:
		return escape{size: 6, broken: true}
	case unit < 0xd800 || unit > 0xdfff:
		return escape{size: 6, ascii: unit > ' ' && unit < 0x7f}
	case unit <= 0xdbff && i+7 < len(v) && v[i+6] == '\\' && v[i+7] == 'u':
		if low := hex4(v, i+8); low >= 0xdc00 && low <= 0xdfff {
			return escape{size: 12}
		}
	}
	return escape{size: 6, broken: true}
}

// hex4 reads four hexadecimal digits; 0 where they are not there.
func hex4(v []byte, i int) rune {
	if i+4 > len(v) {
		return 0
	}
	var r rune
	for _, c := range v[i : i+4] {
		switch {
		case c >= '0' && c <= '9':
			r = r<<4 | rune(c-'0')
		case c >= 'a' && c <= 'f':
			r = r<<4 | rune(c-'a'+10)
		case c >= 'A' && c <= 'F':
			r = r<<4 | rune(c-'A'+10)
		}
	}
	return r
}

// soundString reports whether a quoted string needs no repair, and whether it
// spells ASCII with escapes.
func soundString(s []byte) (sound, asciiEscape bool) {
	if !utf8.Valid(s) {
		return false, true
	}
	for i := 0; ; {
		n := bytes.IndexByte(s[i:], '\\')
		if n < 0 {
			return true, asciiEscape
		}
		e := readEscape(s, i+n)
		if e.broken {
			return false, true
		}
		asciiEscape = asciiEscape || e.ascii
		i = min(i+n+e.size, len(s))
	}
}

// appendSound appends a quoted string, repaired.
func appendSound(dst, s []byte) []byte {
	if sound, _ := soundString(s); sound {
		return append(dst, s...)
	}
	return AppendString(dst, String(s))
}

// Cut returns the first limit bytes of s, or fewer so as not to split a
// character.
func Cut(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	for limit > 0 && !utf8.RuneStart(s[limit]) {
		limit--
	}
	return s[:limit]
}
