package privacy

import (
	"bytes"
	"unicode"
	"unicode/utf8"
)

// findEmails finds addresses: local part, @ (or %40, as in URLs), and a domain
// of at least two labels or an address literal.
func findEmails(dst []span, text []byte, _ hint) []span {
	for i := 0; ; {
		n := bytes.IndexByte(text[i:], '@')
		if n < 0 {
			break
		}
		i += n
		dst = emailAt(dst, text, i, 1)
		i++
	}
	for i := 0; ; {
		n := bytes.Index(text[i:], []byte("%40"))
		if n < 0 {
			return dst
		}
		i += n
		dst = emailAt(dst, text, i, 3)
		i += 3
	}
}

// emailAt appends the address whose @, of so many bytes, stands at text[at].
func emailAt(dst []span, text []byte, at, size int) []span {
	from, to := localStart(text, at), domainEnd(text, at+size)
	if from == at || to == 0 {
		return dst
	}
	return append(dst, span{from: from, to: to})
}

// localStart is where the local part that ends at text[at] begins.
func localStart(text []byte, at int) int {
	const longest = 128 // bytes, twice what is allowed; without a bound "%40" over and over takes the square of the time
	from := at
	for from > 0 && at-from < longest {
		r, size := utf8.DecodeLastRune(text[:from])
		if !isLocal(r) {
			break
		}
		from -= size
	}
	for from < at && (text[from] == '.' || text[from] == '\'' || text[from] == '-') {
		from++
	}
	if from == at && at > 0 && text[at-1] == '"' {
		// a quoted local part
		const longest = 66
		if n := bytes.LastIndexByte(text[max(0, at-longest):at-1], '"'); n >= 0 {
			return max(0, at-longest) + n
		}
	}
	return from
}

func isLocal(r rune) bool {
	switch r {
	case '.', '_', '%', '+', '\'', '-', '~':
		return true
	}
	return isLabel(r)
}

// isLabel: what domains and names are made of, in the scripts that set spaces
// between words.
func isLabel(r rune) bool {
	if r < utf8.RuneSelf {
		return isAlnum(byte(r)) //nolint:gosec // ASCII
	}
	return unicode.In(r, unicode.Latin, unicode.Greek, unicode.Cyrillic)
}

// domainEnd is where the domain that begins at text[i] ends; 0 where none does.
func domainEnd(text []byte, i int) int {
	if i < len(text) && text[i] == '[' {
		const longest = 64
		n := bytes.IndexByte(text[i:min(len(text), i+longest)], ']')
		if n > 1 && (isDigit(text[i+1]) || bytes.HasPrefix(text[i+1:], []byte("IPv6:"))) {
			return i + n + 1
		}
		return 0
	}
	end, labels, letters, start := i, 0, 0, i
	for j := i; ; {
		r, size := utf8.DecodeRune(text[j:])
		switch {
		case size > 0 && (isLabel(r) || r == '-' && j > start):
			if (r < '0' || r > '9') && r != '-' {
				letters++
			}
			j += size
			continue
		case j > start:
			labels++
			// The last label, a top-level domain, has two letters at least.
			if labels > 1 && letters > 1 {
				end = j
			}
		}
		if j == start || size == 0 || r != '.' {
			break
		}
		j++
		start, letters = j, 0
	}
	if end == i {
		return 0
	}
	for text[end-1] == '-' {
		end--
	}
	return end
}
