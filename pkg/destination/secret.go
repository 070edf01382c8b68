package destination

import "unicode/utf8"

// Secret is a string that shows itself to nobody: every way of printing or
// encoding it gives "[redacted]". Reveal is the one way to the value.
type Secret struct{ value string }

const redacted = "[redacted]"

// NewSecret wraps a value.
func NewSecret(value string) Secret { return Secret{value} }

// Reveal returns the value. Call it only where the value is sent.
func (s Secret) Reveal() string { return s.value }

// Empty reports whether there is no value.
func (s Secret) Empty() bool { return s.value == "" }

// Masked shows enough to recognise a key and too little to use it:
// `phc_ab…wxyz`. Short values show nothing, nor do those that would be cut
// within a character.
func (s Secret) Masked() string {
	if len(s.value) < 16 {
		return redacted
	}
	masked := s.value[:6] + "…" + s.value[len(s.value)-4:]
	if !utf8.ValidString(masked) {
		return redacted
	}
	return masked
}

// IsMask reports whether the value is what Masked shows of another, and so no
// secret: somebody has given back what they were shown.
func (s Secret) IsMask() bool {
	return s.value == redacted || len(s.value) == 6+len("…")+4 && s.value[6:6+len("…")] == "…"
}

// String implements fmt.Stringer.
func (Secret) String() string { return redacted }

// GoString implements fmt.GoStringer, for %#v.
func (Secret) GoString() string { return redacted }

// MarshalText implements encoding.TextMarshaler, for JSON and YAML.
func (Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }
