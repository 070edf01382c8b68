package destination

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
// `phc_ab…wxyz`. Short values show nothing.
func (s Secret) Masked() string {
	if len(s.value) < 16 {
		return redacted
	}
	return s.value[:6] + "…" + s.value[len(s.value)-4:]
}

// String implements fmt.Stringer.
func (Secret) String() string { return redacted }

// GoString implements fmt.GoStringer, for %#v.
func (Secret) GoString() string { return redacted }

// MarshalText implements encoding.TextMarshaler, for JSON and YAML.
func (Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }
