package privacy

import (
	"fmt"
	"slices"

	"github.com/hogcast/hogcast/pkg/envelope"
	"github.com/hogcast/hogcast/pkg/record"
)

// Keep puts a record into its envelope as the rules allow it to be kept there.
func Keep(e *envelope.Envelope, raw []byte, r *record.Record, rules Rules) {
	rules = rules.After(e.Rules)
	e.Body, e.Encoding = Stored(raw, r, rules), ""
	e.Rules = Add(e.Rules, rules)
	if !rules.Empty() {
		e.Dropped = append(slices.Clip(e.Dropped), rules.Paths(r.Dropped)...)
	}
}

// Renew applies the rules of the day to a stored branch, and reports whether
// that changed it. What can't be read can't be made private, and loses its bytes.
func Renew(e *envelope.Envelope, rules Rules) bool {
	if rules.Current(e.Rules) || !e.Replayable() {
		return false
	}
	if len(e.Rules) == 0 {
		e.Detail = "" // of a time when answers were quoted
	}
	raw, r, err := Decode(e)
	if err != nil {
		e.Withhold()
		return true
	}
	Keep(e, raw, r, rules)
	return true
}

// Decode reads a stored record: its bytes, and what they say.
func Decode(e *envelope.Envelope) ([]byte, *record.Record, error) {
	raw, err := e.Record()
	if err != nil {
		return nil, nil, fmt.Errorf("reading a stored record: %w", err)
	}
	r, err := record.Decode(raw)
	return raw, r, err
}
