package queue

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"sync"
	"sync/atomic"

	"github.com/nats-io/nats.go"
)

// refusals ends publishes that the server has refused for want of permission:
// it sends no reply to them, only the connection's error handler is told. It
// holds one entry a publish in flight.
type refusals struct {
	mu      sync.Mutex
	waiting map[string]map[*refusal]struct{} // by subject
}

type refusal struct{ end context.CancelCauseFunc }

// watch makes a context that ends, with ErrPermission as its cause, when a
// publish to the subject is refused, or to one that begins with it where it ends
// in a dot. Call stop when the publish is done.
func (r *refusals) watch(ctx context.Context, subject string) (watched context.Context, stop func()) {
	watched, end := context.WithCancelCause(ctx)
	w := &refusal{end}
	r.mu.Lock()
	if r.waiting == nil {
		r.waiting = make(map[string]map[*refusal]struct{})
	}
	if r.waiting[subject] == nil {
		r.waiting[subject] = make(map[*refusal]struct{})
	}
	r.waiting[subject][w] = struct{}{}
	r.mu.Unlock()
	return watched, func() {
		end(nil)
		r.mu.Lock()
		defer r.mu.Unlock()
		delete(r.waiting[subject], w)
		if len(r.waiting[subject]) == 0 {
			delete(r.waiting, subject)
		}
	}
}

func (r *refusals) fail(subject string, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	err = fmt.Errorf("%w: %w", ErrPermission, err)
	for w := range r.waiting[subject] {
		w.end(err)
	}
	for i := range subject {
		if subject[i] != '.' {
			continue
		}
		for w := range r.waiting[subject[:i+1]] {
			w.end(err)
		}
	}
}

// checkInbox finds out whether answers can be heard: without, every question
// would wait for its deadline. A server that goes away meanwhile says nothing.
func (c *Conn) checkInbox(ctx context.Context) error {
	inbox := c.NATS.NewInbox() + ".*" // as nats.go subscribes for answers
	sub, err := c.NATS.SubscribeSync(inbox)
	if err != nil {
		return nil //nolint:nilerr // the connection is gone again
	}
	defer func() { _ = sub.Unsubscribe() }() // goes with the connection
	ctx, cancel := context.WithTimeout(ctx, apiTimeout)
	defer cancel()
	// The refusal comes before the answer to the ping.
	if c.NATS.FlushWithContext(ctx) != nil || !errors.Is(c.NATS.LastError(), nats.ErrPermissionViolation) {
		return nil
	}
	return fmt.Errorf("%w: answers would come to %s, which this user may not subscribe to; "+
		"give the prefix that it may with --nats-inbox-prefix", ErrPermission, inbox)
}

// Explain adds to an error what the server has refused: that a question was is
// told to the connection alone, and the question waited in vain.
func (c *Conn) Explain(err error) error {
	refused := c.refused.Load()
	if err == nil || refused == nil || errors.Is(err, ErrPermission) {
		return err
	}
	return fmt.Errorf("%w; %w: %s", err, ErrPermission, *refused)
}

var publishRefusal = regexp.MustCompile(`(?i)permissions violation for publish to "([^"]+)"`)

// refusedPublish is the subject of a publish that was refused, or "".
func refusedPublish(err error) string {
	if !errors.Is(err, nats.ErrPermissionViolation) {
		return ""
	}
	if m := publishRefusal.FindStringSubmatch(err.Error()); m != nil {
		return m[1]
	}
	return ""
}

// maxCauses bounds what causes remembers; later ones are counted alone.
const maxCauses = 64

// causes tells the first of each kind of error from its repetitions.
type causes struct {
	total atomic.Int64
	mu    sync.Mutex
	seen  map[string]struct{}
}

func (c *causes) first(cause string) bool {
	c.total.Add(1)
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, known := c.seen[cause]; known || len(c.seen) >= maxCauses {
		return false
	}
	if c.seen == nil {
		c.seen = make(map[string]struct{})
	}
	c.seen[cause] = struct{}{}
	return true
}
