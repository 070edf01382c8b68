package held

import (
	"github.com/hogcast/hogcast/pkg/destination"
	"github.com/hogcast/hogcast/pkg/outcome"
)

// Unreadable is why branches wait for a destination of which something can't be
// read: its secret alone, or its entry.
func Unreadable(to *destination.Destination) outcome.HoldReason {
	if to.EntryUnreadable {
		return outcome.EntryUnreadable
	}
	return outcome.SecretUnreadable
}
