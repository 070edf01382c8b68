// Package routing decides which of its tenant's destinations a record goes to.
// Pure. Layer 1: decisions.
package routing

import (
	"crypto/sha256"
	"encoding/binary"
	"math"

	"github.com/hogcast/hogcast/pkg/destination"
	"github.com/hogcast/hogcast/pkg/outcome"
	"github.com/hogcast/hogcast/pkg/rawjson"
	"github.com/hogcast/hogcast/pkg/record"
)

// Decision is what becomes of one branch.
type Decision struct {
	Destination *destination.Destination
	// End is "" where the branch is to be delivered, else Filtered or
	// SampledOut.
	End outcome.End
	// Filter is why, where End is Filtered.
	Filter outcome.FilterReason
}

// Deliver reports whether the branch is to be delivered.
func (d Decision) Deliver() bool { return d.End == "" }

// Route decides every branch of a record, in the order of the destinations.
func Route(r *record.Record, destinations []*destination.Destination) []Decision {
	decisions := make([]Decision, len(destinations))
	for i, d := range destinations {
		decisions[i] = Decide(r, d)
	}
	return decisions
}

// Decide decides one branch: enabled, then key filters, then sampling.
func Decide(r *record.Record, d *destination.Destination) Decision {
	if reason := filter(r, d); reason != "" {
		return Decision{Destination: d, End: outcome.Filtered, Filter: reason}
	}
	if !sampled(r, d) {
		return Decision{Destination: d, End: outcome.SampledOut}
	}
	return Decision{Destination: d}
}

// filter says why the branch is filtered, or "". Filters fail closed: with
// one, an api_key_id that can't be read passes not.
func filter(r *record.Record, d *destination.Destination) outcome.FilterReason {
	switch {
	case !d.Enabled:
		return outcome.Disabled
	case d.APIKeys.Empty():
		return ""
	case r.APIKeyUnreadable:
		return outcome.APIKeyUnreadable
	case d.APIKeys.Excludes(r.APIKeyID):
		return outcome.APIKeyExcluded
	case !d.APIKeys.Includes(r.APIKeyID):
		return outcome.APIKeyNotIncluded
	}
	return ""
}

// sampled decides by a hash of the destination and the session (else the
// trace, else the record): a session is wholly in or wholly out, and a higher
// rate only adds sessions.
func sampled(r *record.Record, d *destination.Destination) bool {
	if d.SamplingRate >= 1 || d.SampleErrors && r.Failed() {
		return true
	}
	key := r.SessionID
	if key == "" {
		key = traceID(r)
	}
	if key == "" {
		key = r.ID
	}
	sum := sha256.Sum256([]byte(d.Tenant + "/" + d.Name + "/" + key))
	return float64(binary.BigEndian.Uint64(sum[:8])) < d.SamplingRate*math.MaxUint64
}

func traceID(r *record.Record) string {
	if r.Trace == nil {
		return ""
	}
	switch v := rawjson.Member(r.Trace, "trace_id"); {
	case rawjson.IsString(v):
		return rawjson.String(v)
	case rawjson.IsNumber(v):
		return string(v)
	default:
		if _, ok := rawjson.Bool(v); ok {
			return string(v)
		}
	}
	return ""
}
