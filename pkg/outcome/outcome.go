// Package outcome holds the closed vocabulary of what can become of a record
// and what an answer of PostHog means. The same word is metric label, header,
// log field and CLI column. Layer 0: facts and pure tables; it imports nothing
// of ours.
package outcome

import "time"

// End is how a branch (one record for one destination) ended.
type End string

// The ends. Every branch reaches exactly one.
const (
	Delivered    End = "delivered"
	Held         End = "held"
	DeadLettered End = "dead_lettered"
	Filtered     End = "filtered"
	SampledOut   End = "sampled_out"
)

// Ends lists every End, so that each series exists at 0 from the start.
func Ends() []End { return []End{Delivered, Held, DeadLettered, Filtered, SampledOut} }

// DeadReason is why a branch was dead-lettered: the last token of its subject.
type DeadReason string

// The reasons of dead letters, a closed list.
const (
	Malformed          DeadReason = "malformed"
	NoDestination      DeadReason = "no_destination"
	DestinationDeleted DeadReason = "destination_deleted"
	Dropped            DeadReason = "dropped"
	TooLarge           DeadReason = "too_large"
	TooLargeToKeep     DeadReason = "too_large_to_keep"
	Poison             DeadReason = "poison"
	CrashesWorker      DeadReason = "crashes_worker"
	Expired            DeadReason = "expired"
	HeldFull           DeadReason = "held_full"
)

// DeadReasons lists every DeadReason.
func DeadReasons() []DeadReason {
	return []DeadReason{
		Malformed, NoDestination, DestinationDeleted, Dropped, TooLarge, TooLargeToKeep,
		Poison, CrashesWorker, Expired, HeldFull,
	}
}

// FilterReason is why a branch was filtered.
type FilterReason string

// The reasons for filtering, a closed list.
const (
	Disabled          FilterReason = "disabled"             // enabled: false
	APIKeyExcluded    FilterReason = "api_key_excluded"     // by api_keys.exclude
	APIKeyNotIncluded FilterReason = "api_key_not_included" // not in api_keys.include
	APIKeyUnreadable  FilterReason = "api_key_unreadable"   // filters fail closed
)

// FilterReasons lists every FilterReason.
func FilterReasons() []FilterReason {
	return []FilterReason{Disabled, APIKeyExcluded, APIKeyNotIncluded, APIKeyUnreadable}
}

// HoldReason is why a branch is held, or why a destination is not healthy: the
// Cause of a failure, or one of those below.
type HoldReason string

// The reasons that are no causes of attempts.
const (
	OwnerPaused      HoldReason = "paused"            // paused: true
	OwnerDisabled    HoldReason = "disabled"          // enabled: false, with held work
	Missing          HoldReason = "missing"           // no such destination (any more)
	Guarded          HoldReason = "guard"             // the poison guard
	SecretUnreadable HoldReason = "secret_unreadable" // its key can't be decrypted
	EntryUnreadable  HoldReason = "entry_unreadable"  // its entry can't be read
	Replayed         HoldReason = "replay"            // a dead letter on its way back
)

// HoldReasons lists every HoldReason.
func HoldReasons() []HoldReason {
	reasons := []HoldReason{OwnerPaused, OwnerDisabled, Missing, Guarded, SecretUnreadable, EntryUnreadable, Replayed}
	for _, c := range Causes() {
		switch c {
		case OK, Warning, DroppedByServer, EventTooLarge, BadRequest, PayloadTooLarge:
		default:
			reasons = append(reasons, HoldReason(c))
		}
	}
	return reasons
}

// Action is what an answer asks of the sender.
type Action string

// The actions.
const (
	Accept       Action = "accept"        // PostHog said yes to this very event
	Retry        Action = "retry"         // try again soon, same uuid; then hold
	Hold         Action = "hold"          // the destination can't take it now; hold it
	Split        Action = "split"         // one of the batch is bad, or it is too large
	NextEncoding Action = "next_encoding" // the encoding is not taken: the next, then hold
	NextPath     Action = "next_path"     // the path is not served: the other, then hold
	Bury         Action = "bury"          // never: dead letter
)

// Verdict is the judgement of one event after one attempt.
type Verdict struct {
	Action Action
	Cause  Cause
	// Status is the HTTP status, 0 where there was no answer.
	Status int
	// Detail is PostHog's own word for it, bounded and scrubbed; or "".
	Detail string
	// RetryAfter is the least wait before the next try, as the answer asked;
	// 0 where it did not.
	RetryAfter time.Duration
}
