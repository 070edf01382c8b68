package privacy

import (
	"slices"
	"strings"
)

// groupPrefix begins the paths of groups: the only ones that hold a name which
// came with the record.
const groupPrefix = "groups."

// Paths returns the paths of what was left out of a record (record.Dropped) as
// they may be told: names that may be anything are left out of them.
func (r Rules) Paths(dropped []string) []string {
	isGroup := func(path string) bool { return strings.HasPrefix(path, groupPrefix) }
	if r.Empty() || !slices.ContainsFunc(dropped, isGroup) {
		return dropped
	}
	safe := slices.Clone(dropped)
	for i, path := range safe {
		if !isGroup(path) {
			continue
		}
		name := r.redactor.quiet(strings.TrimPrefix(path, groupPrefix))
		if code(name) == "" {
			safe[i] = strings.TrimSuffix(groupPrefix, ".")
		} else {
			safe[i] = groupPrefix + name
		}
	}
	return safe
}
