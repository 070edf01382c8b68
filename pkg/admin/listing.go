package admin

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/hogcast/hogcast/pkg/destination"
	"github.com/hogcast/hogcast/pkg/health"
	"github.com/hogcast/hogcast/pkg/registry"
)

// Format is how something is written.
type Format string

// The formats.
const (
	Table Format = "table"
	JSON  Format = "json" // of a list a line for each
	YAML  Format = "yaml"
)

// ListedDestination is a destination of a list. Secrets are masked.
type ListedDestination struct {
	Tenant      string         `json:"tenant"                yaml:"tenant"`
	Destination string         `json:"destination"           yaml:"destination"`
	State       string         `json:"state"                 yaml:"state"` // enabled, paused, disabled or bad
	Problem     string         `json:"problem,omitempty"     yaml:"problem,omitempty"`
	Revision    uint64         `json:"revision"              yaml:"revision"`
	ChangedBy   string         `json:"changed_by,omitempty"  yaml:"changed_by,omitempty"`
	ChangedAt   time.Time      `json:"changed_at,omitzero"   yaml:"changed_at,omitempty"`
	Health      health.State   `json:"health"                yaml:"health"`
	Reason      health.Reason  `json:"reason,omitempty"      yaml:"reason,omitempty"`
	Status      int            `json:"status,omitempty"      yaml:"status,omitempty"`
	Held        uint64         `json:"held"                  yaml:"held"`
	Settings    *registry.Form `json:"settings,omitempty"    yaml:"settings,omitempty"`

	stored *registry.Stored
}

// ListParams say which destinations to list.
type ListParams struct {
	Tenant string // "": all
	Format Format
	Now    time.Time
}

// List shows the destinations in the bucket, bad entries with what is wrong.
func (d *Destinations) List(ctx context.Context, p ListParams) error {
	all, err := d.listed(ctx, p.Tenant)
	if err != nil {
		return err
	}
	switch p.Format {
	case JSON:
		for _, one := range all {
			if err := encoder(d.Out).Encode(one); err != nil {
				return err
			}
		}
		return nil
	case YAML:
		enc := yaml.NewEncoder(d.Out)
		enc.SetIndent(2)
		return errors.Join(enc.Encode(all), enc.Close())
	case Table:
	}
	return d.writeList(all, p)
}

func (d *Destinations) listed(ctx context.Context, tenant string) ([]*ListedDestination, error) {
	stored, err := d.Store.List(ctx, tenant)
	if err != nil {
		return nil, err
	}
	states, err := destinationHealth(ctx, d.Conn)
	if err != nil {
		return nil, err
	}
	byID := make(map[destination.ID]DestinationHealth, len(states))
	for _, s := range states {
		byID[destination.ID{Tenant: s.Tenant, Name: s.Destination}] = s
	}
	all := make([]*ListedDestination, len(stored))
	for i, s := range stored {
		all[i] = listedOf(s, byID[s.ID])
	}
	return all, nil
}

func listedOf(s *registry.Stored, h DestinationHealth) *ListedDestination {
	one := &ListedDestination{
		Tenant: s.ID.Tenant, Destination: s.ID.Name, State: stateOf(s), Revision: s.Revision,
		ChangedBy: s.Meta.By, ChangedAt: changedAt(s), Health: health.Healthy, Held: h.Held, stored: s,
	}
	if s.Problem != nil {
		one.Problem = s.Problem.Error()
	}
	if h.State != "" {
		one.Health, one.Reason, one.Status = h.State, h.Reason, h.Status
	}
	if s.Destination != nil {
		form := registry.FormOf(s.Destination, registry.Masked)
		one.Settings = &form
	}
	return one
}

// stateOf is what the owner wants, or that nobody can tell.
func stateOf(s *registry.Stored) string {
	switch {
	case s.Destination == nil:
		return "bad"
	case !s.Destination.Enabled:
		return "disabled"
	case s.Destination.Paused:
		return "paused"
	}
	return "enabled"
}

func changedAt(s *registry.Stored) time.Time {
	if s.Meta.At.IsZero() {
		return s.Written
	}
	return s.Meta.At
}

func (d *Destinations) writeList(all []*ListedDestination, p ListParams) error {
	if len(all) == 0 {
		_, err := fmt.Fprintf(d.Out, "no destinations%s; hogcast destinations put makes one\n", ofTenant(p.Tenant))
		return err
	}
	table := tabwriter.NewWriter(d.Out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "TENANT\tDESTINATION\tSTATE\tENDPOINT\tKEY\tPRIVACY\tSAMPLING\tHEALTH\tHELD\tREVISION\tCHANGED")
	for _, one := range all {
		endpoint, key, privacy, sampling := one.summary()
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%d\t%s\n", dash(one.Tenant), dash(one.Destination), one.State,
			endpoint, key, privacy, sampling, one.health(), thousands(one.Held), one.Revision, changed(p.Now, one.stored))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	return d.writeProblems(all)
}

// ofTenant is " of tenant NAME"; "" where all are meant.
func ofTenant(tenant string) string {
	if tenant == "" {
		return ""
	}
	return " of tenant " + tenant
}

// writeProblems tells what is wrong, below the table. That no secret can be
// read where no master keys are given is one problem, not one of each.
func (d *Destinations) writeProblems(all []*ListedDestination) error {
	unread := 0
	for _, one := range all {
		switch {
		case one.Problem == "":
		case one.unreadable() && d.Keys.Ring() == nil:
			unread++
		default:
			fmt.Fprintf(d.Out, "bad: %s\n", visible(strings.ReplaceAll(one.Problem, "\n", "; ")))
		}
	}
	if unread == 0 {
		return nil
	}
	_, err := fmt.Fprintf(d.Out, "the secrets of %s can't be read without master keys: --secrets-key-file, or HOGCAST_SECRETS_KEYS\n", plural(unread, "destination"))
	return err
}

// unreadable: its settings can be read, its secrets can't.
func (l *ListedDestination) unreadable() bool {
	return errors.Is(l.stored.Problem, registry.ErrSecretUnreadable)
}

// summary is what the table has of the settings.
func (l *ListedDestination) summary() (endpoint, key, privacy, sampling string) {
	f := l.Settings
	if f == nil {
		return "-", "-", "-", "-"
	}
	endpoint = f.Endpoint
	if f.Region != "" && f.Region != f.Endpoint {
		endpoint += " (" + f.Region + " only)"
	}
	key = f.APIKey
	if l.unreadable() {
		key = "sealed with " + strings.Join(l.stored.KeyIDs, ", ")
	}
	return endpoint, dash(key), privacyOf(l.stored.Destination), strconv.FormatFloat(f.SamplingRate, 'g', -1, 64)
}

// privacyOf names the privacy rules that a destination has.
func privacyOf(d *destination.Destination) string {
	var rules []string
	add := func(on bool, name string) {
		if on {
			rules = append(rules, name)
		}
	}
	add(d.PrivacyMode, "mode")
	add(!d.Privacy.Metadata.Empty(), "metadata")
	add(!d.Privacy.UserHashKey.Empty(), "hash")
	add(len(d.Privacy.Redact) > 0, "redact")
	return dash(strings.Join(rules, "+"))
}

// health of a bad entry is told where something is held for it; else nobody
// knows.
func (l *ListedDestination) health() string {
	if l.stored.Destination == nil && l.Health == health.Healthy {
		return "-"
	}
	text := string(l.Health)
	if l.Reason != "" && string(l.Reason) != l.State {
		text += ": " + string(l.Reason)
	}
	if l.Status != 0 {
		text += fmt.Sprintf(" (%d)", l.Status)
	}
	return text
}

// changed is when somebody has changed an entry last, and who.
func changed(now time.Time, s *registry.Stored) string {
	text := "-"
	if at := changedAt(s); !at.IsZero() {
		text = old(now.Sub(at)) + " ago"
	}
	if s.Meta.By != "" {
		text += " by " + visible(s.Meta.By)
	}
	return text
}

// old is an age in its largest unit, or two.
func old(age time.Duration) string {
	const day = 24 * time.Hour
	switch {
	case age >= 2*day:
		return fmt.Sprintf("%dd", age/day)
	case age >= time.Hour:
		return strings.TrimSuffix(age.Truncate(time.Minute).String(), "0s")
	}
	return max(age.Truncate(time.Second), 0).String()
}
