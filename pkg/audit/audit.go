// Package audit is the trail of what people have changed: who, when, what.
// Layer 2: it knows the form of the trail, and its store through one small
// interface. It owns no goroutine.
package audit

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
)

// Action is what somebody has done.
type Action string

// The actions, a closed list.
const (
	DestinationCreated Action = "destination_created"
	DestinationUpdated Action = "destination_updated"
	DestinationDeleted Action = "destination_deleted"
	SecretsRotated     Action = "secrets_rotated"
	ReplayStarted      Action = "replay_started"
	ReplayPaused       Action = "replay_paused"
	ReplayResumed      Action = "replay_resumed"
	ReplayCancelled    Action = "replay_cancelled"
	DeadDropped        Action = "dead_dropped"
	Purged             Action = "purged"
	ScrubStarted       Action = "scrub_started"
	ScrubCancelled     Action = "scrub_cancelled"
	GuardReleased      Action = "guard_released"
	DestinationWoken   Action = "destination_woken" // probed by hand, its settings unchanged
	HeldDiscarded      Action = "held_discarded"
	HeldMoved          Action = "held_moved"
	SecretsRevealed    Action = "secrets_revealed"
)

// Actions lists every Action.
func Actions() []Action {
	return []Action{
		DestinationCreated, DestinationUpdated, DestinationDeleted, SecretsRotated, ReplayStarted,
		ReplayPaused, ReplayResumed, ReplayCancelled, DeadDropped, Purged, ScrubStarted, ScrubCancelled, GuardReleased,
		DestinationWoken, HeldDiscarded, HeldMoved, SecretsRevealed,
	}
}

// Record is one thing that somebody has done. Secrets in it are masked by who
// writes it.
type Record struct {
	At          time.Time `json:"at"`
	By          string    `json:"by"` // as given: a person, a pipeline; see CheckBy
	Action      Action    `json:"action"`
	Tenant      string    `json:"tenant,omitempty"`      // "": of none in particular
	Destination string    `json:"destination,omitempty"` // "": of none in particular
	// Subject is what else it is about: a job's id.
	Subject string `json:"subject,omitempty"`
	// Revision is the one that it has made, where there is one.
	Revision uint64 `json:"revision,omitempty"`
	// Note says more in words: `saved without a test`, `resealed 12 of 12`.
	Note string `json:"note,omitempty"`
	// Before and After are the masked settings, JSON objects; absent where
	// there were, or are, none.
	Before json.RawMessage `json:"before,omitempty"`
	After  json.RawMessage `json:"after,omitempty"`
}

// MaxByBytes bounds a given identity.
const MaxByBytes = 128

// CheckBy judges a given identity: 1 to 128 bytes, none of them a control
// character.
func CheckBy(by string) error {
	switch {
	case strings.TrimSpace(by) == "":
		return errors.New("by: missing; say who does this")
	case len(by) > MaxByBytes:
		return fmt.Errorf("by: %d bytes; at most %d", len(by), MaxByBytes)
	case strings.ContainsFunc(by, unicode.IsControl), strings.ContainsRune(by, unicode.ReplacementChar):
		return errors.New("by: holds a control character")
	}
	return nil
}

// Log is where the trail is kept: queue.Log is one.
type Log interface {
	// Append stores a body under tenant and destination, "" for none. Of two
	// with one id shortly after each other one is kept.
	Append(ctx context.Context, tenant, destination, id string, body []byte) error
	// Read tells the bodies of a tenant and destination, "" for all, oldest
	// first, from a time on, until use returns an error.
	Read(ctx context.Context, tenant, destination string, since time.Time, use func(body []byte) error) error
}

// Trail writes and reads records.
type Trail struct{ log Log }

// New makes a trail.
func New(log Log) *Trail { return &Trail{log} }

// Append writes a record. id names the deed, so that a second try writes no
// second record: at most 256 bytes, no control characters.
func (t *Trail) Append(ctx context.Context, id string, r Record) error {
	if err := CheckBy(r.By); err != nil {
		return fmt.Errorf("audit: %w", err)
	}
	if r.At.IsZero() {
		r.At = time.Now()
	}
	r.At = r.At.UTC()
	body, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("audit: %w", err)
	}
	if err := t.log.Append(ctx, r.Tenant, r.Destination, id, body); err != nil {
		return fmt.Errorf("audit: %w", err)
	}
	return nil
}

// Query says which records are wanted.
type Query struct {
	Tenant      string    // "": of all
	Destination string    // "": of all
	Since       time.Time // zero: from the first
	Until       time.Time // zero: to the last
	By          string    // "": of all
	Actions     []Action  // none: all
}

func (q Query) wants(r *Record) bool {
	switch {
	case r.At.Before(q.Since), !q.Until.IsZero() && r.At.After(q.Until), q.By != "" && r.By != q.By:
		return false
	case len(q.Actions) == 0:
		return true
	}
	return slices.Contains(q.Actions, r.Action)
}

// Read calls use with each record that matches, oldest first. A record that
// can't be read is told as such: Action "" and a Note.
func (t *Trail) Read(ctx context.Context, q Query, use func(Record) error) error {
	return t.log.Read(ctx, q.Tenant, q.Destination, q.Since, func(body []byte) error {
		var r Record
		if err := json.Unmarshal(body, &r); err != nil {
			return use(Record{Note: "a record that this version can't read"})
		}
		if !q.wants(&r) {
			return nil
		}
		return use(r)
	})
}
