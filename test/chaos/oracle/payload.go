package oracle

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/hogcast/hogcast/pkg/event"
	"github.com/hogcast/hogcast/pkg/mapping"
	"github.com/hogcast/hogcast/pkg/privacy"
	"github.com/hogcast/hogcast/pkg/record"
	"github.com/hogcast/hogcast/pkg/sandbox"
	"github.com/hogcast/hogcast/test/chaos/load"
)

// eventOf is the event that a record has to become.
func eventOf(r *record.Record, d *load.Destination, private bool) *event.Event {
	e, _ := mapping.Map(privacy.Apply(r, privacy.RulesOf(d.Rules(private))), d.Name)
	return e
}

// privacies are the values of Privacy Mode under which the branch may have been
// sent or kept.
func (b *branch) privacies() []bool {
	switch {
	case b.to.Private, b.hushed:
		return []bool{true}
	case b.to.EverPrivate():
		return []bool{false, true}
	}
	return []bool{false}
}

// differs says in which way an event is not what its record should have become;
// "" for in none. kind is that of the finding.
func (b *branch) differs(t *sandbox.Taken, body []byte) (kind, how string) {
	r, err := record.Decode(body)
	if err != nil {
		return "changed", err.Error()
	}
	for _, private := range b.privacies() {
		if how = eventDiffers(t, eventOf(r, b.to, private)); how == "" {
			return "", ""
		}
	}
	if b.to.EverPrivate() && b.asStored(t, r, body) {
		return "forgotten", "it was held in its private form, and " + how
	}
	return "changed", how
}

// asStored reports whether an event was made of the record's private form, as
// it is kept while it is held, and of nothing else.
func (b *branch) asStored(t *sandbox.Taken, r *record.Record, body []byte) bool {
	stored, err := record.Decode(privacy.Stored(body, r, privacy.RulesOf(b.to.Rules(true))))
	return err == nil && eventDiffers(t, eventOf(stored, b.to, true)) == ""
}

func eventDiffers(t *sandbox.Taken, want *event.Event) string {
	switch {
	case t.Event != want.Name:
		return fmt.Sprintf("event %q, want %q", t.Event, want.Name)
	case t.DistinctID != want.DistinctID:
		return fmt.Sprintf("distinct id %q, want %q", t.DistinctID, want.DistinctID)
	case t.Timestamp != string(want.AppendTimestamp(nil)):
		return fmt.Sprintf("timestamp %s, want %s", t.Timestamp, want.AppendTimestamp(nil))
	}
	got, err := members(t.Properties)
	if err != nil {
		return "properties can't be read: " + err.Error()
	}
	// v1's option, which the sandbox folds in, is none of the record's.
	delete(got, "$ignore_sent_at")
	wanted, err := members(want.AppendProperties(nil))
	if err != nil {
		return "the mapping's own properties can't be read: " + err.Error()
	}
	for name, value := range wanted {
		switch have, ok := got[name]; {
		case !ok:
			return "property " + name + " is missing"
		case !bytes.Equal(have, value):
			return "property " + name + " differs"
		}
	}
	for name := range got {
		if _, ok := wanted[name]; !ok {
			return "property " + name + " was added"
		}
	}
	return ""
}

// members reads a JSON object's values as they are, white space apart; of two
// of one name the last counts.
func members(object []byte) (map[string]jsontext.Value, error) {
	dec := jsontext.NewDecoder(bytes.NewReader(object), jsontext.AllowDuplicateNames(true))
	if _, err := dec.ReadToken(); err != nil {
		return nil, err
	}
	out := map[string]jsontext.Value{}
	for dec.PeekKind() == jsontext.KindString {
		name, err := dec.ReadToken()
		if err != nil {
			return nil, err
		}
		key := name.String()
		value, err := dec.ReadValue()
		if err != nil {
			return nil, err
		}
		value = value.Clone()
		if err := value.Compact(jsontext.AllowDuplicateNames(true)); err != nil {
			return nil, err
		}
		out[key] = value
	}
	_, err := dec.ReadToken()
	return out, err
}

// bodyDiffers says whether what a letter keeps is not the record as its
// destination may have it; "" for as it should be.
func (b *branch) bodyDiffers(l *Letter, body []byte) string {
	r, err := record.Decode(body)
	if err != nil {
		return err.Error()
	}
	for _, private := range b.privacies() {
		if keeps(l, privacy.Stored(body, r, privacy.RulesOf(b.to.Rules(private)))) {
			return ""
		}
	}
	return fmt.Sprintf("keeps %d bytes that are not the record", len(l.Body))
}

// keeps reports whether a letter keeps exactly these bytes, or their sum.
func keeps(l *Letter, body []byte) bool {
	if l.SHA256 == "" {
		return bytes.Equal(l.Body, body)
	}
	sum := sha256.Sum256(body)
	return len(l.Body) == 0 && l.SHA256 == hex.EncodeToString(sum[:])
}
