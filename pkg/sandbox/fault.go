package sandbox

import (
	"context"
	"fmt"
	"maps"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Fault is one way to misbehave, for one request. Faults are values: the
// methods that refine one return another. Unless a fault says Take, or is one
// of verdicts, the events of its request are not taken.
type Fault struct {
	kind   kind
	delay  time.Duration // before the answer; of a hang, how long (0: for ever)
	take   bool
	status int
	header map[string]string
	typ    string // of the body, which replaces the usual one where it is set
	body   string

	pick    pick
	result  string
	details string
}

type kind int

const (
	kindOK     kind = iota // normal service
	kindStatus             // the fault's own answer
	kindHang
	kindReset
	kindResetBody
	kindVerdict // v1's results are reworded
	kindSilent  // v1's results are left out
)

// pick chooses events of a batch; the zero value chooses all.
type pick struct {
	uuids []string
	every int // each n-th
	first int // the first n
}

func (p *pick) has(i int, uuid string) bool {
	switch {
	case len(p.uuids) > 0:
		return slices.ContainsFunc(p.uuids, func(u string) bool { return strings.EqualFold(u, uuid) })
	case p.every > 0:
		return (i+1)%p.every == 0
	case p.first > 0:
		return i < p.first
	}
	return true
}

// OK is normal service: a rest between two faults of a script.
func OK() Fault { return Fault{} }

// Latency is normal service after d. The events are taken after it; a client
// that leaves earlier leaves nothing behind, unless the fault says Take.
func Latency(d time.Duration) Fault { return Fault{delay: d} }

// Status answers with an error of the path's own form.
func Status(code int) Fault { return Fault{kind: kindStatus, status: code} }

// Body answers with any body, such as a proxy's page behind a 200.
func Body(code int, contentType, body string) Fault {
	return Fault{kind: kindStatus, status: code, typ: contentType, body: body}
}

// Redirect answers with a Location.
func Redirect(code int, location string) Fault { return Status(code).Header("Location", location) }

// Hang reads the request and never answers: until the client leaves or the
// server closes.
func Hang() Fault { return Fault{kind: kindHang} }

// HangFor hangs no longer than d, and then resets the connection.
func HangFor(d time.Duration) Fault { return Fault{kind: kindHang, delay: d} }

// Reset resets the connection before the body is read; with Take, after it.
func Reset() Fault { return Fault{kind: kindReset} }

// ResetBody sends half of the usual answer and resets the connection.
func ResetBody() Fault { return Fault{kind: kindResetBody} }

// Verdict rewords v1's results of the events with these uuids, without any: of
// all. The result may be a word that nobody knows. Events are taken where it is
// ok or warning. Legacy has no verdicts: a drop is silent there, a retry is 503
// for the batch, another word its status.
func Verdict(result, details string, uuids ...string) Fault {
	return Fault{kind: kindVerdict, result: result, details: details, pick: pick{uuids: uuids}}
}

// Drop is Verdict with drop and a detail.
func Drop(details string, uuids ...string) Fault { return Verdict(resultDrop, details, uuids...) }

// Retry is Verdict with retry and PostHog's detail.
func Retry(uuids ...string) Fault { return Verdict(resultRetry, "not_persisted", uuids...) }

// NoVerdict leaves v1's results of the events with these uuids out, without
// any: of all. The events aren't taken. On legacy the body is left out.
func NoVerdict(uuids ...string) Fault { return Fault{kind: kindSilent, pick: pick{uuids: uuids}} }

// Every restricts a fault of verdicts to each k-th event of the batch.
func (f Fault) Every(k int) Fault {
	f.pick = pick{every: k}
	return f
}

// First restricts a fault of verdicts to the first n events of the batch.
func (f Fault) First(n int) Fault {
	f.pick = pick{first: n}
	return f
}

// Take makes a failure ambiguous: the sound events are taken, at once, and the
// client doesn't learn it.
func (f Fault) Take() Fault {
	f.take = true
	return f
}

// After delays the answer.
func (f Fault) After(d time.Duration) Fault {
	f.delay = d
	return f
}

// Header adds a header to the answer.
func (f Fault) Header(name, value string) Fault {
	f.header = maps.Clone(f.header)
	if f.header == nil {
		f.header = map[string]string{}
	}
	f.header[http.CanonicalHeaderKey(name)] = value
	return f
}

// RetryAfter adds a Retry-After, in whole seconds, rounded up.
func (f Fault) RetryAfter(d time.Duration) Fault {
	return f.Header("Retry-After", strconv.Itoa(int(math.Ceil(d.Seconds()))))
}

// Times is the fault n times over, for Script.
func (f Fault) Times(n int) []Fault { return slices.Repeat([]Fault{f}, n) }

// The methods below are fine with nil: normal service.

func (f *Fault) is(kinds ...kind) bool { return f != nil && slices.Contains(kinds, f.kind) }

func (f *Fault) cutsBeforeReading() bool { return f.is(kindReset) && !f.take }
func (f *Fault) cutsAfterReading() bool  { return f.is(kindReset) }
func (f *Fault) cutsBody() bool          { return f.is(kindResetBody) }
func (f *Fault) answers() bool           { return f.is(kindStatus) }
func (f *Fault) sendsNothing() bool      { return f.is(kindReset, kindHang) }
func (f *Fault) takesFirst() bool        { return f != nil && f.take }
func (f *Fault) waits() bool             { return f != nil && (f.kind == kindHang || f.delay > 0) }

// loses tells whether the batch is lost as a whole.
func (f *Fault) loses() bool {
	return f.is(kindStatus, kindHang, kindReset, kindResetBody) && !f.take
}

// failsLegacy tells whether a verdict that legacy hasn't fails the batch.
func (f *Fault) failsLegacy(rt *route, j *judgement) bool {
	if rt.v1 || !f.is(kindVerdict) || f.take {
		return false
	}
	return slices.ContainsFunc(j.events, func(e judged) bool { return e.result == resultRetry })
}

// wait waits the fault's time. False: the connection is to be cut, because the
// hang is over, the client left or the server closes.
func (f *Fault) wait(ctx context.Context, closed <-chan struct{}) bool {
	var over <-chan time.Time
	if f.delay > 0 {
		timer := time.NewTimer(f.delay)
		defer timer.Stop()
		over = timer.C
	}
	select {
	case <-over:
		return f.kind != kindHang
	case <-ctx.Done():
		return false
	case <-closed:
		return false
	}
}

// reword changes the verdicts of sound events.
func (f *Fault) reword(j *judgement) {
	if !f.is(kindVerdict, kindSilent) {
		return
	}
	for i := range j.events {
		e := &j.events[i]
		if !e.sound || !f.pick.has(i, e.event.UUID) {
			continue
		}
		if f.kind == kindSilent {
			e.silent = true
			continue
		}
		e.result, e.details = f.result, f.details
	}
}

// answer is the fault's own, where it has one.
func (f *Fault) answer(rt *route) answer {
	a := answer{status: f.status, typ: f.typ, body: []byte(f.body)}
	if f.typ == "" && f.status >= 400 {
		text := http.StatusText(f.status)
		r := refusal{f.status, strings.ReplaceAll(strings.ToLower(text), " ", "_"), text}
		a = r.render(rt)
	}
	f.addHeader(&a)
	return a
}

func (f *Fault) addHeader(a *answer) {
	if f == nil || len(f.header) == 0 {
		return
	}
	h := http.Header{}
	maps.Copy(h, a.header)
	for name, value := range f.header {
		h[name] = []string{value}
	}
	a.header = h
}

// String is the fault in the words of ParseFault, as far as it has them.
func (f Fault) String() string {
	var b strings.Builder
	b.WriteString(f.word())
	for _, name := range slices.Sorted(maps.Keys(f.header)) {
		if name != "Location" {
			fmt.Fprintf(&b, " %s=%s", strings.ToLower(name), f.header[name])
		}
	}
	if f.delay > 0 && f.kind != kindHang && b.String() != "latency="+f.delay.String() {
		fmt.Fprintf(&b, " latency=%s", f.delay)
	}
	if f.take {
		b.WriteString(" take")
	}
	if f.typ != "" {
		fmt.Fprintf(&b, " type=%s body=%s", f.typ, f.body)
	}
	if location := f.header["Location"]; location != "" {
		b.WriteString(" location=" + location)
	}
	return b.String()
}

func (f *Fault) word() string {
	switch f.kind {
	case kindStatus:
		return strconv.Itoa(f.status)
	case kindHang:
		if f.delay > 0 {
			return "hang=" + f.delay.String()
		}
		return "hang"
	case kindReset:
		return "reset"
	case kindResetBody:
		return "reset-body"
	case kindVerdict:
		return "verdict=" + f.result + option(" details=", f.details) + f.pick.String()
	case kindSilent:
		return "no-verdict" + f.pick.String()
	default:
		if f.delay > 0 && len(f.header) == 0 {
			return "latency=" + f.delay.String()
		}
		return "ok"
	}
}

func option(name, value string) string {
	if value == "" {
		return ""
	}
	return name + value
}

func (p *pick) String() string {
	switch {
	case len(p.uuids) > 0:
		return " uuid=" + strings.Join(p.uuids, "+")
	case p.every > 0:
		return " every=" + strconv.Itoa(p.every)
	case p.first > 0:
		return " first=" + strconv.Itoa(p.first)
	}
	return ""
}
