package admin

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/hogcast/hogcast/pkg/deadletter"
	"github.com/hogcast/hogcast/pkg/queue"
)

// ListDeadParams say which dead letters to list, and how.
type ListDeadParams struct {
	Filter deadletter.Filter
	By     string // "": list; else count by tenant, destination, reason or cause
	Limit  int    // of the list; 0 for all
	JSON   bool
	Out    io.Writer
}

// Letter is a dead letter as it is shown.
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
	// Record is the record itself, as JSON where it is JSON, else as a string.
	Record any `json:"record,omitempty"`
}

// DescribeLetter shows a letter with its record.
func DescribeLetter(s *deadletter.Stored) (Letter, error) {
	l := describe(s)
	record, err := s.Envelope.Record()
	if err != nil {
		return l, err
	}
	switch {
	case len(record) == 0:
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
		Replayable: e.Replayable(), Size: s.Size, SHA256: e.SHA256,
	}
	if e.Source.Stream != "" {
		l.Source = e.Source.String()
	}
	if !l.Replayable {
		l.Size = e.Size
	}
	return l
}

// ListDead lists dead letters, oldest first, or counts them.
func ListDead(ctx context.Context, r *deadletter.Reader, p ListDeadParams) error {
	if p.By != "" {
		return countDead(ctx, r, p)
	}
	table := tabwriter.NewWriter(p.Out, 0, 0, 2, ' ', 0)
	n := 0
	err := r.Each(ctx, p.Filter, false, func(s *deadletter.Stored) error {
		if p.Limit > 0 && n == p.Limit {
			return queue.ErrStop
		}
		if n++; p.JSON {
			return json.NewEncoder(p.Out).Encode(describe(s))
		}
		if n == 1 {
			fmt.Fprintln(table, "SEQUENCE\tTIME\tTENANT\tDESTINATION\tREASON\tRECORD\tDETAIL")
		}
		_, err := fmt.Fprintf(table, "%d\t%s\t%s\t%s\t%s\t%s\t%s\n", s.Sequence, s.Time.Format(time.RFC3339), dash(s.Tenant),
			dash(s.Destination), s.Reason, dash(s.Envelope.RecordID), detail(s))
		return err
	})
	if err != nil {
		return err
	}
	if n == 0 && !p.JSON {
		fmt.Fprintln(table, "no dead letters match")
	}
	return table.Flush()
}

// detail is what is wrong, with the field where one is at fault.
func detail(s *deadletter.Stored) string {
	if s.Envelope.Field != "" {
		return s.Envelope.Field + ": " + s.Envelope.Detail
	}
	return s.Envelope.Detail
}

func dash(s string) string { return cmp.Or(s, "-") }

// group is what letters share.
type group struct {
	Key     string          `json:"key"`
	Count   int             `json:"count"`
	Tenants int             `json:"tenants"`
	First   time.Time       `json:"first"`
	Last    time.Time       `json:"last"`
	tenants map[string]bool // by name
}

// countDead counts letters by what they share, from their headers.
func countDead(ctx context.Context, r *deadletter.Reader, p ListDeadParams) error {
	groups := map[string]*group{}
	err := r.Each(ctx, p.Filter, false, func(s *deadletter.Stored) error {
		key := keyOf(s, p.By)
		g := groups[key]
		if g == nil {
			g = &group{Key: key, First: s.Time, tenants: map[string]bool{}}
			groups[key] = g
		}
		g.Count++
		g.tenants[s.Tenant] = true
		g.Last = s.Time
		return nil
	})
	if err != nil {
		return err
	}
	sorted := slices.SortedFunc(maps.Values(groups), func(a, b *group) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Key, b.Key))
	})
	return writeGroups(sorted, p)
}

func keyOf(s *deadletter.Stored, by string) string {
	switch by {
	case "tenant":
		return dash(s.Tenant)
	case "destination":
		return dash(s.Tenant) + "." + dash(s.Destination)
	case "reason":
		return s.Reason
	}
	return s.Cause()
}

func writeGroups(groups []*group, p ListDeadParams) error {
	table := tabwriter.NewWriter(p.Out, 0, 0, 2, ' ', 0)
	if len(groups) > 0 && !p.JSON {
		fmt.Fprintf(table, "COUNT\tTENANTS\tFIRST\tLAST\t%s\n", map[string]string{"tenant": "TENANT", "destination": "DESTINATION", "reason": "REASON", "cause": "CAUSE"}[p.By])
	}
	for _, g := range groups {
		g.Tenants = len(g.tenants)
		if p.JSON {
			if err := json.NewEncoder(p.Out).Encode(g); err != nil {
				return err
			}
			continue
		}
		fmt.Fprintf(table, "%d\t%d\t%s\t%s\t%s\n", g.Count, g.Tenants, g.First.Format(time.RFC3339), g.Last.Format(time.RFC3339), g.Key)
	}
	if len(groups) == 0 && !p.JSON {
		fmt.Fprintln(table, "no dead letters match")
	}
	return table.Flush()
}
