// Package destination holds where a tenant's events go, and by which rules.
// Layer 0: facts and their validation; no I/O.
package destination

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"time"
)

// Protocol names the PostHog path that a destination is sent by.
type Protocol string

// The protocols. Auto tries V1 and falls back to Batch where V1 is not served.
const (
	Auto  Protocol = "auto"
	V1    Protocol = "v1"
	Batch Protocol = "batch"
)

// Region is one of PostHog's clouds.
type Region string

// The regions.
const (
	RegionUS Region = "us"
	RegionEU Region = "eu"
)

// AnyTenant stands in the tenant's place for a destination that is the default
// of all tenants that have none of their own. It is no tenant's name.
const AnyTenant = "_"

// DefaultName is a destination's name where none is given.
const DefaultName = "default"

// ID is a destination's identity.
type ID struct {
	Tenant string
	Name   string
}

// String is `<tenant>.<name>`, as in subjects and keys of the KV.
func (id ID) String() string { return id.Tenant + "." + id.Name }

// Destination is one PostHog project of one tenant. Treat it as immutable.
type Destination struct {
	ID
	Enabled bool // false: the owner doesn't want it; its branches are filtered
	Paused  bool // its branches are held
	APIKey  Secret
	// SecretUnreadable: its secrets can't be decrypted here, so that its
	// branches are held. APIKey is empty then.
	SecretUnreadable bool
	// EntryUnreadable: it stands for an entry that can't be read, so that its
	// branches are held, as SecretUnreadable says, too. Its rules are those of the
	// entry where these are certain, else Privacy Mode, lest anything be kept that
	// they forbid; nothing that is stored already is judged by them.
	EntryUnreadable bool
	Endpoint        string // scheme://host[:port], no trailing slash
	Protocol        Protocol

	PrivacyMode  bool
	Privacy      Rules   // beside the mode
	SamplingRate float64 // 0.0001–1
	SampleErrors bool    // failed generations pass whatever the rate
	APIKeys      KeyFilter

	// Region pins the destination: no host of another region is ever dialled.
	// RegionUS, RegionEU or "".
	Region Region
	// CA is PEM certificates that are trusted for this destination beside the
	// system's: those of a self-hosted PostHog. At most MaxCABytes.
	CA string

	// Limits of the whole fleet, which shares them out over its workers.
	MaxRate        float64 // events per second; 0: none
	MaxConcurrency int     // requests at once; 0: none
	// HoldMax is how long what can't be delivered is held before it becomes a
	// dead letter; at least MinHoldMax, 0: the default of package held, 72 h.
	HoldMax time.Duration
}

// KeyFilter admits records by their api_key_id. An empty Include admits all;
// Exclude wins.
type KeyFilter struct {
	Include []string
	Exclude []string
}

// Empty reports that the filter admits every record.
func (f KeyFilter) Empty() bool { return len(f.Include) == 0 && len(f.Exclude) == 0 }

// Excludes reports whether the filter names the key id as unwanted.
func (f KeyFilter) Excludes(keyID string) bool { return slices.Contains(f.Exclude, keyID) }

// Includes reports whether the filter wants the key id. The empty id (none
// given) is wanted only where Include is empty.
func (f KeyFilter) Includes(keyID string) bool {
	return len(f.Include) == 0 || keyID != "" && slices.Contains(f.Include, keyID)
}

// Revision identifies this version of the destination's settings; an answer
// counts only for the revision that it was asked with. It reveals no secret.
func (d *Destination) Revision() string {
	h := sha256.New()
	fmt.Fprintf(h, "%q %q %t %t %q %q %q %t %g %t %q %q %g %d %d %q %q %q %q %q %q %t", d.Tenant, d.Name, d.Enabled, d.Paused,
		d.APIKey.Reveal(), d.Endpoint, d.Protocol, d.PrivacyMode, d.SamplingRate, d.SampleErrors,
		d.APIKeys.Include, d.APIKeys.Exclude, d.MaxRate, d.MaxConcurrency, d.HoldMax,
		d.Region, d.CA, d.Privacy.Metadata.Allow, d.Privacy.Metadata.Deny, d.Privacy.UserHashKey.Reveal(), d.Privacy.Redact,
		d.SecretUnreadable)
	if d.EntryUnreadable {
		h.Write([]byte(" unreadable"))
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}
