package admin

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/hogcast/hogcast/pkg/destination"
	"github.com/hogcast/hogcast/pkg/outcome"
	"github.com/hogcast/hogcast/pkg/privacy"
	"github.com/hogcast/hogcast/pkg/record"
	"github.com/hogcast/hogcast/pkg/routing"
)

// Explanation is what the rules did to one record. It holds no value of it but
// its id.
type Explanation struct {
	Line int    `json:"line"`
	ID   string `json:"id,omitempty"`
	// End is mapped, filtered, sampled_out or bad.
	End          string   `json:"end"`
	Filter       string   `json:"filter,omitempty"`        // why it is filtered
	SamplingRate float64  `json:"sampling_rate,omitempty"` // of one that is sampled out
	Changes      []Change `json:"changes,omitempty"`       // by privacy rules
	Dropped      []string `json:"dropped,omitempty"`       // optional fields of the wrong type, at most 20
	Field        string   `json:"field,omitempty"`         // of a bad one
	Problem      string   `json:"problem,omitempty"`       // likewise
}

// Change is what one privacy rule did in one place.
type Change struct {
	Rule    string `json:"rule"`              // privacy_mode, metadata, user_hash or redact
	Pattern string `json:"pattern,omitempty"` // of redact
	Path    string `json:"path"`
	Count   int    `json:"count"`
	// Kept: what matches is part of an identifier, and stays.
	Kept bool `json:"kept,omitempty"`
}

const (
	endMapped = "mapped"
	endBad    = "bad"
)

// explained makes the explanation of a record that was read.
func explained(line int, r *record.Record, d routing.Decision, effects []privacy.Effect) Explanation {
	e := Explanation{Line: line, ID: r.ID, End: endMapped}
	switch d.End {
	case outcome.Filtered:
		e.End, e.Filter = string(d.End), string(d.Filter)
	case outcome.SampledOut:
		e.End, e.SamplingRate = string(d.End), d.Destination.SamplingRate
	default:
	}
	for _, effect := range effects {
		e.Changes = append(e.Changes, Change(effect))
	}
	return e
}

// explain writes an explanation, as lines of text or as a line of JSON.
func (m *mapper) explain(e Explanation) error {
	if m.JSON {
		line, err := json.Marshal(e)
		if err != nil {
			return err
		}
		_, err = m.Errors.Write(append(line, '\n'))
		return err
	}
	if err := m.report(e.Line, e.summary()); err != nil {
		return err
	}
	for _, c := range e.Changes {
		if err := m.report(e.Line, "  "+c.String()); err != nil {
			return err
		}
	}
	return nil
}

// summary is what became of the record as a whole.
func (e Explanation) summary() string {
	switch e.End {
	case string(outcome.Filtered):
		return "filtered: " + e.Filter
	case string(outcome.SampledOut):
		return fmt.Sprintf("sampled out: sampling_rate %g", e.SamplingRate)
	}
	changes := 0
	for _, c := range e.Changes {
		if !c.Kept {
			changes++
		}
	}
	if changes == 0 {
		return "mapped: no privacy rule changed it"
	}
	return "mapped: " + plural(changes, "change") + " by privacy rules"
}

// String is a change as a line of text.
func (c Change) String() string {
	path := oneLine(c.Path)
	switch {
	case c.Rule == privacy.RuleUserHash:
		return c.Rule + ": " + path + ": hashed"
	case c.Rule != privacy.RuleRedact:
		return c.Rule + ": " + path + ": left out"
	case !c.Kept:
		return c.Rule + " " + c.Pattern + ": " + path + ": " + matches(c.Count)
	}
	advice := "identifiers are not redacted"
	if c.Path == "user" {
		advice += "; privacy.user_hash_key hashes this one"
	}
	return c.Rule + " " + c.Pattern + ": " + path + ": " + matches(c.Count) + " kept, since " + advice
}

func matches(n int) string {
	if n == 1 {
		return "1 match"
	}
	return thousands(n) + " matches"
}

// noRules is the destination that stands for none.
func noRules() *destination.Destination {
	return &destination.Destination{ID: destination.ID{Name: destination.DefaultName}, Enabled: true, SamplingRate: 1}
}

// droppedOf lists what was left out of a record, for people.
func droppedOf(r *record.Record, rules privacy.Rules) []string {
	paths := rules.Paths(r.Dropped)
	shown := make([]string, 0, min(len(paths), maxWarnings))
	for _, path := range paths[:min(len(paths), maxWarnings)] {
		shown = append(shown, oneLine(strings.ToValidUTF8(path, "\uFFFD")))
	}
	return shown
}
