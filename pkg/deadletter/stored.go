package deadletter

import (
	"cmp"
	"fmt"
	"time"

	"github.com/hogcast/hogcast/pkg/envelope"
	"github.com/hogcast/hogcast/pkg/queue"
)

// Key is what a letter's subject tells of it. A tenant or destination that could
// not be told is "".
type Key struct{ Tenant, Destination, Reason string }

// Stored is a letter in the stream.
type Stored struct {
	Sequence uint64
	Time     time.Time // of its burial
	Key
	Size     int // of the body as stored
	Envelope *envelope.Envelope
	// Foreign: this build can't read the envelope, which so tells nothing but
	// why, as its detail.
	Foreign bool
}

// Replayable reports whether the letter still holds the record, in a form that
// this build can read.
func (s *Stored) Replayable() bool { return !s.Foreign && s.Envelope.Replayable() }

// Problem is what is wrong, with the field where one is at fault.
func (s *Stored) Problem() string {
	if s.Envelope.Field != "" {
		return s.Envelope.Field + ": " + s.Envelope.Detail
	}
	return s.Envelope.Detail
}

// parse reads a letter. One whose envelope this build can't read is shown with
// what its subject tells, rather than hidden.
func parse(m queue.StoredMessage) (*Stored, error) {
	key, err := parseKey(m.Subject)
	if err != nil {
		return nil, fmt.Errorf("dead letter %d: %w", m.Sequence, err)
	}
	s := &Stored{Sequence: m.Sequence, Time: m.Time, Key: key, Size: m.Size}
	if s.Envelope, err = envelope.Parse(m.Header, m.Body); err != nil {
		s.Envelope, s.Foreign = &envelope.Envelope{Detail: err.Error(), Body: m.Body}, true
	}
	return s, nil
}

func parseKey(subject string) (Key, error) {
	tenant, destination, reason, ok := queue.ParseDeadSubject(subject)
	if !ok {
		return Key{}, fmt.Errorf("subject %q is none of ours", subject)
	}
	return Key{tenant, destination, reason}, nil
}

// Token is how a tenant or destination stands in subjects and for people: one
// that can't be told is queue.NoToken.
func Token(name string) string { return cmp.Or(name, queue.NoToken) }
