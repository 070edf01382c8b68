package ingest

import (
	"errors"
	"fmt"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"weak"

	"github.com/nats-io/nats.go"
)

// A publish that the server refuses for want of permission gets no reply: only
// the connection's error handler is told, of which there is one. So the first
// Publisher of a connection puts its ears before the handler that is there,
// which hears all the same; those that follow share them.
type ears struct {
	mu         sync.Mutex
	publishers map[*Publisher]struct{}
}

// everyEars holds one entry a connection that had a Publisher, until the
// connection is gone; it keeps none.
var everyEars = struct {
	mu sync.Mutex
	of map[weak.Pointer[nats.Conn]]*ears
}{of: make(map[weak.Pointer[nats.Conn]]*ears)}

// listen has the Publisher told of refusals until deafen.
func (p *Publisher) listen() {
	conn := p.options.Conn
	everyEars.mu.Lock()
	defer everyEars.mu.Unlock()
	key := weak.Make(conn)
	e := everyEars.of[key]
	if e == nil {
		e = &ears{publishers: make(map[*Publisher]struct{})}
		everyEars.of[key] = e
		e.before(conn)
		runtime.AddCleanup(conn, func(key weak.Pointer[nats.Conn]) {
			everyEars.mu.Lock()
			defer everyEars.mu.Unlock()
			delete(everyEars.of, key)
		}, key)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.publishers[p] = struct{}{}
	p.ears = e
}

func (p *Publisher) deafen() {
	p.ears.mu.Lock()
	defer p.ears.mu.Unlock()
	delete(p.ears.publishers, p)
}

// before hears first, and passes everything on.
func (e *ears) before(conn *nats.Conn) {
	next := conn.ErrorHandler()
	conn.SetErrorHandler(func(nc *nats.Conn, sub *nats.Subscription, err error) {
		e.hear(err)
		if next != nil {
			next(nc, sub, err)
		}
	})
}

func (e *ears) hear(err error) {
	if !errors.Is(err, nats.ErrPermissionViolation) {
		return
	}
	m := violation.FindStringSubmatch(err.Error())
	if m == nil {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	for p := range e.publishers {
		if strings.EqualFold(m[1], "publish") {
			p.refuse(m[2], err)
		} else {
			p.refuseReplies(m[2], err)
		}
	}
}

var violation = regexp.MustCompile(`(?i)permissions violation for (publish|subscription) to "([^"]+)"`)

// refuse ends the flights to a subject that wait for an answer: none will come.
// Their room is given back when nats.go forgets their attempts.
func (p *Publisher) refuse(subject string, err error) {
	why := fmt.Errorf("publishing to %s: %w: %w", subject, ErrPermission, err)
	p.mu.Lock()
	var ended []*flight
	for _, f := range p.attempts {
		if f.subject == subject && !f.told && !f.settled {
			f.told = true
			ended = append(ended, f)
		}
	}
	p.mu.Unlock()
	for _, f := range ended {
		p.tell(event{flight: f, refused: why})
	}
}

// refuseReplies ends all flights where the connection may not hear answers.
func (p *Publisher) refuseReplies(subject string, err error) {
	if !strings.HasPrefix(subject, p.inbox()) || !strings.HasSuffix(subject, ".*") {
		return // another subscription of the caller's
	}
	why := fmt.Errorf("publishing a record: %w: %w: acknowledgements come to %s…, which this user may not subscribe to; "+
		"connect with the inbox prefix that it may, by nats.CustomInboxPrefix or --nats-inbox-prefix", ErrPermission, err, p.inbox())
	p.mu.Lock()
	p.mute, p.muteSince = why, p.options.Conn.Stats().Reconnects
	var ended []*flight
	for _, f := range p.attempts {
		if !f.told && !f.settled {
			f.told = true
			ended = append(ended, f)
		}
	}
	p.mu.Unlock()
	for _, f := range ended {
		p.tell(event{flight: f, refused: why})
	}
}

// inbox is before every subject that answers come to.
func (p *Publisher) inbox() string {
	if prefix := p.options.Conn.Opts.InboxPrefix; prefix != "" {
		return prefix + "."
	}
	return nats.InboxPrefix
}

// muted is why no answer can be heard, until the connection is made anew.
func (p *Publisher) muted() error {
	reconnects := p.options.Conn.Stats().Reconnects
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.mute != nil && p.muteSince == reconnects {
		return p.mute
	}
	return nil
}
