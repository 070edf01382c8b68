package admin

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/hogcast/hogcast/pkg/deadletter"
	"github.com/hogcast/hogcast/pkg/queue"
)

// Letter is a dead letter as it is shown and exported.
type Letter struct {
	Sequence     uint64    `json:"sequence"`
	Time         time.Time `json:"time"`
	Tenant       string    `json:"tenant,omitempty"`
	Destination  string    `json:"destination,omitempty"`
	Reason       string    `json:"reason"`
	Field        string    `json:"field,omitempty"`
	RecordID     string    `json:"record_id,omitempty"`
	Detail       string    `json:"detail,omitempty"`
	Status       int       `json:"status,omitempty"`
	Attempts     int       `json:"attempts,omitempty"`
	FirstAttempt time.Time `json:"first_attempt,omitzero"`
	LastAttempt  time.Time `json:"last_attempt,omitzero"`
	Source       string    `json:"source,omitempty"`
	Rules        []string  `json:"rules,omitempty"`
	Mapping      string    `json:"mapping,omitempty"`
	Worker       string    `json:"worker,omitempty"`
	Replayable   bool      `json:"replayable"`
	Size         int       `json:"size"`
	SHA256       string    `json:"sha256,omitempty"`
	// Record is the record itself: as JSON where it is JSON, else as a string;
	// where it is no text at all RecordBase64 has its bytes.
	Record       any    `json:"record,omitempty"`
	RecordBase64 string `json:"record_base64,omitempty"`
}

// DescribeLetter shows a letter with its record.
func DescribeLetter(s *deadletter.Stored) (Letter, error) {
	l := describe(s)
	record, err := s.Envelope.Record()
	if err != nil {
		return l, fmt.Errorf("letter %d: %w", s.Sequence, err)
	}
	switch {
	case len(record) == 0:
	case !utf8.Valid(record):
		l.RecordBase64 = base64.StdEncoding.EncodeToString(record)
	case json.Valid(record):
		l.Record = json.RawMessage(record)
	default:
		l.Record = string(record)
	}
	return l, nil
}

func describe(s *deadletter.Stored) Letter {
	e := s.Envelope
	l := Letter{
		Sequence: s.Sequence, Time: s.Time, Tenant: s.Tenant, Destination: s.Destination, Reason: s.Reason,
		Field: e.Field, RecordID: e.RecordID, Detail: e.Detail, Status: e.Status, Attempts: e.Attempts,
		FirstAttempt: e.FirstAttempt, LastAttempt: e.LastAttempt, Rules: e.Rules, Mapping: e.Mapping, Worker: e.Worker,
		Replayable: s.Replayable(), Size: s.Size, SHA256: e.SHA256,
	}
	if e.Source.Stream != "" {
		l.Source = e.Source.String()
	}
	if !l.Replayable && e.Size > 0 {
		l.Size = e.Size
	}
	return l
}

// ListDeadParams say which dead letters to list, and how.
type ListDeadParams struct {
	Filter deadletter.Filter
	By     string // "": list; else count by tenant, destination, reason or cause
	Limit  int    // lines at most; 0 for all
	Oldest bool   // the oldest first, not the newest
	JSON   bool
	Out    io.Writer
}

// ListDead lists dead letters, or counts them.
func ListDead(ctx context.Context, r *deadletter.Reader, p ListDeadParams) error {
	if p.By != "" {
		return countDead(ctx, r, p)
	}
	l := list{params: p, lines: lines{out: p.Out}}
	read := func() error { return r.Newest(ctx, p.Filter, p.Limit+1, l.add) }
	switch {
	case p.Oldest:
		read = func() error { return r.Each(ctx, p.Filter, false, l.add) }
	case p.Limit <= 0:
		read = func() error { return r.Newest(ctx, p.Filter, 0, l.add) }
	}
	if err := read(); err != nil {
		return err
	}
	return l.end(ctx, r)
}

// list writes letters as lines.
type list struct {
	params ListDeadParams
	lines  lines
	shown  int
	more   bool // there are more than the limit
	unkept int  // of those shown, that can't be replayed
}

func (l *list) add(s *deadletter.Stored) error {
	if l.params.Limit > 0 && l.shown == l.params.Limit {
		l.more = true
		return queue.ErrStop
	}
	if l.shown++; l.params.JSON {
		return encoder(l.params.Out).Encode(describe(s))
	}
	if !s.Replayable() {
		l.unkept++
	}
	if l.shown == 1 {
		l.lines.add("SEQUENCE", "TIME", "TENANT", "DESTINATION", "REASON", "RECORD", "DETAIL")
	}
	l.lines.add(strconv.FormatUint(s.Sequence, 10), stamp(s.Time), deadletter.Token(s.Tenant),
		deadletter.Token(s.Destination), s.Reason, dash(s.Envelope.RecordID), dash(s.Problem()))
	if l.shown%flushEach == 0 {
		return l.lines.flush()
	}
	return nil
}

// end says how much of it all was shown.
func (l *list) end(ctx context.Context, r *deadletter.Reader) error {
	if l.params.JSON {
		return nil
	}
	if err := l.lines.flush(); err != nil {
		return err
	}
	if l.unkept > 0 {
		fmt.Fprintf(l.params.Out, "%s of these can't be replayed: nothing but size and SHA-256 is kept\n", thousands(l.unkept))
	}
	order := "newest"
	if l.params.Oldest {
		order = "oldest"
	}
	switch {
	case l.shown == 0:
		_, err := fmt.Fprintln(l.params.Out, noneMatch)
		return err
	case !l.more:
		return nil
	case !l.params.Filter.BySubject():
		_, err := fmt.Fprintf(l.params.Out, "the %s %s shown, more match; --limit 0 for all\n", order, thousands(l.shown))
		return err
	}
	counts, err := r.Counts(ctx, l.params.Filter)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(l.params.Out, "the %s %s of %s shown; --limit 0 for all\n", order, thousands(l.shown), thousands(sum(counts)))
	return err
}

const noneMatch = "no dead letters match"

func encoder(out io.Writer) *json.Encoder {
	e := json.NewEncoder(out)
	e.SetEscapeHTML(false)
	return e
}

func sum(counts map[deadletter.Key]uint64) (n uint64) {
	for _, count := range counts {
		n += count
	}
	return n
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }
