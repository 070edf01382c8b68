package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

const (
	pathV1 = "/i/v1/analytics/events"
	// maxInflated bounds a body; an event has at most 480 KB and a batch not
	// many more.
	maxInflated = 32 << 20
)

// answer is how the sink answers somebody: after a time, with a status. 200
// takes the events; a client that has left by then was not answered and its
// events are not taken.
type answer struct {
	after      time.Duration
	status     int
	retryAfter string // header, where not empty
}

// sink is PostHog's place: v1 alone, as cheap as can be. Its hosts own the
// goroutines of the requests, and end them with close.
type sink struct {
	ledger  *ledger
	answers []atomic.Pointer[answer] // by tenant; nil: at once, 200
	scratch sync.Pool                // of *scratch

	requests   atomic.Int64 // those whose events were taken
	refused    atomic.Int64 // others
	unexpected atomic.Int64 // of another path or method, of an unknown key, unreadable
}

func newSink(l *ledger, tenants int) *sink {
	return &sink{
		ledger: l, answers: make([]atomic.Pointer[answer], tenants),
		scratch: sync.Pool{New: func() any { return newScratch() }},
	}
}

// set says how a group is answered from now on; nil: well.
func (s *sink) set(group span, a *answer) {
	for i := group.from; i < group.to; i++ {
		s.answers[i].Store(a)
	}
}

// scratch is a request's memory.
type scratch struct {
	wire     bytes.Buffer
	inflated []byte
	reply    []byte
	batch    batch
	zstd     *zstd.Decoder
}

func newScratch() *scratch {
	decoder, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxInflated))
	if err != nil {
		panic(err) // options of ours alone
	}
	return &scratch{zstd: decoder}
}

// inflate reads a request's body and undoes its compression.
func (x *scratch) inflate(r *http.Request) ([]byte, error) {
	x.wire.Reset()
	if _, err := x.wire.ReadFrom(io.LimitReader(r.Body, maxInflated)); err != nil {
		return nil, fmt.Errorf("reading body: %w", err)
	}
	var err error
	switch encoding := r.Header.Get("Content-Encoding"); encoding {
	case "":
		return x.wire.Bytes(), nil
	case "zstd":
		x.inflated, err = x.zstd.DecodeAll(x.wire.Bytes(), x.inflated[:0])
		return x.inflated, err
	case "gzip":
		reader, err := gzip.NewReader(bytes.NewReader(x.wire.Bytes()))
		if err != nil {
			return nil, fmt.Errorf("inflating: %w", err)
		}
		return io.ReadAll(io.LimitReader(reader, maxInflated))
	default:
		return nil, errors.New("unknown encoding")
	}
}

// handle serves one request, to a host that answers so (nil: as its tenant is
// answered).
func (s *sink) handle(w http.ResponseWriter, r *http.Request, host *answer) {
	tenant := s.tenant(r)
	if tenant < 0 || r.Method != http.MethodPost || r.URL.Path != pathV1 {
		s.unexpected.Add(1)
		http.Error(w, "not served here", http.StatusNotFound)
		return
	}
	x := s.scratch.Get().(*scratch)
	defer s.scratch.Put(x)
	body, err := x.inflate(r)
	if err == nil {
		err = x.batch.scan(body)
	}
	if err != nil {
		if r.Context().Err() == nil {
			s.unexpected.Add(1)
		}
		http.Error(w, "unreadable", http.StatusBadRequest)
		return
	}
	a := host
	if a == nil {
		a = s.answers[tenant].Load()
	}
	if a != nil && !s.bear(w, r, a) {
		s.refused.Add(1)
		return
	}
	s.requests.Add(1)
	s.ledger.accept(tenant, x.batch.sightings)
	x.reply = x.batch.appendResults(x.reply[:0])
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(x.reply)
}

// bear waits as told, and reports whether the events are to be taken; else it
// has answered.
func (s *sink) bear(w http.ResponseWriter, r *http.Request, a *answer) bool {
	if a.after > 0 {
		timer := time.NewTimer(a.after)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-r.Context().Done():
			return false
		}
	}
	if a.status == http.StatusOK {
		return true
	}
	if a.retryAfter != "" {
		w.Header().Set("Retry-After", a.retryAfter)
	}
	http.Error(w, http.StatusText(a.status), a.status)
	return false
}

// tenant is the number of the tenant whose key a request bears, or −1.
func (s *sink) tenant(r *http.Request) int {
	digits, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "+keyPrefix)
	n, err := strconv.Atoi(digits)
	if !ok || err != nil || n < 0 || n >= len(s.answers) {
		return -1
	}
	return n
}
