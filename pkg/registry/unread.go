package registry

import (
	"strings"

	"github.com/hogcast/hogcast/pkg/destination"
)

// standIn stands for an entry that can't be read, where no good version of it is
// known: its branches are held until it can be. What it says for certain counts;
// of the rest nobody knows what it would forbid, so that Privacy Mode is on.
func standIn(id destination.ID) *destination.Destination {
	return &destination.Destination{
		ID: id, Enabled: true, Endpoint: destination.EndpointUS, Protocol: destination.Auto, SamplingRate: 1,
		PrivacyMode: true, SecretUnreadable: true, EntryUnreadable: true,
	}
}

// readable counts the destinations that stand for no entry which can't be read.
func readable(set *destination.Set) (n int) {
	for d := range set.All() {
		if !d.EntryUnreadable {
			n++
		}
	}
	return n
}

// standIn is that of the entry, as far as it was read. A key that is unknown, or
// given twice, may be any of them.
func (e *entryReader) standIn(id destination.ID, read *destination.Destination) *destination.Destination {
	d := standIn(id)
	if e.strange || e.node.Kind == 0 {
		return d
	}
	bad := e.faulty()
	if !bad["enabled"] {
		d.Enabled = read.Enabled
	}
	if !bad["paused"] {
		d.Paused = read.Paused
	}
	if !bad["privacy_mode"] && !bad["privacy"] {
		d.PrivacyMode, d.Privacy = read.PrivacyMode, read.Privacy
	}
	if !bad["sampling_rate"] && !bad["sample_errors"] {
		d.SamplingRate, d.SampleErrors = read.SamplingRate, read.SampleErrors
	}
	if !bad["api_keys"] {
		d.APIKeys = read.APIKeys
	}
	if !bad["hold_max"] {
		d.HoldMax = read.HoldMax
	}
	return d
}

// faulty are the entry's own keys that a problem is about.
func (e *entryReader) faulty() map[string]bool {
	bad := make(map[string]bool, len(e.problems))
	for _, p := range e.problems {
		key, _, _ := strings.Cut(p.Text, ":")
		key, _, _ = strings.Cut(key, ".")
		bad[key] = true
	}
	return bad
}
