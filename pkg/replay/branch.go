package replay

import (
	"slices"
	"time"

	"github.com/hogcast/hogcast/pkg/deadletter"
	"github.com/hogcast/hogcast/pkg/destination"
	"github.com/hogcast/hogcast/pkg/envelope"
	"github.com/hogcast/hogcast/pkg/privacy"
	"github.com/hogcast/hogcast/pkg/rawjson"
	"github.com/hogcast/hogcast/pkg/record"
	"github.com/hogcast/hogcast/pkg/routing"
)

// branch is one letter on its way to one destination.
type branch struct {
	tenant, destination string
	envelope            envelope.Envelope
}

// branches are what a letter, read whole, becomes; or the reason why it stays.
func (r *Runner) branches(s *deadletter.Stored, spec Spec) ([]branch, Reason) {
	switch {
	case !s.Replayable():
		return nil, unreplayable(s)
	case s.Tenant == "":
		// What a record says of its tenant is trusted only where its subject,
		// which the publisher's permissions guard, says so too.
		return nil, NoTenant
	case spec.To != "":
		return r.elsewhere(s, spec)
	case s.Destination == "":
		return r.anew(s)
	case r.Destinations != nil && r.find(s.Tenant, s.Destination) == nil:
		return nil, NoDestination
	}
	return []branch{{s.Tenant, s.Destination, again(s.Envelope)}}, ""
}

// again is the envelope of a letter that starts anew: its record, where it came
// from and what was done to it stay; what became of it is forgotten.
func again(e *envelope.Envelope) envelope.Envelope {
	return envelope.Envelope{
		Source: e.Source, MsgID: e.MsgID, RecordID: e.RecordID, Rules: e.Rules, Dropped: e.Dropped, Traceparent: e.Traceparent,
		Encoding: e.Encoding, Body: e.Body,
	}
}

func (r *Runner) find(tenant, name string) *destination.Destination {
	all := r.Destinations.Of(tenant)
	if i := slices.IndexFunc(all, func(d *destination.Destination) bool { return d.Name == name }); i >= 0 {
		return all[i]
	}
	return nil
}

// elsewhere sends a letter to the destination that was named, under that one's
// privacy rules.
func (r *Runner) elsewhere(s *deadletter.Stored, spec Spec) ([]branch, Reason) {
	if r.Destinations == nil {
		return nil, DestinationsNeeded
	}
	to := r.find(spec.Filter.Tenant, spec.To)
	if to == nil {
		return nil, NoDestination
	}
	raw, decoded, ok := read(s)
	if !ok {
		return nil, Unreadable
	}
	return r.fitted([]branch{private(s, raw, decoded, to)})
}

// anew routes a letter as if its record had just come.
func (r *Runner) anew(s *deadletter.Stored) ([]branch, Reason) {
	if r.Destinations == nil {
		return nil, DestinationsNeeded
	}
	raw, decoded, ok := read(s)
	if !ok {
		return nil, Unreadable
	}
	all := r.Destinations.Of(s.Tenant)
	if len(all) == 0 || r.Destinations.AnyUnreadable(s.Tenant) { // which may want it
		return nil, NoDestination
	}
	var branches []branch
	for _, d := range routing.Route(decoded, all) {
		if d.Deliver() {
			branches = append(branches, private(s, raw, decoded, d.Destination))
		}
	}
	if branches == nil {
		return nil, NotWanted
	}
	return r.fitted(branches)
}

// read decodes a letter's record, which must be of the letter's tenant.
func read(s *deadletter.Stored) (raw []byte, decoded *record.Record, ok bool) {
	raw, decoded, err := privacy.Decode(s.Envelope)
	if err != nil || decoded.CheckTenant(s.Tenant) != nil {
		return nil, nil, false
	}
	return raw, decoded, true
}

// private makes the branch of a record under the rules of its destination.
func private(s *deadletter.Stored, raw []byte, decoded *record.Record, to *destination.Destination) branch {
	e := again(s.Envelope)
	e.RecordID = decoded.ID
	privacy.Keep(&e, raw, decoded, privacy.RulesOf(to))
	return branch{s.Tenant, to.Name, e}
}

// fitted makes each branch fit into a message.
func (r *Runner) fitted(branches []branch) ([]branch, Reason) {
	for i := range branches {
		if !branches[i].envelope.Fit(r.MaxPayload) {
			return nil, TooLarge
		}
	}
	return branches, ""
}

// ContentWindow is how long PostHog keeps prompts and completions, from the
// event's own timestamp on; of older records it takes in the metadata alone.
const ContentWindow = 30 * 24 * time.Hour

// pastWindow reports whether PostHog will not keep a letter's content: by the
// record's own created_at, where that can be read, else by its publishing.
func pastWindow(s *deadletter.Stored, now time.Time) bool {
	return now.Sub(createdAt(s)) > ContentWindow
}

func createdAt(s *deadletter.Stored) time.Time {
	raw, err := s.Envelope.Record()
	if err == nil && rawjson.IsObject(raw) {
		if decoded, err := record.Decode(raw); err == nil {
			return decoded.CreatedAt
		}
	}
	return published(s)
}

// published is when a letter's record was published.
func published(s *deadletter.Stored) time.Time {
	if s.Envelope.Source.Time.IsZero() {
		return s.Time
	}
	return s.Envelope.Source.Time
}
