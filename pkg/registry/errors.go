package registry

import (
	"errors"
	"fmt"
	"time"

	"github.com/hogcast/hogcast/pkg/destination"
)

// Errors that callers tell apart.
var (
	// ErrNotFound: there is no such destination.
	ErrNotFound = errors.New("no such destination")
	// ErrConflict: somebody else has changed it since it was read; see Conflict.
	ErrConflict = errors.New("changed meanwhile")
	// ErrInvalid: the destination would be refused by workers.
	ErrInvalid = errors.New("not saved")
	// ErrPlain: there is no master key, and secrets may not be stored in plain.
	ErrPlain = errors.New("no master key to encrypt secrets with")
	// ErrSecretUnreadable: a secret of a stored entry can't be decrypted with the
	// keys that there are.
	ErrSecretUnreadable = errors.New("secret unreadable")
	// ErrNotAudited: it was done, and the audit trail could not be told.
	ErrNotAudited = errors.New("done, but not in the audit trail")
)

// Conflict says who has changed an entry since it was read. It is an
// ErrConflict.
type Conflict struct {
	ID       destination.ID
	Expected uint64 // 0: that there is none
	Revision uint64 // that it has; 0 where it is deleted
	Deleted  bool
	By       string // "" where that is not known
	At       time.Time
}

// Error implements error.
func (c *Conflict) Error() string {
	by := c.By
	if by == "" {
		by = "somebody"
	}
	at := ""
	if !c.At.IsZero() {
		at = " at " + c.At.UTC().Format(time.RFC3339)
	}
	switch {
	case c.Deleted:
		return fmt.Sprintf("%s: deleted by %s%s since revision %d was read", c.ID, by, at, c.Expected)
	case c.Expected == 0:
		return fmt.Sprintf("%s: there is one already, revision %d, written by %s%s", c.ID, c.Revision, by, at)
	}
	return fmt.Sprintf("%s: changed by %s%s: it is at revision %d now, you have read %d; read it again", c.ID, by, at, c.Revision, c.Expected)
}

// Unwrap makes it an ErrConflict.
func (*Conflict) Unwrap() error { return ErrConflict }
