package intake

import "bytes"

// opens reports whether a line can be the beginning of a document that spans
// lines: it begins like an object or array, opens more brackets than it closes,
// and does not end within a string. It looks at brackets and strings alone, so
// that the records of NDJSON are not parsed twice.
func opens(line []byte) bool {
	if line[0] != '{' && line[0] != '[' {
		return false
	}
	depth := 0
	for i := 0; i < len(line); i++ {
		switch line[i] {
		case '{', '[':
			depth++
		case '}', ']':
			depth--
		case '"':
			if i = closing(line, i+1); i < 0 {
				return false
			}
		}
	}
	return depth > 0
}

// closing is the index of the quote that closes the string whose inside begins
// at i; -1 where there is none.
func closing(line []byte, i int) int {
	for begin := i; ; i++ {
		n := bytes.IndexByte(line[i:], '"')
		if n < 0 {
			return -1
		}
		i += n
		back := i
		for back > begin && line[back-1] == '\\' {
			back--
		}
		if (i-back)%2 == 0 {
			return i
		}
	}
}
