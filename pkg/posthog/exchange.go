package posthog

import (
	"bytes"
	"context"
	"io"
	"maps"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/hogcast/hogcast/pkg/destination"
	"github.com/hogcast/hogcast/pkg/event"
	"github.com/hogcast/hogcast/pkg/outcome"
)

// exchange is one batch on its way to one destination: what the SDK's round
// trip writes, and what was learned from the answer and the SDK's callbacks.
// Exchanges are pooled with their scratch space.
type exchange struct {
	s    *Sender
	ctx  context.Context // of the Send; the SDK's round trips know another
	dest *destination.Destination
	gate chan struct{} // to go through, or nil

	events []*event.Event // those worth sending
	place  []int          // of each in the batch
	index  map[string]int // uuid to position in events

	// Of the present path.
	path     path
	mu       sync.Mutex // callbacks come from the SDK's goroutines
	asked    bool       // the SDK made its request
	notes    []note     // by position in events
	answer   answer
	verdicts []outcome.Verdict // v1, by position in events
	finished bool              // the SDK is through with it
	rawBytes int               // of the body as rendered last

	rendering sync.Mutex // held while the events are read
	abandoned bool       // they must not be any more

	sdkBody bytes.Buffer
	body    bytes.Buffer // of the answer
	source  bytes.Buffer // what the decoder reads
	decoder *jsontext.Decoder
}

// note is what was learned of one event.
type note struct {
	confirmed bool
	judged    bool  // our reading of the answer found it
	unsent    error // refused before the request
}

func newExchange(s *Sender) *exchange {
	return &exchange{s: s, index: make(map[string]int, MaxBatchEvents), decoder: jsontext.NewDecoder(&bytes.Buffer{})}
}

func (x *exchange) begin(ctx context.Context, dest *destination.Destination) {
	x.ctx, x.dest, x.finished = ctx, dest, true
	x.gate, _ = ctx.Value(gateKey{}).(chan struct{})
}

// end lets go of everything but scratch space.
func (x *exchange) end() {
	x.ctx, x.dest, x.gate, x.answer = nil, nil, nil, answer{}
	clear(x.events)
	clear(x.notes)
	clear(x.verdicts)
	clear(x.index)
	x.events, x.place = x.events[:0], x.place[:0]
}

// abandon keeps an SDK that did not come back in time from reading the events,
// whose memory may soon be another's.
func (x *exchange) abandon() {
	x.rendering.Lock()
	defer x.rendering.Unlock()
	x.abandoned = true
}

// aim makes the exchange ready for a path.
func (x *exchange) aim(p path) {
	x.path, x.asked, x.finished = p, false, false
	x.answer = answer{verdict: retry(outcome.NoVerdict, "not sent: the SDK made no request")}
	x.notes = append(x.notes[:0], make([]note, len(x.events))...)
	x.verdicts = x.verdicts[:0]
}

func (x *exchange) confirm(i int) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.notes[i].confirmed = true
}

// fail notes an event that the SDK refused. What it says after the request is
// of no interest: we read the answer ourselves.
func (x *exchange) fail(i int, err error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if !x.asked {
		x.notes[i].unsent = err
	}
}

// settle writes the verdicts of the events that were worth sending.
func (x *exchange) settle(verdicts []outcome.Verdict) {
	for i, at := range x.place {
		if x.finished {
			verdicts[at] = x.verdict(i)
		} else {
			verdicts[at] = retry(outcome.Timeout, "the SDK did not come back")
		}
	}
}

func (x *exchange) verdict(i int) outcome.Verdict {
	if err := x.notes[i].unsent; err != nil {
		return unsent(err)
	}
	v := x.answer.verdict
	if x.answer.perEvent {
		v = x.verdicts[i]
	}
	switch {
	case v.Action == outcome.NextPath, v.Action == outcome.NextEncoding:
		v.Action = outcome.Hold // there was no next one
	case v.Action == outcome.Accept && !x.notes[i].confirmed:
		v = retry(outcome.NoVerdict, "the SDK did not confirm it")
		v.Status = x.answer.status
	}
	return v
}

// roundTrip makes the SDK's request ours and sends it, again in the next
// encoding where one is refused.
func (x *exchange) roundTrip(req *http.Request) (*http.Response, error) {
	defer func() { _ = req.Body.Close() }()
	if !x.ask() {
		return nil, errNotOurs
	}
	home, err := url.Parse(x.dest.Endpoint)
	if err == nil {
		err = x.accept(req)
	}
	for _, e := range x.s.encodings(x.dest, x.path) {
		var wire []byte
		if err == nil {
			wire, err = x.pack(e)
		}
		if err != nil {
			x.answer = answer{verdict: hold(outcome.Unencodable, err.Error())}
			return nil, err
		}
		x.answer = x.post(x.address(req, home, e), wire, e)
		if x.answer.verdict.Action != outcome.NextEncoding {
			break
		}
		if e != encNone {
			x.s.findings.note(refusedEncoding(x.dest, x.path, e))
		}
	}
	return x.answer.forSDK(req)
}

// ask claims the one request that a path may have.
func (x *exchange) ask() bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	first := !x.asked
	x.asked = true
	return first
}

// encodings lists those to try, best first, without the ones that were refused
// lately. None is always left.
func (s *Sender) encodings(dest *destination.Destination, p path) []encoding {
	all := []encoding{encZstd, encGzip, encNone}
	if p == pathBatch {
		all = all[1:] // it takes no zstd
	}
	left := make([]encoding, 0, len(all))
	for _, e := range all {
		if e == encNone || !s.findings.holds(refusedEncoding(dest, p, e)) {
			left = append(left, e)
		}
	}
	return left
}

// pack renders the body and compresses it, two for each processor at once: what
// is rendered is large, and kept no longer than that, so that hundreds of
// requests under way hold compressed bytes alone.
func (x *exchange) pack(e encoding) ([]byte, error) {
	if x.gate != nil {
		x.gate <- struct{}{}
		defer func() { <-x.gate }()
	}
	space := <-x.s.packing
	defer func() { x.s.packing <- space.trimmed() }()
	if err := x.render(space); err != nil {
		return nil, err
	}
	x.rawBytes = len(space.raw)
	packed, err := x.s.packer.pack(space.packed[:0], e, space.raw)
	if err != nil {
		return nil, err
	}
	space.packed = packed
	return bytes.Clone(packed), nil
}

// post makes one HTTP request and tells of it.
func (x *exchange) post(req *http.Request, wire []byte, e encoding) answer {
	start := time.Now()
	a := x.do(carry(req, wire))
	if tell := x.s.cfg.OnAttempt; tell != nil {
		problem := ""
		if a.status == 0 {
			problem = a.verdict.Detail
		}
		tell(x.ctx, Attempt{
			Destination: x.dest.ID, Path: string(x.path), Encoding: string(e), Events: len(x.events),
			RawBytes: x.rawBytes, WireBytes: len(wire), Status: a.status, Cause: a.verdict.Cause,
			Error: problem, Duration: time.Since(start),
		})
	}
	return a
}

// address makes our request of the SDK's: the destination's endpoint and key in
// the place of the stubs, our context.
func (x *exchange) address(req *http.Request, home *url.URL, e encoding) *http.Request {
	out, to := req.WithContext(x.ctx), *req.URL
	out.URL, out.Host, out.Header = &to, home.Host, maps.Clone(req.Header)
	to.Scheme, to.Host = home.Scheme, home.Host
	if x.path == pathV1 {
		out.Header.Set("Authorization", "Bearer "+x.dest.APIKey.Reveal())
	}
	out.Header.Set("User-Agent", x.s.cfg.UserAgent)
	if x.path == pathV1 {
		out.Header.Set("PostHog-Sdk-Info", x.s.cfg.UserAgent)
	}
	if e != encNone {
		out.Header.Set("Content-Encoding", string(e))
		if x.path == pathBatch {
			to.RawQuery = "compression=" + string(e)
		}
	}
	return out
}

// carry makes wire the body of req, with what the transport needs to send it
// again on another connection where the first had closed unused. It may be read
// after the answer, and so nobody else writes to it. net/http knows that such a
// body is in memory, and sends it with the header.
func carry(req *http.Request, wire []byte) *http.Request {
	req.ContentLength = int64(len(wire))
	req.Header.Del("Content-Length") // the transport writes it
	req.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(wire)), nil }
	req.Body, _ = req.GetBody()
	return req
}

// do sends a request and reads its answer.
func (x *exchange) do(req *http.Request) answer {
	res, err := x.s.transport.roundTrip(x.dest, req)
	if err != nil {
		return answer{verdict: x.failure(err)}
	}
	defer func() { _ = res.Body.Close() }()
	return x.read(res)
}
