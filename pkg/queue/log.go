package queue

import (
	"context"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// Limits of the audit trail: a year, 10,000 records a destination, and where
// nobody has said how much may be stored 256 MiB, some 250,000 records.
const (
	auditQuota    = 10_000
	auditMaxAge   = 365 * 24 * time.Hour
	auditMaxBytes = 256 << 20
)

// auditStream forgets the oldest first, each destination's for itself: what
// people do must never fail for want of room to note it.
func auditStream(s jetstream.StreamConfig) jetstream.StreamConfig {
	s.Retention, s.Discard, s.DiscardNewPerSubject = jetstream.LimitsPolicy, jetstream.DiscardOld, false
	s.MaxAge = auditMaxAge
	if s.MaxBytes <= 0 {
		s.MaxBytes = auditMaxBytes
	}
	return s
}

// Log is the audit trail's stream; audit.Trail gives it its form.
type Log struct{ conn *Conn }

// Log is the connection's audit trail.
func (c *Conn) Log() *Log { return &Log{c} }

// logTimeout bounds a write: whoever waits for it has done what it tells of.
const logTimeout = 10 * time.Second

// AuditSubject is where the trail of a destination is; of none in particular, "".
func AuditSubject(tenant, destination string) string {
	return prefixAudit + token(tenant) + "." + token(destination)
}

// Append implements audit.Log.
func (l *Log) Append(ctx context.Context, tenant, destination, id string, body []byte) error {
	ctx, cancel := context.WithTimeout(ctx, logTimeout)
	defer cancel()
	return l.conn.Publish(ctx, Message{Subject: AuditSubject(tenant, destination), ID: id, Body: body})
}

// Read implements audit.Log.
func (l *Log) Read(ctx context.Context, tenant, destination string, since time.Time, use func(body []byte) error) error {
	filter := prefixAudit + wildcard(tenant) + "." + wildcard(destination)
	err := l.conn.Read(ctx, ReadParams{Stream: StreamAudit, Subject: filter, Since: since},
		func(m StoredMessage) error { return use(m.Body) })
	if err != nil {
		return fmt.Errorf("reading the audit trail: %w", err)
	}
	return nil
}
