package admin

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/hogcast/hogcast/pkg/ingest"
	"github.com/hogcast/hogcast/pkg/intake"
	"github.com/hogcast/hogcast/pkg/record"
)

// SendParams say what to publish.
type SendParams struct {
	Conn        *nats.Conn
	Tenant      string
	MaxInFlight int           // 0: the library's default
	Timeout     time.Duration // of one record
	In          io.Reader
	Errors      io.Writer // records that failed and warnings, a line each
}

// SendResult counts what became of the records.
type SendResult struct {
	Read         int // records found in the input
	Acknowledged int // stored, duplicates included
	Duplicates   int // stored already
	Unreadable   int // acknowledged, but no worker can read them
	Failed       int // not acknowledged
	Bytes        int64
	Took         time.Duration
}

// Complete reports whether every record was acknowledged.
func (r SendResult) Complete() bool { return r.Failed == 0 && r.Acknowledged == r.Read }

// String is the summary for people.
func (r SendResult) String() string {
	seconds := max(r.Took.Seconds(), 0.001)
	s := fmt.Sprintf("%d records read, %d acknowledged (%d of them duplicates), %d failed; %.1f MB in %.1f s, %.0f records/s",
		r.Read, r.Acknowledged, r.Duplicates, r.Failed, float64(r.Bytes)/1e6, seconds, float64(r.Acknowledged)/seconds)
	if r.Unreadable > 0 {
		s += fmt.Sprintf("\n%d of them can't be read by a worker and will be dead-lettered as malformed", r.Unreadable)
	}
	return s
}

// maxReports bounds the lines about failed records; the summary counts all.
const maxReports = 100

// Send publishes the records of an input, many in flight, and waits for every
// acknowledgement. Failed records are reported; the error is one of reading, or
// of ctx.
func Send(ctx context.Context, p SendParams) (SendResult, error) {
	began := time.Now()
	publisher, err := ingest.New(ingest.Options{
		Conn: p.Conn, Tenant: p.Tenant, MaxInFlight: p.MaxInFlight, SkipValidation: true,
	})
	if err != nil {
		return SendResult{}, fmt.Errorf("publisher: %w", err)
	}
	s := sender{params: p, publisher: publisher}
	err = s.all(ctx)
	// Each record has its own deadline, so this ends without one.
	err = errors.Join(err, publisher.Close(context.WithoutCancel(ctx)))
	s.result.Took = time.Since(began)
	return s.result, err
}

type sender struct {
	params    SendParams
	publisher *ingest.Publisher

	mu       sync.Mutex // guards what follows: callbacks run beside reading
	result   SendResult
	reported int
}

func (s *sender) all(ctx context.Context) error {
	reader := intake.NewReader(s.params.In, intake.Options{})
	for ctx.Err() == nil {
		item, ok := reader.Next()
		if !ok {
			break
		}
		s.one(ctx, item)
	}
	if err := reader.Err(); err != nil {
		return fmt.Errorf("reading records: %w", err)
	}
	return context.Cause(ctx)
}

func (s *sender) one(ctx context.Context, item intake.Item) {
	line := item.Line
	s.count(func(r *SendResult) { r.Read++; r.Bytes += int64(len(item.Data)) })
	if item.Err != nil {
		s.fail(line, item.Err)
		return
	}
	unreadable := unreadable(item.Data)
	ctx, cancel := context.WithTimeout(ctx, s.params.Timeout)
	err := s.publisher.Send(ctx, bytes.Clone(item.Data), func(r ingest.Result) {
		cancel()
		switch {
		case r.Err != nil:
			s.fail(line, r.Err)
		case r.Duplicate:
			s.count(func(r *SendResult) { r.Acknowledged++; r.Duplicates++ })
		default:
			s.count(func(r *SendResult) { r.Acknowledged++ })
		}
		if r.Err == nil && unreadable != nil {
			s.warn(line, unreadable)
		}
	})
	if err != nil {
		cancel()
		s.fail(line, err)
	}
}

// unreadable says why no worker can read a record, or nil. A missing tenant is
// none: the publisher fills it in.
func unreadable(data []byte) error {
	_, err := record.Decode(data)
	var malformed *record.Malformed
	if errors.As(err, &malformed) && malformed.Field != "tenant" {
		return err
	}
	return nil
}

func (s *sender) count(change func(*SendResult)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(&s.result)
}

func (s *sender) fail(line int, err error) {
	s.count(func(r *SendResult) { r.Failed++ })
	s.report("line %d: %v\n", line, err)
}

func (s *sender) warn(line int, err error) {
	s.count(func(r *SendResult) { r.Unreadable++ })
	s.report("line %d: warning: %v\n", line, err)
}

func (s *sender) report(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reported++
	switch {
	case s.reported <= maxReports:
		fmt.Fprintf(s.params.Errors, format, args...)
	case s.reported == maxReports+1:
		fmt.Fprintf(s.params.Errors, "more of these are only counted\n")
	}
}
