package privacy

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"github.com/hogcast/hogcast/pkg/destination"
)

// The rules' names, as an envelope's Hogcast-Rules lists them and `hogcast map
// --explain` shows them.
const (
	RulePrivacyMode = "privacy_mode"
	RuleMetadata    = "metadata"
	RuleUserHash    = "user_hash"
	RuleRedact      = "redact"
)

// revisionPrefix marks, in that list, the revision of the rules that a record
// was stored under last, where these are of a kind that can change.
const revisionPrefix = "rev:"

// engine is part of each revision: raise it when a built-in pattern or a rule
// finds more than before, so that what is stored passes it again.
const engine = 1

// revisionOf tells one set of rules from another. It reveals neither the key
// nor a pattern. A new hash key is no new revision: what is hashed stays so.
func revisionOf(d *destination.Destination) string {
	p := d.Privacy
	if p.Metadata.Empty() && len(p.Redact) == 0 {
		return "" // the names tell all
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%d %t %q %q %t %q", engine, d.PrivacyMode,
		p.Metadata.Allow, p.Metadata.Deny, p.UserHashKey.Empty(), p.Redact))
	return hex.EncodeToString(sum[:6])
}

// Applied names what Stored has applied, for the envelope: the rules, and
// where they have one their revision.
func Applied(rules Rules) []string { return Add(nil, rules) }

// Add notes rules beside those that were applied to a stored record before.
func Add(before []string, rules Rules) []string {
	if rules.Empty() {
		return before
	}
	now := make([]string, 0, 5)
	for _, rule := range []struct {
		name string
		set  bool
	}{
		{RulePrivacyMode, rules.PrivacyMode},
		{RuleMetadata, rules.metadata != nil},
		{RuleUserHash, rules.user != nil},
		{RuleRedact, rules.redactor != nil},
	} {
		if rule.set || slices.Contains(before, rule.name) {
			now = append(now, rule.name)
		}
	}
	for _, name := range before { // those that only a newer build knows
		if !slices.Contains(now, name) && !strings.HasPrefix(name, revisionPrefix) && len(now) < maxApplied {
			now = append(now, name)
		}
	}
	if rules.revision != "" {
		now = append(now, revisionPrefix+rules.revision)
	}
	return now
}

// maxApplied bounds the list, and so its header.
const maxApplied = 16

// After returns the rules for a record that was stored under others: all but
// the hash of the user, where that was applied before. So the first hash stays,
// whatever becomes of the key.
func (r Rules) After(applied []string) Rules {
	if r.user != nil && slices.Contains(applied, RuleUserHash) {
		r.user = nil
	}
	return r
}

// Current reports whether a record was stored under these very rules, so that
// they have nothing to do to it.
func (r Rules) Current(applied []string) bool {
	if r.metadata != nil || r.redactor != nil {
		return slices.Contains(applied, revisionPrefix+r.revision)
	}
	return (!r.PrivacyMode || slices.Contains(applied, RulePrivacyMode)) &&
		(r.user == nil || slices.Contains(applied, RuleUserHash))
}

// WithoutHash returns the rules but for the hash of the user.
func (r Rules) WithoutHash() Rules {
	r.user, r.revision = nil, ""
	return r
}
