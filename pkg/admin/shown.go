package admin

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/hogcast/hogcast/pkg/audit"
	"github.com/hogcast/hogcast/pkg/destination"
	"github.com/hogcast/hogcast/pkg/registry"
)

// ShowParams say what to show of one destination.
type ShowParams struct {
	ID       destination.ID
	Revision uint64 // one that the bucket still has; 0: the latest
	History  bool
	Format   Format // YAML or JSON
}

// Version is one version of a destination as it is shown. Secrets are masked.
type Version struct {
	Revision    uint64          `json:"revision"`
	ChangedBy   string          `json:"changed_by,omitempty"`
	ChangedAt   time.Time       `json:"changed_at,omitzero"`
	Action      audit.Action    `json:"action,omitempty"`
	Note        string          `json:"note,omitempty"`
	Deleted     bool            `json:"deleted,omitempty"`
	Problem     string          `json:"problem,omitempty"`
	SealedWith  []string        `json:"sealed_with,omitempty"` // ids of master keys
	Plain       bool            `json:"plain,omitempty"`       // a secret is not encrypted
	Changes     []SettingChange `json:"changes,omitempty"`     // since the version before
	Destination *registry.Form  `json:"destination,omitempty"`
	History     []Version       `json:"history,omitempty"` // oldest first
}

func versionOf(s *registry.Stored) Version {
	v := Version{
		Revision: s.Revision, ChangedBy: s.Meta.By, ChangedAt: changedAt(s), Action: s.Meta.Action, Note: s.Meta.Note,
		Deleted: s.Deleted, SealedWith: s.KeyIDs, Plain: s.Plain,
	}
	if s.Problem != nil {
		v.Problem = s.Problem.Error()
	}
	if s.Destination != nil {
		form := registry.FormOf(s.Destination, registry.Masked)
		v.Destination = &form
	}
	return v
}

// Show shows one destination: as YAML, which put takes back, or JSON.
func (d *Destinations) Show(ctx context.Context, p ShowParams) error {
	one, history, err := d.version(ctx, p)
	if err != nil {
		return err
	}
	v := versionOf(one)
	if p.History {
		v.History = versions(history)
	}
	if p.Format == JSON {
		enc := encoder(d.Out)
		enc.SetIndent("", "  ")
		return enc.Encode(v)
	}
	return d.writeVersion(one, v)
}

// version finds the version that was asked for, and the history with it where
// that is needed.
func (d *Destinations) version(ctx context.Context, p ShowParams) (*registry.Stored, []*registry.Stored, error) {
	if p.Revision == 0 && !p.History {
		one, err := d.get(ctx, p.ID)
		return one, nil, err
	}
	history, err := d.Store.History(ctx, p.ID)
	switch {
	case err != nil:
		return nil, nil, err
	case p.Revision == 0:
		one, err := d.get(ctx, p.ID)
		if errors.Is(err, registry.ErrNotFound) && len(history) > 0 {
			return history[len(history)-1], history, nil // deleted, which is what it tells
		}
		return one, history, err
	}
	for _, s := range history {
		if s.Revision == p.Revision {
			return s, history, nil
		}
	}
	return nil, nil, fmt.Errorf("%s: revision %d is not kept (any more); --history shows those that are", p.ID, p.Revision)
}

func versions(history []*registry.Stored) []Version {
	all := make([]Version, len(history))
	var before *registry.Stored
	for i, s := range history {
		all[i] = versionOf(s)
		if before != nil && before.Destination != nil && s.Destination != nil {
			all[i].Changes = Changes(before.Destination, s.Destination)
		}
		all[i].Destination = nil
		before = s
	}
	return all
}

func (d *Destinations) writeVersion(s *registry.Stored, v Version) error {
	fmt.Fprintf(d.Out, "# %s, revision %d%s\n", s.ID, v.Revision, written(v))
	for line := range strings.Lines(v.Problem) {
		fmt.Fprintf(d.Out, "# problem: %s\n", visible(strings.TrimSpace(line)))
	}
	if v.Plain {
		fmt.Fprintln(d.Out, "# a secret is stored in plain; hogcast secrets rotate mends it")
	}
	if len(v.SealedWith) > 0 {
		fmt.Fprintf(d.Out, "# sealed with master key %s\n", strings.Join(v.SealedWith, ", "))
	}
	if err := d.writeHistory(v.History); err != nil || v.Destination == nil {
		return err
	}
	var text bytes.Buffer
	enc := yaml.NewEncoder(&text)
	enc.SetIndent(2)
	if err := errors.Join(enc.Encode(v.Destination), enc.Close()); err != nil {
		return err
	}
	_, err := d.Out.Write(text.Bytes())
	return err
}

func written(v Version) string {
	text := ", written at " + stamp(v.ChangedAt)
	if v.Deleted {
		text = ", deleted at " + stamp(v.ChangedAt)
	}
	if v.ChangedBy != "" {
		text += " by " + visible(v.ChangedBy)
	}
	if v.Note != "" {
		text += ": " + visible(v.Note)
	}
	return text
}

// writeHistory writes versions as comments, so that the whole stays YAML.
func (d *Destinations) writeHistory(all []Version) error {
	if len(all) == 0 {
		return nil
	}
	fmt.Fprintln(d.Out, "# history, oldest first:")
	for _, v := range all {
		note := ""
		if v.Note != "" {
			note = ": " + visible(v.Note)
		}
		fmt.Fprintf(d.Out, "#   %d  %s  %-20s  %s%s\n", v.Revision, stamp(v.ChangedAt), visible(dash(v.ChangedBy)), dash(string(v.Action)), note)
		if v.Problem != "" {
			fmt.Fprintf(d.Out, "#       %s\n", visible(strings.ReplaceAll(v.Problem, "\n", "; ")))
		}
		if err := writeChanges(d.Out, "#       ", v.Changes); err != nil {
			return err
		}
	}
	return nil
}
