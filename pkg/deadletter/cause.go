package deadletter

import (
	"fmt"
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

// generalise takes numbers and quoted words out of a text, which tell letters
// of one cause apart.
func generalise(s string) string {
	var b strings.Builder
	inQuotes, inNumber := false, false
	for _, r := range s {
		digit := r >= '0' && r <= '9'
		switch {
		case r == '"':
			if inQuotes = !inQuotes; inQuotes {
				b.WriteString(`"…"`)
			}
		case inQuotes:
		case digit && !inNumber:
			b.WriteByte('N')
		case !digit:
			b.WriteRune(r)
		}
		inNumber = digit
	}
	if text := []rune(b.String()); len(text) > longestCause {
		return string(text[:longestCause]) + "…"
	}
	return b.String()
}
