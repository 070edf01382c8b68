package rawjson

import (
	"slices"
	"unicode/utf8"
)

// minString is the length below which Shrink leaves a string alone: roles, ids
// and names are shorter, and cutting them saves nothing.
const minString = 64

// Shrink appends v, made at least save bytes shorter by cutting its longest
// strings to one length, each cut marked "[truncated]" at its end. ok is false,
// and nothing is appended, where its strings are not long enough for that.
func Shrink(dst, v []byte, save int) (out []byte, ok bool) {
	limit, ok := stringLimit(v, save)
	if !ok {
		return dst, false
	}
	for i := 0; i < len(v); {
		if v[i] != '"' {
			dst = append(dst, v[i])
			i++
			continue
		}
		end := stringEnd(v, i)
		dst = appendCut(dst, v[i:end], limit)
		i = end
	}
	return dst, true
}

// stringLimit finds the greatest length (quotes and marker included) to which
// the strings of v may be cut so that save bytes are saved.
func stringLimit(v []byte, save int) (limit int, ok bool) {
	var lengths []int
	for i := 0; i < len(v); {
		if v[i] != '"' {
			i++
			continue
		}
		end := stringEnd(v, i)
		if end-i > minString {
			lengths = append(lengths, end-i)
		}
		i = end
	}
	slices.Sort(lengths)
	slices.Reverse(lengths)
	saved := 0 // by cutting the first n to the length of the next
	for n := 1; n <= len(lengths); n++ {
		floor := minString
		if n < len(lengths) {
			floor = lengths[n]
		}
		step := n * (lengths[n-1] - floor)
		if saved+step >= save {
			return lengths[n-1] - (save-saved+n-1)/n, true
		}
		saved += step
	}
	return 0, false
}

// appendCut appends a quoted string cut to at most limit bytes in all, its end
// marked; never within an escape or a character.
func appendCut(dst, s []byte, limit int) []byte {
	if len(s) <= limit || len(s) <= minString {
		return append(dst, s...)
	}
	room := max(limit-len(Truncated)-1, 1) // the opening quote counts, too
	end := 1
	for end < room {
		size := 1
		switch c := s[end]; {
		case c == '\\':
			size = readEscape(s, end).size
		case c >= utf8.RuneSelf:
			_, size = utf8.DecodeRune(s[end:])
		}
		if end+size > room {
			break
		}
		end += size
	}
	dst = append(dst, s[:end]...)
	return append(append(dst, Truncated...), '"')
}
