package privacy

import (
	"cmp"
	"slices"

	"github.com/hogcast/hogcast/pkg/destination"
)

// Names is Applied of a destination's rules, for which these need not be
// compiled; nil for one without rules, and for none.
func Names(d *destination.Destination) []string {
	if d == nil || !d.Private() {
		return nil
	}
	r := Rules{PrivacyMode: d.PrivacyMode, revision: revisionOf(d), user: newHasher(d.Privacy.UserHashKey)}
	if !d.Privacy.Metadata.Empty() {
		r.metadata = &metadata{}
	}
	if len(d.Privacy.Redact) > 0 {
		r.redactor = &redactor{}
	}
	return Applied(r)
}

// RulesOfAll are the rules for what is kept of a tenant and stands for none of
// its destinations yet: as any of them may get it, what one forbids is left out.
// Users are hashed only where the tenant has one destination alone, since each
// has a key of its own.
func RulesOfAll(all []*destination.Destination) Rules {
	if len(all) == 1 {
		return RulesOf(all[0])
	}
	var joint destination.Destination
	limited := false // by an allow-list
	for _, d := range slices.SortedFunc(slices.Values(all), func(a, b *destination.Destination) int { return cmp.Compare(a.Name, b.Name) }) {
		joint.PrivacyMode = joint.PrivacyMode || d.PrivacyMode
		joint.Privacy.Metadata.Deny = append(joint.Privacy.Metadata.Deny, d.Privacy.Metadata.Deny...)
		if allow := d.Privacy.Metadata.Allow; len(allow) > 0 {
			joint.Privacy.Metadata.Allow = common(limited, joint.Privacy.Metadata.Allow, allow)
			limited = true
		}
		for _, p := range d.Privacy.Redact {
			if !slices.Contains(joint.Privacy.Redact, p) {
				joint.Privacy.Redact = append(joint.Privacy.Redact, p)
			}
		}
	}
	slices.Sort(joint.Privacy.Metadata.Deny)
	joint.Privacy.Metadata.Deny = slices.Compact(joint.Privacy.Metadata.Deny)
	nothing := limited && len(joint.Privacy.Metadata.Allow) == 0
	if nothing {
		joint.Privacy.Metadata.Allow = []string{""} // no key that a destination can name
	}
	r := RulesOf(&joint)
	if nothing {
		r.metadata.allow = nil
	}
	return r
}

// common is what is in both lists, sorted; in the second alone where there was
// no first.
func common(limited bool, a, b []string) []string {
	b = slices.Compact(slices.Sorted(slices.Values(b)))
	if !limited {
		return b
	}
	return slices.DeleteFunc(b, func(name string) bool { return !slices.Contains(a, name) })
}
