package deadletter

import (
	"fmt"
	"regexp"
	"strings"
)

// Cause is the fingerprint of why: letters of one cause are mended together.
func (s *Stored) Cause() string {
	cause := s.Reason
	if s.Envelope.Field != "" {
		cause += " " + s.Envelope.Field
	}
	if s.Envelope.Status != 0 {
		cause += fmt.Sprintf(" %d", s.Envelope.Status)
	}
	if detail := generalise(s.Envelope.Detail); detail != "" {
		cause += ": " + detail
	}
	return cause
}

// longestCause is where the detail within a cause is cut, in characters.
const longestCause = 120

// What tells letters of one cause apart: quoted words, hexadecimal ids, and
// numbers, of which a time or an address is one.
var (
	quotedWords = regexp.MustCompile(`"[^"]*"?`)
	hexIDs      = regexp.MustCompile(`\b[0-9a-fA-F][0-9a-fA-F-]{6,}[0-9a-fA-F]\b`)
	numbers     = regexp.MustCompile(`[0-9]+(?:[-+:.,/T][0-9]+)*(?:Z\b)?`)
)

// generalise takes out of a text what tells letters of one cause apart. Most
// have nothing of that, and are not searched.
func generalise(s string) string {
	if strings.ContainsAny(s, `"0123456789`) {
		s = quotedWords.ReplaceAllString(s, `"…"`)
		s = hexIDs.ReplaceAllStringFunc(s, func(word string) string {
			if strings.ContainsAny(word, "0123456789") {
				return "N"
			}
			return word
		})
		s = numbers.ReplaceAllString(s, "N")
	}
	if text := []rune(s); len(text) > longestCause {
		return string(text[:longestCause]) + "…"
	}
	return s
}
