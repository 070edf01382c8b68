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

// brokenEscape reports whether the escape at v[i] (a backslash) stands for NUL
// or half a surrogate pair, and how many bytes it takes; a whole pair takes 12.
func brokenEscape(v []byte, i int) (broken bool, size int) {
	if i+1 >= len(v) || v[i+1] != 'u' {
		return false, 2
	}
	unit := hex4(v, i+2)
	switch {
	case unit == 0:
		return true, 6
	case unit < 0xd800 || unit > 0xdfff:
		return false, 6
	case unit <= 0xdbff && i+7 < len(v) && v[i+6] == '\\' && v[i+7] == 'u':
		if low := hex4(v, i+8); low >= 0xdc00 && low <= 0xdfff {
			return false, 12
		}
	}
	return true, 6
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

// soundString reports whether a quoted string needs no repair.
func soundString(s []byte) bool {
	if !utf8.Valid(s) {
		return false
	}
	for i := bytes.IndexByte(s, '\\'); i >= 0 && i < len(s); {
		broken, size := brokenEscape(s, i)
		if broken {
			return false
		}
		next := i + size
		if next >= len(s) {
			break
		}
		n := bytes.IndexByte(s[next:], '\\')
		if n < 0 {
			break
		}
		i = next + n
	}
	return true
}

// appendSound appends a quoted string, repaired.
func appendSound(dst, s []byte) []byte {
	if soundString(s) {
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
