// Package privacy holds the privacy rules of a destination: functions from
// record to record, applied before a branch's record is mapped, held,
// dead-lettered or shown. Routing and sampling look at the record as it came.
// Pure: no clock, no I/O, no state; Rules are compiled once and used by many
// goroutines. Layer 1: decisions.
package privacy

import (
	"github.com/hogcast/hogcast/pkg/destination"
	"github.com/hogcast/hogcast/pkg/record"
)

// Rules are one destination's privacy rules, compiled. The zero value has none.
type Rules struct {
	// PrivacyMode leaves out what was said: the content, and what leaks it
	// elsewhere. Usage, costs, model information and custom metadata stay.
	PrivacyMode bool

	metadata *metadata
	user     *hasher
	redactor *redactor
	revision string
}

// RulesOf compiles the destination's rules. That takes up to some milliseconds
// where it has regular expressions of its own; keep the result.
func RulesOf(d *destination.Destination) Rules {
	if !d.Private() {
		return Rules{}
	}
	return Rules{
		PrivacyMode: d.PrivacyMode,
		metadata:    newMetadata(d.Privacy.Metadata),
		user:        newHasher(d.Privacy.UserHashKey),
		redactor:    newRedactor(d.Privacy.Redact, d.Privacy.Metadata.Allow),
		revision:    revisionOf(d),
	}
}

// Empty reports that there is no rule.
func (r Rules) Empty() bool {
	return !r.PrivacyMode && r.metadata == nil && r.user == nil && r.redactor == nil
}

// Apply returns the record as the destination may have it. The record given is
// not changed; where no rule is set it is returned itself. Applying twice is
// applying once, but for the hash of the user: see Rules.After.
func Apply(r *record.Record, rules Rules) *record.Record {
	if rules.Empty() {
		return r
	}
	return apply(r, rules, nil)
}

// apply tells the observer, if there is one, of each change.
func apply(r *record.Record, rules Rules, tell observer) *record.Record {
	private := *r
	private.Dropped = rules.Paths(r.Dropped)
	if rules.PrivacyMode {
		leaveOutContent(&private, tell)
	}
	if rules.metadata != nil {
		rules.metadata.filter(&private, tell, rules.redactor.quiet)
	}
	if rules.user != nil {
		rules.user.hash(&private, tell)
	}
	if rules.redactor != nil {
		rules.redactor.redact(&private, tell)
	}
	return &private
}

// Stored returns the bytes that may be kept of a record for a destination: raw
// as it came where no rule is set, else the record rebuilt from the known
// fields alone, since nobody knows what the unknown ones hold.
func Stored(raw []byte, r *record.Record, rules Rules) []byte {
	if rules.Empty() {
		return raw
	}
	return Apply(r, rules).AppendJSON(nil)
}
