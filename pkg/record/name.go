package record

// MaxTenantBytes is the longest tenant name, in bytes.
const MaxTenantBytes = 64

// ValidTenant reports whether s is a tenant's name:
// [A-Za-z0-9][A-Za-z0-9_-]{0,63}, one token of a NATS subject.
func ValidTenant(s string) bool {
	if s == "" || len(s) > MaxTenantBytes {
		return false
	}
	for i := range len(s) {
		c := s[i]
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9':
		case (c == '_' || c == '-') && i > 0:
		default:
			return false
		}
	}
	return true
}
