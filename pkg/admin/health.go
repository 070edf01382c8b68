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
	"github.com/hogcast/hogcast/pkg/outcome"
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
	Tenant      string `json:"tenant,omitempty"`
	Destination string `json:"destination,omitempty"`
	// Host is the endpoint that is down as a whole; of a destination, that what
	// is held for it waits for that.
	Host      string        `json:"host,omitempty"`
	State     health.State  `json:"state"`
	Reason    health.Reason `json:"reason,omitempty"`
	Status    int           `json:"status,omitempty"`
	Detail    string        `json:"detail,omitempty"`
	Since     time.Time     `json:"since,omitzero"`
	NextProbe time.Time     `json:"next_probe,omitzero"`
	Held      uint64        `json:"held"`
	Worker    string        `json:"worker,omitempty"`

	line string // token of the host, or of the guard's cause, whose line it waits in
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
	lines := map[string]health.Status{}
	if err := eachState(ctx, conn, func(key string, s health.Status) {
		if s.State == health.Healthy {
			return // an operator's pardon
		}
		d := row(key)
		d.is(s)
		switch {
		case d.Tenant != "":
			d.line = s.Host
		case s.Host != "":
			d.Host = s.Host
			lines[queue.HostToken(s.Host)] = s
		default:
			lines[queue.GuardToken(s.Detail)] = s
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
			line, tenant, name, ok := queue.ParseHeldSubject(subject)
			if !ok {
				continue
			}
			d := row(tenant + "." + name)
			d.Held += n
			if _, waits := lines[line]; waits {
				d.line = line
			}
		}
	}
	all := make([]DestinationHealth, 0, len(byName))
	for _, d := range byName {
		if of, waits := lines[d.line]; waits {
			d.waits(of)
		}
		all = append(all, *d)
	}
	slices.SortFunc(all, func(a, b DestinationHealth) int {
		return cmp.Or(cmp.Compare(a.Tenant, b.Tenant), cmp.Compare(a.Destination, b.Destination), cmp.Compare(a.Host, b.Host), cmp.Compare(a.Detail, b.Detail))
	})
	return all, nil
}

// is takes a status over.
func (d *DestinationHealth) is(s health.Status) {
	d.State, d.Reason, d.Status, d.Detail, d.Since, d.Worker = s.State, s.Reason, s.Code, s.Detail, s.Since, s.Worker
	if s.Blocked() {
		d.NextProbe = s.NextProbe()
	}
}

// waits tells of a destination what it waits for with others: it is not probed
// by itself then. One that only the guard keeps something of is healthy still.
func (d *DestinationHealth) waits(of health.Status) {
	switch {
	case d.State == health.Healthy && of.Host == "":
		d.is(of)
		d.State = health.Healthy
	case d.State == health.Healthy:
		d.is(of)
		d.Host = of.Host
	case d.State == health.Open && of.Host != "":
		d.NextProbe, d.Host = of.NextProbe(), of.Host
	}
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
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", dash(d.Tenant), whose(d), d.State, why(d), ago(p.Now, d.Since), in(p.Now, d.NextProbe), heldFor(d))
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
		fmt.Fprintf(p.Out, "all destinations%s are healthy, and nothing is held\n", ofTenant(p.Tenant))
	}
	_, err = fmt.Fprintf(p.Out, "%s alive\n%s", plural(workers, "worker"), whatNext(all))
	return err
}

// whatNext names the commands that an operator may want now.
func whatNext(all []DestinationHealth) (text string) {
	is := func(which func(DestinationHealth) bool) bool { return slices.ContainsFunc(all, which) }
	if is(func(d DestinationHealth) bool {
		return d.Tenant != "" && !d.NextProbe.IsZero() && d.Reason != outcome.Guarded
	}) {
		text += "each is tried again by itself; at once: hogcast destinations resume TENANT.DESTINATION\n"
	}
	if is(func(d DestinationHealth) bool { return d.Reason == outcome.Guarded }) {
		text += "the poison guard holds what would be dead-lettered; once you know why: hogcast guard release --help\n"
	}
	return text
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

// heldFor is how much is held; of a host and of a cause the destinations tell.
func heldFor(d DestinationHealth) string {
	if d.Tenant == "" {
		return "-"
	}
	return thousands(d.Held)
}

// why is the reason with the status, and the guard's cause.
func why(d DestinationHealth) string {
	text := string(d.Reason)
	if d.Status != 0 {
		text += fmt.Sprintf(" (%d)", d.Status)
	}
	if d.Tenant != "" && d.Host != "" {
		text += ", its whole host"
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
