package admin

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/hogcast/hogcast/pkg/health"
	"github.com/hogcast/hogcast/pkg/queue"
)

// HealthParams say what to show of destinations' health.
type HealthParams struct {
	Tenant string // "": all
	JSON   bool
	Now    time.Time
	Out    io.Writer
}

// DestinationHealth is how one destination does that is not healthy, or for
// which something is held. A host that is down as a whole, and a cause that the
// poison guard is on for, have no tenant.
type DestinationHealth struct {
	Tenant      string        `json:"tenant,omitempty"`
	Destination string        `json:"destination,omitempty"`
	Host        string        `json:"host,omitempty"`
	State       health.State  `json:"state"`
	Reason      health.Reason `json:"reason,omitempty"`
	Status      int           `json:"status,omitempty"`
	Detail      string        `json:"detail,omitempty"`
	Since       time.Time     `json:"since,omitzero"`
	NextProbe   time.Time     `json:"next_probe,omitzero"`
	Held        uint64        `json:"held"`
	Worker      string        `json:"worker,omitempty"`
}

// Health shows every destination that is not healthy, or for which something is
// held, and how many workers live.
func Health(ctx context.Context, conn *queue.Conn, p HealthParams) error {
	all, err := destinationHealth(ctx, conn)
	if err != nil {
		return err
	}
	if p.Tenant != "" {
		all = slices.DeleteFunc(all, func(d DestinationHealth) bool { return d.Tenant != p.Tenant })
	}
	if p.JSON {
		enc := json.NewEncoder(p.Out)
		for _, d := range all {
			if err := enc.Encode(d); err != nil {
				return err
			}
		}
		return nil
	}
	return writeHealth(ctx, conn, all, p)
}

func destinationHealth(ctx context.Context, conn *queue.Conn) ([]DestinationHealth, error) {
	byName := map[string]*DestinationHealth{}
	row := func(key string) *DestinationHealth {
		if byName[key] == nil {
			d := &DestinationHealth{State: health.Healthy}
			if !strings.HasPrefix(key, queue.NoToken) {
				d.Tenant, d.Destination, _ = strings.Cut(key, ".")
			}
			byName[key] = d
		}
		return byName[key]
	}
	if err := eachState(ctx, conn, func(key string, s health.Status) {
		if s.State == health.Healthy {
			return // an operator's pardon
		}
		d := row(key)
		d.State, d.Reason, d.Status, d.Detail, d.Since, d.Worker = s.State, s.Reason, s.Code, s.Detail, s.Since, s.Worker
		if s.Blocked() {
			d.NextProbe = s.NextProbe()
		}
		if d.Tenant == "" {
			d.Host = s.Host
		}
	}); err != nil {
		return nil, err
	}
	for _, stream := range []string{queue.StreamHeld, queue.StreamHeldHosts} {
		counts, err := conn.CountBySubject(ctx, stream, ">")
		if err != nil {
			return nil, err
		}
		for subject, n := range counts {
			if _, tenant, name, ok := queue.ParseHeldSubject(subject); ok {
				row(tenant + "." + name).Held += n
			}
		}
	}
	all := make([]DestinationHealth, 0, len(byName))
	for _, d := range byName {
		all = append(all, *d)
	}
	slices.SortFunc(all, func(a, b DestinationHealth) int {
		return cmp.Or(cmp.Compare(a.Tenant, b.Tenant), cmp.Compare(a.Destination, b.Destination), cmp.Compare(a.Host, b.Host), cmp.Compare(a.Detail, b.Detail))
	})
	return all, nil
}

// eachState calls use with each state that the fleet shares.
func eachState(ctx context.Context, conn *queue.Conn, use func(key string, s health.Status)) error {
	bucket, err := conn.Bucket(ctx, queue.BucketState)
	if err != nil {
		return err
	}
	return bucket.Each(ctx, func(e queue.Entry) {
		var s health.Status
		if json.Unmarshal(e.Value, &s) == nil {
			use(e.Key, s)
		}
	})
}

func writeHealth(ctx context.Context, conn *queue.Conn, all []DestinationHealth, p HealthParams) error {
	table := tabwriter.NewWriter(p.Out, 0, 0, 2, ' ', 0)
	if len(all) > 0 {
		fmt.Fprintln(table, "TENANT\tDESTINATION\tSTATE\tREASON\tSINCE\tNEXT PROBE\tHELD")
	}
	for _, d := range all {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", dash(d.Tenant), whose(d), d.State, why(d), ago(p.Now, d.Since), in(p.Now, d.NextProbe), thousands(d.Held))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	bucket, err := conn.Bucket(ctx, queue.BucketWorkers)
	if err != nil {
		return err
	}
	workers, err := bucket.Count(ctx)
	if err != nil {
		return err
	}
	if len(all) == 0 {
		fmt.Fprintln(p.Out, "all destinations are healthy, and nothing is held")
	}
	_, err = fmt.Fprintf(p.Out, "%s alive\n", plural(workers, "worker"))
	return err
}

// whose is the destination's name, or what the row is about instead.
func whose(d DestinationHealth) string {
	switch {
	case d.Tenant != "" && d.Destination == queue.NoToken:
		return "(not routed)"
	case d.Tenant != "":
		return d.Destination
	case d.Host != "":
		return "(host " + d.Host + ")"
	}
	return "(every destination)"
}

// why is the reason with the status, and the guard's cause.
func why(d DestinationHealth) string {
	text := string(d.Reason)
	if d.Status != 0 {
		text += fmt.Sprintf(" (%d)", d.Status)
	}
	if d.Detail != "" {
		text += ": " + d.Detail
	}
	return dash(text)
}

func ago(now, t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return now.Sub(t).Truncate(time.Second).String() + " ago"
}

func in(now, t time.Time) string {
	switch {
	case t.IsZero():
		return "-"
	case !t.After(now):
		return "now"
	}
	return "in " + t.Sub(now).Truncate(time.Second).String()
}
