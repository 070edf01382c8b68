package deadletter

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hogcast/hogcast/pkg/destination"
	"github.com/hogcast/hogcast/pkg/outcome"
	"github.com/hogcast/hogcast/pkg/queue"
)

// Filter chooses letters; empty fields choose all. Tenant, destination, reason
// and since are chosen by the server, which sends nothing else; the rest is
// chosen from the letters' headers. queue.NoToken chooses the letters whose
// tenant or destination could not be told.
type Filter struct {
	Tenant      string    `json:"tenant,omitempty"`
	Destination string    `json:"destination,omitempty"`
	Reason      string    `json:"reason,omitempty"`
	RecordID    string    `json:"record_id,omitempty"`
	Text        string    `json:"text,omitempty"`   // a part of the field or detail, whatever its case
	Since       time.Time `json:"since,omitzero"`   // not before this
	Until       time.Time `json:"until,omitzero"`   // before this
	Through     uint64    `json:"through,omitzero"` // no letter after this sequence; 0: any
}

// Validate reports a reason that is none, or a name that could be none.
func (f Filter) Validate() error {
	for _, name := range []struct{ key, value string }{{"tenant", f.Tenant}, {"destination", f.Destination}} {
		if name.value != "" && name.value != queue.NoToken && !destination.ValidName(name.value) {
			return fmt.Errorf("%s: %q is no name; %s stands for none", name.key, name.value, queue.NoToken)
		}
	}
	if f.Reason != "" && !slices.Contains(outcome.DeadReasons(), outcome.DeadReason(f.Reason)) {
		return fmt.Errorf("reason: %q is none of %v", f.Reason, outcome.DeadReasons())
	}
	if !f.Since.IsZero() && !f.Until.IsZero() && !f.Since.Before(f.Until) {
		return fmt.Errorf("no letter is both younger than %s and older than %s", f.Since.Format(time.RFC3339), f.Until.Format(time.RFC3339))
	}
	return nil
}

// Empty reports whether the filter chooses every letter.
func (f Filter) Empty() bool { return f == Filter{} }

// Subject is the part of the filter that the server knows.
func (f Filter) Subject() string { return queue.DeadFilter(f.Tenant, f.Destination, f.Reason) }

// BySubject reports whether the subject alone decides: such letters are counted
// and purged without reading one.
func (f Filter) BySubject() bool {
	return f.RecordID == "" && f.Text == "" && f.Since.IsZero() && f.Until.IsZero()
}

// Overlaps reports whether a letter can match both by its subject.
func (f Filter) Overlaps(other Filter) bool {
	meet := func(a, b string) bool { return a == "" || b == "" || a == b }
	return meet(f.Tenant, other.Tenant) && meet(f.Destination, other.Destination) && meet(f.Reason, other.Reason)
}

// String tells the filter as the flags that make it.
func (f Filter) String() string {
	var parts []string
	add := func(flag, value string) {
		if value == "" {
			return
		}
		if strings.ContainsAny(value, " \t\"'") {
			value = fmt.Sprintf("%q", value)
		}
		parts = append(parts, "--"+flag+" "+value)
	}
	add("tenant", f.Tenant)
	add("destination", f.Destination)
	add("reason", f.Reason)
	add("record-id", f.RecordID)
	add("text", f.Text)
	if !f.Since.IsZero() {
		add("since", f.Since.UTC().Format(time.RFC3339))
	}
	if !f.Until.IsZero() {
		add("until", f.Until.UTC().Format(time.RFC3339))
	}
	if parts == nil {
		return "--all"
	}
	return strings.Join(parts, " ")
}

// matches decides what the server does not.
func (f Filter) matches(s *Stored) bool {
	return (f.RecordID == "" || s.Envelope.RecordID == f.RecordID) &&
		(f.Text == "" || strings.Contains(strings.ToLower(s.Problem()), strings.ToLower(f.Text))) &&
		(f.Since.IsZero() || !s.Time.Before(f.Since)) && !f.past(s)
}

// past reports whether this letter, and so all after it, are too young.
func (f Filter) past(s *Stored) bool {
	return !f.Until.IsZero() && !s.Time.Before(f.Until) || f.Through > 0 && s.Sequence > f.Through
}
