package privacy

import (
	"bytes"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// unescape appends what a text with JSON's escapes means. A backslash that
// begins no escape stands for itself: the text may be no JSON at all.
func unescape(dst, text []byte) []byte {
	for {
		n := bytes.IndexByte(text, '\\')
		if n < 0 {
			return append(dst, text...)
		}
		dst = append(dst, text[:n]...)
		r, size := escapeAt(text, n)
		dst = utf8.AppendRune(dst, r)
		text = text[n+size:]
	}
}

// escapeAt reads the escape at text[i], a backslash: what it stands for, and
// how many bytes it takes. Half a surrogate pair is U+FFFD.
func escapeAt(text []byte, i int) (rune, int) {
	if i+1 >= len(text) {
		return '\\', 1
	}
	switch c := text[i+1]; c {
	case '"', '\\', '/':
		return rune(c), 2
	case 'n':
		return '\n', 2
	case 't':
		return '\t', 2
	case 'r':
		return '\r', 2
	case 'b':
		return '\b', 2
	case 'f':
		return '\f', 2
	case 'u':
		high, ok := unitAt(text, i)
		if !ok {
			break
		}
		if utf16.IsSurrogate(high) {
			if low, ok := unitAt(text, i+6); ok && utf16.DecodeRune(high, low) != utf8.RuneError {
				return utf16.DecodeRune(high, low), 12
			}
			return utf8.RuneError, 6
		}
		return high, 6
	}
	return '\\', 1
}

// unitAt reads `\uXXXX`.
func unitAt(text []byte, i int) (rune, bool) {
	if i+6 > len(text) || text[i] != '\\' || text[i+1] != 'u' {
		return 0, false
	}
	n, err := strconv.ParseUint(string(text[i+2:i+6]), 16, 16)
	return rune(n), err == nil //nolint:gosec // 16 bits
}

// cursor walks a text by its escapes and keeps count of what they mean.
type cursor struct {
	text []byte
	at   int // in the text
	mean int // in what it means
}

// next passes what stands before the next escape, but at most to the place to
// of the meaning, and then the escape, if that place lies in or behind it.
func (c *cursor) next(to int) (escapeFrom, escapeMean int) {
	n := bytes.IndexByte(c.text[c.at:], '\\')
	if n < 0 || n >= to-c.mean {
		c.at, c.mean = c.at+to-c.mean, to
		return -1, -1
	}
	c.at, c.mean = c.at+n, c.mean+n
	from, mean := c.at, c.mean
	r, size := escapeAt(c.text, c.at)
	c.at, c.mean = c.at+size, c.mean+utf8.RuneLen(r)
	return from, mean
}

// locate turns spans of what a text means, in order and disjoint, into spans of
// the text: whole escapes.
func locate(text []byte, spans []span) {
	c := cursor{text: text}
	for i := range spans {
		s := &spans[i]
		from := -1
		for c.mean < s.from {
			at, mean := c.next(s.from)
			if at >= 0 && mean < s.from && c.mean > s.from {
				from = at // it begins within what an escape means
			}
		}
		if from < 0 {
			from = c.at
		}
		for c.mean < s.to {
			c.next(s.to)
		}
		s.from, s.to = from, c.at
	}
}

// widen makes spans of a text that has escapes itself span these as a whole.
func widen(text []byte, spans []span) []span {
	at := 0
	for i := range spans {
		s := &spans[i]
		for at < s.to {
			n := bytes.IndexByte(text[at:s.to], '\\')
			if n < 0 {
				break
			}
			at += n
			_, size := escapeAt(text, at)
			if at < s.from && at+size > s.from {
				s.from = at
			}
			if at < s.to && at+size > s.to {
				s.to = at + size
			}
			at += size
		}
	}
	return spans
}
