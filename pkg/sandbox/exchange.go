package sandbox

import (
	"errors"
	"net"
	"net/http"
	"strings"
	"time"

	"go.uber.org/zap"
)

// exchange is one request and its answer.
type exchange struct {
	s     *Server
	w     http.ResponseWriter
	r     *http.Request
	route *route
	req   Request
	fault *Fault // to be played, or nil
}

// ServeHTTP answers one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !s.enter() {
		http.Error(w, ErrClosed.Error(), http.StatusServiceUnavailable)
		return
	}
	defer s.inflight.Done()
	if r.URL.Path == "/" && r.Method == http.MethodGet {
		s.page(w)
		return
	}
	x := &exchange{s: s, w: w, r: r, route: s.routes[trimSlash(r.URL.Path)], req: Request{
		ID:         s.ledger.begin(),
		ReceivedAt: time.Now(),
		Method:     r.Method,
		Path:       r.URL.Path,
		Encoding:   r.Header.Get("Content-Encoding"),
		Header:     interesting(r.Header),
	}}
	switch {
	case x.route == nil && r.URL.Path != "/":
		x.reply(answer{status: http.StatusNotFound})
	case x.route == nil:
		x.reply(answer{status: http.StatusMethodNotAllowed, header: http.Header{"Allow": {http.MethodGet}}})
	case !x.route.allows(r.Method):
		x.reply(answer{status: http.StatusMethodNotAllowed, header: http.Header{"Allow": {x.route.methods}}})
	default:
		x.serve()
	}
}

func interesting(all http.Header) http.Header {
	h := http.Header{}
	for name, values := range all {
		switch {
		case name == "User-Agent", strings.HasPrefix(name, "Content-"), strings.HasPrefix(name, "Posthog-"):
			h[name] = values
		}
	}
	return h
}

// serve reads, judges, plays the fault that is due, stores and answers.
func (x *exchange) serve() {
	x.fault = x.s.faults.next(x.route.path, bearer(x.r))
	if x.fault.cutsBeforeReading() {
		x.log(0)
		cut(x.w)
		return
	}
	j := x.judge()
	if x.fault == nil && j.key != bearer(x.r) {
		x.fault = x.s.faults.next(x.route.path, j.key) // the key stood in the body
	}
	x.req.APIKey, x.req.Events = j.key, j.count

	ans := x.decide(&j)
	events := x.keeps(&j)
	if x.fault.takesFirst() {
		x.store(events, &ans)
		events = nil
	}
	if x.fault.waits() {
		x.log(ans.status)
		if !x.fault.wait(x.r.Context(), x.s.done) {
			cut(x.w)
			return
		}
	}
	x.store(events, &ans)
	if !x.fault.waits() {
		x.log(ans.status)
	}
	x.answer(ans)
}

// judge reads the body and judges the request as if there were no fault.
func (x *exchange) judge() judgement {
	wire, err := readWire(x.r, x.route.wire)
	x.req.WireBytes = int64(len(wire))
	if err != nil {
		x.req.WireBytes = max(0, x.r.ContentLength)
		return judgement{key: bearer(x.r), refused: x.refuseBody(err)}
	}
	return x.route.judge(x, wire)
}

// decide is the answer: the judgement's, or the fault's. A fault of verdicts
// changes the judgement first.
func (x *exchange) decide(j *judgement) answer {
	x.fault.reword(j)
	if x.fault.answers() {
		return x.fault.answer(x.route)
	}
	var ans answer
	if j.refused != nil {
		ans = j.refused.render(x.route)
	} else {
		ans = x.route.render(j)
	}
	x.fault.addHeader(&ans)
	return ans
}

// keeps is what of a batch is taken, and counts what is dropped. Where a batch
// is refused nothing is; where a fault answers, only what it says.
func (x *exchange) keeps(j *judgement) []Taken {
	if x.fault.loses() || x.fault.failsLegacy(x.route, j) {
		return nil
	}
	events := make([]Taken, 0, len(j.events))
	dropped := 0
	for i := range j.events {
		e := &j.events[i]
		if e.kept() || e.sound && x.fault.takesFirst() {
			events = append(events, e.event)
		} else if e.result == resultDrop {
			dropped++
		}
	}
	if dropped > 0 {
		x.s.ledger.drop(dropped)
	}
	return events
}

// store takes events; where they can't be recorded the client is told to come
// again.
func (x *exchange) store(events []Taken, ans *answer) {
	if len(events) == 0 {
		return
	}
	if err := x.s.ledger.take(events); err != nil {
		x.s.log.Error("sandbox can't record", zap.Error(err))
		r := refusal{http.StatusServiceUnavailable, "service_unavailable", "transient error, please retry"}
		*ans = r.render(x.route)
	}
}

func (x *exchange) answer(ans answer) {
	switch {
	case x.fault.cutsAfterReading():
		cut(x.w)
	case x.fault.cutsBody():
		ans.head(x.w)
		_, _ = x.w.Write(ans.body[:len(ans.body)/2])
		_ = http.NewResponseController(x.w).Flush()
		cut(x.w)
	default:
		ans.send(x.w)
	}
}

// reply answers what isn't served.
func (x *exchange) reply(ans answer) {
	x.log(ans.status)
	ans.send(x.w)
}

func (x *exchange) log(status int) {
	if x.fault.sendsNothing() {
		status = 0
	}
	x.req.Status = status
	if x.fault != nil {
		x.req.Fault = x.fault.String()
	}
	x.s.ledger.log(x.req)
	x.s.log.Debug("request",
		zap.Int("id", x.req.ID), zap.String("method", x.req.Method), zap.String("path", x.req.Path),
		zap.Int("status", x.req.Status), zap.String("fault", x.req.Fault), zap.Int("events", x.req.Events),
		zap.String("encoding", x.req.Encoding), zap.Int64("wire_bytes", x.req.WireBytes))
}

// cut resets the connection; what isn't flushed is lost. It panics where the
// connection can't be had (HTTP/2), so that net/http aborts the stream.
func cut(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // closing sends RST, not FIN
	}
	if err := conn.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
		panic(http.ErrAbortHandler)
	}
}
