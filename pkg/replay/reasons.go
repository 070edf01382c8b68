package replay

// Reason is why a letter is not replayed and stays.
type Reason string

// The reasons, a closed list.
const (
	NotKept            Reason = "not_kept"
	Foreign            Reason = "foreign_envelope"
	DestinationsNeeded Reason = "destinations_needed"
	NoTenant           Reason = "no_tenant"
	Unreadable         Reason = "unreadable"
	NoDestination      Reason = "no_destination"
	NotWanted          Reason = "not_wanted"
	TooLarge           Reason = "too_large"
)

// Reasons lists every Reason, in the order in which they are told.
func Reasons() []Reason {
	return []Reason{NotKept, Foreign, DestinationsNeeded, NoTenant, Unreadable, NoDestination, NotWanted, TooLarge}
}

// Hint says what a reason means and what can be done.
func (r Reason) Hint() string {
	switch r {
	case NotKept:
		return "nothing but size and SHA-256 is kept: too large, or it could not be made private"
	case Foreign:
		return "written by another version of hogcast; replay with that one"
	case DestinationsNeeded:
		return "letters for no destination are routed anew: give --destinations"
	case NoTenant:
		return "published on a subject that names no tenant; it has nowhere to go"
	case Unreadable:
		return "the record still can't be read; hogcast dead show tells why"
	case NoDestination:
		return "there is no such destination: add it to the destinations, or replay with --to"
	case NotWanted:
		return "no destination wants the record: disabled, filtered or sampled out"
	case TooLarge:
		return "too large for a message, even compressed"
	}
	return ""
}
