package deadletter

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hogcast/hogcast/pkg/envelope"
	"github.com/hogcast/hogcast/pkg/outcome"
	"github.com/hogcast/hogcast/pkg/queue"
)

// Filter chooses letters; empty fields choose all. Tenant, destination, reason
// and since are chosen by the server, which sends nothing else.
type Filter struct {
	Tenant      string
	Destination string
	Reason      string
	RecordID    string
	Text        string // a part of the detail, whatever its case
	Since       time.Time
	Until       time.Time
}

// Validate reports a reason that is none, or a name that would be a wildcard.
func (f Filter) Validate() error {
	for key, s := range map[string]string{"tenant": f.Tenant, "destination": f.Destination} {
		if strings.ContainsAny(s, ".*> \t") {
			return fmt.Errorf("%s: %q is no name", key, s)
		}
	}
	if f.Reason != "" && !slices.Contains(outcome.DeadReasons(), outcome.DeadReason(f.Reason)) {
		return fmt.Errorf("reason: %q is none of %v", f.Reason, outcome.DeadReasons())
	}
	return nil
}

func (f Filter) subject() string { return queue.DeadFilter(f.Tenant, f.Destination, f.Reason) }

// subjectOnly reports whether the subject alone decides.
func (f Filter) subjectOnly() bool {
	return f.RecordID == "" && f.Text == "" && f.Since.IsZero() && f.Until.IsZero()
}

func (f Filter) matches(s *Stored) bool {
	return (f.RecordID == "" || s.Envelope.RecordID == f.RecordID) &&
		(f.Text == "" || strings.Contains(strings.ToLower(s.Envelope.Detail), strings.ToLower(f.Text))) &&
		(f.Until.IsZero() || s.Time.Before(f.Until))
}

// Stored is a letter in the stream. A tenant or destination that could not be
// told is "".
type Stored struct {
	Sequence    uint64
	Time        time.Time
	Tenant      string
	Destination string
	Reason      string
	Size        int // of the body as stored
	Envelope    *envelope.Envelope
}

// Cause is the fingerprint of why: letters of one cause are mended together.
func (s *Stored) Cause() string {
	cause := s.Reason
	if s.Envelope.Field != "" {
		cause += " " + s.Envelope.Field
	}
	if s.Envelope.Status != 0 {
		cause += fmt.Sprintf(" %d", s.Envelope.Status)
	}
	if detail := generalise(s.Envelope.Detail); detail != "" {
		cause += ": " + detail
	}
	return cause
}

// generalise takes numbers and quoted words out of a text, which tell letters
// of one cause apart.
func generalise(s string) string {
	var b strings.Builder
	inQuotes, inNumber := false, false
	for _, r := range s {
		digit := r >= '0' && r <= '9'
		switch {
		case r == '"':
			if inQuotes = !inQuotes; inQuotes {
				b.WriteString(`"…"`)
			}
		case inQuotes:
		case digit && !inNumber:
			b.WriteByte('N')
		case !digit:
			b.WriteRune(r)
		}
		inNumber = digit
	}
	const longest = 120
	if text := b.String(); len([]rune(text)) > longest {
		return string([]rune(text)[:longest]) + "…"
	}
	return b.String()
}

// Reader reads the letters that a connection sees.
type Reader struct{ conn *queue.Conn }

// NewReader makes a reader.
func NewReader(conn *queue.Conn) *Reader { return &Reader{conn} }

// Each calls use with each letter that matches, oldest first. Without bodies
// their envelopes hold headers alone. use may return queue.ErrStop.
func (r *Reader) Each(ctx context.Context, f Filter, bodies bool, use func(*Stored) error) error {
	return r.conn.Read(ctx, queue.ReadParams{
		Stream: queue.StreamDead, Subject: f.subject(), Since: f.Since, HeadersOnly: !bodies,
	}, func(m queue.StoredMessage) error {
		s, err := parse(m)
		if err != nil {
			return err
		}
		if !f.matches(s) {
			return nil
		}
		return use(s)
	})
}

// Get reads one letter, with its body.
func (r *Reader) Get(ctx context.Context, sequence uint64) (*Stored, error) {
	m, err := r.conn.Get(ctx, queue.StreamDead, sequence)
	if err != nil {
		return nil, err
	}
	return parse(m)
}

// Drop deletes a letter for good.
func (r *Reader) Drop(ctx context.Context, sequence uint64) error {
	return r.conn.Delete(ctx, queue.StreamDead, sequence)
}

// Counts counts letters by tenant, destination and reason, without reading
// one. The filter must be by these alone.
func (r *Reader) Counts(ctx context.Context, f Filter) (map[Key]uint64, error) {
	if !f.subjectOnly() {
		return nil, fmt.Errorf("counting dead letters: only tenant, destination and reason are counted without reading")
	}
	bySubject, err := r.conn.CountBySubject(ctx, queue.StreamDead, f.subject())
	if err != nil {
		return nil, err
	}
	counts := make(map[Key]uint64, len(bySubject))
	for subject, n := range bySubject {
		if tenant, destination, reason, ok := queue.ParseDeadSubject(subject); ok {
			counts[Key{tenant, destination, reason}] += n
		}
	}
	return counts, nil
}

// Key is what a letter's subject tells of it.
type Key struct{ Tenant, Destination, Reason string }

// parse reads a letter. One whose envelope this build can't read is shown with
// what its subject tells, rather than hidden.
func parse(m queue.StoredMessage) (*Stored, error) {
	tenant, destination, reason, ok := queue.ParseDeadSubject(m.Subject)
	if !ok {
		return nil, fmt.Errorf("dead letter %d: subject %q is none of ours", m.Sequence, m.Subject)
	}
	e, err := envelope.Parse(m.Header, m.Body)
	if err != nil {
		e = &envelope.Envelope{Detail: err.Error(), Body: m.Body}
	}
	return &Stored{
		Sequence: m.Sequence, Time: m.Time, Tenant: tenant, Destination: destination, Reason: reason,
		Size: m.Size, Envelope: e,
	}, nil
}
