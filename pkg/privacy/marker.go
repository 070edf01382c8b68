package privacy

import (
	"bytes"
	"strings"
)

const markerStart = "[redacted:"

// marker is what stands in the place of a match.
func marker(name string) string { return markerStart + name + "]" }

// maxMarkerName is the longest name of a pattern.
const maxMarkerName = 32

// markerAt returns the index behind the marker that begins at text[i], and its
// name; 0 where none does.
func markerAt(text []byte, i int) (end int, name []byte) {
	rest := text[i+len(markerStart):]
	n := bytes.IndexByte(rest[:min(len(rest), maxMarkerName+1)], ']')
	if n < 1 {
		return 0, nil
	}
	for _, c := range rest[:n] {
		if lower := c >= 'a' && c <= 'z'; !lower && !isDigit(c) && c != '_' && c != '-' {
			return 0, nil
		}
	}
	return i + len(markerStart) + n + 1, rest[:n]
}

// withoutMarkers cuts the markers out of a text.
func withoutMarkers(s string) string {
	for from := 0; ; {
		i := strings.Index(s[from:], markerStart)
		if i < 0 {
			return s
		}
		i += from
		if end, _ := markerAt([]byte(s), i); end > 0 {
			s, from = s[:i]+s[end:], i
		} else {
			from = i + 1
		}
	}
}
