package posthog

import (
	"context"
	"net/url"
	"strings"

	"github.com/hogcast/hogcast/pkg/destination"
	"github.com/hogcast/hogcast/pkg/event"
	"github.com/hogcast/hogcast/pkg/outcome"
)

// refuse judges what no request could mend.
func refuse(ctx context.Context, dest *destination.Destination) (outcome.Verdict, bool) {
	if ctx.Err() != nil {
		return interrupted("not sent: no time left"), true
	}
	if err := destination.CheckAPIKey(dest.APIKey.Reveal()); err != nil {
		// An empty key makes an SDK client that does nothing, without a word.
		return hold(outcome.Unauthorized, err.Error()), true
	}
	if !validEndpoint(dest.Endpoint) {
		// The SDK would take an empty one for PostHog's cloud.
		return hold(outcome.NotServed, "endpoint: not scheme://host"), true
	}
	return outcome.Verdict{}, false
}

// validEndpoint takes what destination.ParseEndpoint makes, and a slash behind
// it, which is cut later.
func validEndpoint(s string) bool {
	u, err := url.Parse(s)
	return err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != "" &&
		u.User == nil && strings.Trim(u.Path, "/") == "" && u.RawQuery == "" && u.Fragment == ""
}

// screen takes from the batch the events that are worth sending, and judges
// the others.
func (x *exchange) screen(batch []*event.Event, verdicts []outcome.Verdict) {
	for i, e := range batch {
		if v, fit := judge(e); !fit {
			verdicts[i] = v
			continue
		}
		if _, twice := x.index[e.UUID]; twice {
			verdicts[i] = retry(outcome.NoVerdict, "not sent: its uuid is in the batch already")
			continue
		}
		if len(x.events) == MaxBatchEvents {
			verdicts[i] = retry(outcome.NoVerdict, "not sent: the batch is full")
			continue
		}
		x.index[e.UUID] = len(x.events)
		x.events = append(x.events, e)
		x.place = append(x.place, i)
	}
}

// judge says whether an event can be sent at all. The SDK would give it a
// random uuid in place of one that it dislikes.
func judge(e *event.Event) (v outcome.Verdict, fit bool) {
	switch {
	case e == nil:
		return bury(outcome.Unencodable, "no event"), false
	case !canonicalUUID(e.UUID):
		return bury(outcome.Unencodable, "uuid: not in canonical form"), false
	case e.Name == "":
		return bury(outcome.Unencodable, "event name: empty"), false
	case e.DistinctID == "":
		return bury(outcome.Unencodable, "distinct_id: empty"), false
	case !looksLikeObject(e.Properties):
		return bury(outcome.Unencodable, "properties: not a JSON object"), false
	case tooLarge(e):
		return bury(outcome.EventTooLarge, "over 480,000 bytes"), false
	}
	return outcome.Verdict{}, true
}

// canonicalUUID: 8-4-4-4-12 lower-case hex digits, the form in which answers
// name events.
func canonicalUUID(s string) bool {
	if len(s) != 36 {
		return false
	}
	for i := range len(s) {
		c := s[i]
		switch i {
		case 8, 13, 18, 23:
			if c != '-' {
				return false
			}
		default:
			if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
				return false
			}
		}
	}
	return true
}

func looksLikeObject(b []byte) bool {
	return len(b) >= 2 && b[0] == '{' && b[len(b)-1] == '}'
}

// tooLarge measures exactly only where the cheap upper bound is passed.
func tooLarge(e *event.Event) bool {
	return e.Size() > event.MaxBytes && len(e.AppendJSON(nil)) > event.MaxBytes
}
