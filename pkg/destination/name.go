package destination

import (
	"fmt"

	"github.com/hogcast/hogcast/pkg/record"
)

// ValidName reports whether s can name a destination; the rule is the
// tenant's, so that both are one token of a subject.
func ValidName(s string) bool { return record.ValidTenant(s) }

// nameRule says why s is no name, without repeating what a stranger wrote
// there in full.
func nameRule(s string) string {
	if s == "" {
		return "missing"
	}
	if len(s) > 64 {
		return fmt.Sprintf("%d bytes; at most 64", len(s))
	}
	return fmt.Sprintf("%q must be letters, digits, _ or -, and begin with a letter or digit", s)
}
