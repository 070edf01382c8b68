package ingest

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// JetStream's error codes.
const (
	codeAccountExceeded      jetstream.ErrorCode = 10002
	codeInsufficientResource jetstream.ErrorCode = 10023
	codeMemoryExceeded       jetstream.ErrorCode = 10028
	codeStorageExceeded      jetstream.ErrorCode = 10047
	codeMessageTooLarge      jetstream.ErrorCode = 10054
	codeStoreFailed          jetstream.ErrorCode = 10077
	codeIDInProcess          jetstream.ErrorCode = 10158
	codeTooManyRequests      jetstream.ErrorCode = 10167
)

// judge tells what an attempt's failure means: the flight's error where it is
// final, nil where another attempt is to be made.
func (p *Publisher) judge(f *flight, err error) error {
	if p.silent(f, err) {
		return fmt.Errorf("publishing to %s: %w: %w", f.subject, ErrNotSetUp, err)
	}
	var api *jetstream.APIError
	switch {
	case errors.Is(err, ErrPermission):
		return err
	case errors.As(err, &api):
		return judgeAPI(f, api)
	case errors.Is(err, jetstream.ErrAsyncPublishTimeout):
		return p.refused(f)
	case errors.Is(err, nats.ErrConnectionClosed), errors.Is(err, nats.ErrConnectionDraining),
		errors.Is(err, jetstream.ErrInvalidJSAck):
		return p.unfinished(f, err)
	case errors.Is(err, nats.ErrMaxPayload):
		return p.tooLarge(f.size())
	case errors.Is(err, nats.ErrHeadersNotSupported):
		return fmt.Errorf("publishing to %s: %w", f.subject, err)
	}
	return nil
}

// silent reports whether for AckTimeout no stream has answered. Less may be a
// restart, or the election of a leader.
func (p *Publisher) silent(f *flight, err error) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !errors.Is(err, jetstream.ErrNoStreamResponse) {
		f.since = time.Time{}
		return false
	}
	if f.since.IsZero() {
		f.since = f.began
	}
	return time.Since(f.since) >= p.options.AckTimeout
}

func judgeAPI(f *flight, api *jetstream.APIError) error {
	what := errors.New("refused")
	switch api.ErrorCode {
	case codeStoreFailed:
		// One code for all that can befall a store; that a limit is reached is
		// told only by the server's words: "maximum messages exceeded",
		// "maximum bytes exceeded", "maximum messages per subject exceeded".
		if !strings.HasPrefix(api.Description, "maximum ") {
			return nil
		}
		what = ErrQueueFull
	case codeAccountExceeded, codeInsufficientResource, codeMemoryExceeded, codeStorageExceeded, codeTooManyRequests:
		what = ErrQueueFull
	case codeIDInProcess:
		// An attempt with this id is being stored: ask again what became of it.
		return nil
	case codeMessageTooLarge:
		what = ErrTooLarge
	default:
		if api.Code >= 500 {
			return nil
		}
	}
	return fmt.Errorf("publishing to %s: %w: %s (%d)", f.subject, what, api.Description, api.ErrorCode)
}

// refused finds out whether an attempt without answer was refused for want of
// permission, where the Publisher's ears were put out by another error handler:
// then the connection's last error is all there is to see. One that stood there
// before the attempt says nothing.
func (p *Publisher) refused(f *flight) error {
	now := p.refusal()
	p.mu.Lock()
	before := f.refusal
	p.mu.Unlock()
	if now == nil || errors.Is(now, before) || !strings.Contains(strings.ToLower(now.Error()), publishTo(f.subject)) {
		return nil
	}
	return fmt.Errorf("publishing to %s: %w: %w", f.subject, ErrPermission, now)
}

// publishTo is how the server names a refused publish, in lower case.
func publishTo(subject string) string {
	return `publish to "` + strings.ToLower(subject) + `"`
}

// refusal is the connection's last error where that is one of permissions.
func (p *Publisher) refusal() error {
	if err := p.options.Conn.LastError(); errors.Is(err, nats.ErrPermissionViolation) {
		return err
	}
	return nil
}
