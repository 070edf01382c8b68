package admin

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"

	"github.com/hogcast/hogcast/pkg/destination"
	"github.com/hogcast/hogcast/pkg/posthog"
	"github.com/hogcast/hogcast/pkg/registry"
)

// PutParams say what to save.
type PutParams struct {
	Destination *destination.Destination // its secrets may be masked: unchanged
	// Revision is the one that it is a change of, 0 for a new one; nil: the one
	// that is there.
	Revision *uint64
	NoTest   bool // save without Test Connection, which the audit trail tells
	JSON     bool
}

// Saved is what came of a put.
type Saved struct {
	Tenant      string                  `json:"tenant"`
	Destination string                  `json:"destination"`
	Saved       bool                    `json:"saved"`
	Revision    uint64                  `json:"revision,omitempty"`
	Changes     []SettingChange         `json:"changes"`
	Test        *posthog.ConnectionTest `json:"test,omitempty"`
}

// noTestNote is what the audit trail has of a change that was not tested.
const noTestNote = "saved without a test"

// Put shows what would change, tests the connection, and saves where that was
// passed. Errors: ErrTestFailed, ErrTestUndecided, which were told, and those
// of registry.Store.Put.
func (d *Destinations) Put(ctx context.Context, p PutParams) error {
	now, err := d.find(ctx, p.Destination.ID)
	if err != nil {
		return err
	}
	expect := revisionOf(now, p.Revision)
	whole, err := d.check(ctx, p.Destination, expect)
	if err != nil {
		return err
	}
	out := Saved{Tenant: whole.Tenant, Destination: whole.Name, Changes: Changes(destinationOf(now), whole)}
	if len(out.Changes) == 0 && now != nil && now.Problem == nil {
		out.Revision = now.Revision
		return d.told(p, out, "%s: nothing to change; it is at revision %d", whole.ID, now.Revision)
	}
	if err := d.writePlan(p, now, out); err != nil {
		return err
	}
	if err := d.passes(ctx, p, whole, &out); err != nil {
		return err
	}
	put := registry.Put{Destination: whole, Expect: expect, By: d.By}
	if p.NoTest {
		put.Note = noTestNote
	}
	saved, err := d.Store.Put(ctx, put)
	if err = d.settled(err); err != nil {
		return err
	}
	out.Saved, out.Revision = true, saved.Revision
	use := "have it in a moment"
	if whole.Tenant == destination.AnyTenant {
		use = "with --default-destination use it for tenants that have none"
	}
	return d.told(p, out, "saved %s, revision %d; workers %s", whole.ID, saved.Revision, use)
}

// check completes a destination with the secrets that are stored, and judges it.
func (d *Destinations) check(ctx context.Context, dest *destination.Destination, expect uint64) (*destination.Destination, error) {
	return d.Store.Check(ctx, registry.Put{Destination: dest, Expect: expect, By: d.By})
}

func destinationOf(s *registry.Stored) *destination.Destination {
	if s == nil {
		return nil
	}
	return s.Destination
}

func (d *Destinations) told(p PutParams, out Saved, format string, args ...any) error {
	if p.JSON {
		return encoder(d.Out).Encode(out)
	}
	_, err := fmt.Fprintf(d.Out, format+"\n", args...)
	return err
}

func (d *Destinations) writePlan(p PutParams, now *registry.Stored, out Saved) error {
	if p.JSON {
		return nil
	}
	id := p.Destination.ID
	switch {
	case now == nil:
		fmt.Fprintf(d.Out, "+ %s\n", id)
	case now.Destination == nil:
		fmt.Fprintf(d.Out, "~ %s, whose revision %d can't be read, so that it is replaced as a whole\n", id, now.Revision)
	default:
		fmt.Fprintf(d.Out, "~ %s, revision %d%s\n", id, now.Revision, written(versionOf(now)))
	}
	return writeChanges(d.Out, "    ", out.Changes)
}

// passes tests what is to be saved, unless that is not wanted.
func (d *Destinations) passes(ctx context.Context, p PutParams, whole *destination.Destination, out *Saved) error {
	if p.NoTest {
		return nil
	}
	test := d.Tester.TestConnection(ctx, whole)
	out.Test = test
	if !p.JSON {
		if err := writeTest(d.Out, test); err != nil {
			return err
		}
	}
	err := testError(test.Result)
	if err == nil {
		return nil
	}
	return errors.Join(err, d.told(p, *out, "not saved: mend what has failed, or test again; --no-test saves without a test, which the audit trail tells"))
}

// Settings are those that a put names; nil is unchanged, or the default of a
// new destination.
type Settings struct {
	Enabled, Paused, PrivacyMode, SampleErrors *bool
	APIKey, UserHashKey                        *destination.Secret
	Endpoint, Protocol, Region, CA, HoldMax    *string
	SamplingRate, MaxRate                      *float64
	MaxConcurrency                             *int
	// Of a list nil is unchanged, and one empty member makes it empty.
	IncludeKeys, ExcludeKeys, AllowMetadata, DenyMetadata, Redact []string
}

// Empty reports that nothing is said.
func (s Settings) Empty() bool { return reflect.ValueOf(s).IsZero() }

// With makes the next version of a destination of what is stored and of what is
// said anew. A bad entry counts for none.
func (d *Destinations) With(ctx context.Context, id destination.ID, s Settings) (*destination.Destination, error) {
	now, err := d.find(ctx, id)
	if err != nil {
		return nil, err
	}
	base := &destination.Destination{
		ID: id, Enabled: true, Endpoint: destination.EndpointUS, Protocol: destination.Auto, SamplingRate: 1,
	}
	if now != nil && now.Destination != nil {
		base = now.Destination
	}
	form := registry.FormOf(base, registry.Masked)
	s.over(&form)
	text, err := form.JSON("")
	if err != nil {
		return nil, err
	}
	loaded, err := registry.ParseUpdates("settings", text)
	if err != nil {
		return nil, err
	}
	if len(loaded.Problems) > 0 {
		return nil, problemsOf(loaded.Problems)
	}
	return loaded.Destinations[0], nil
}

// ErrSettings says that settings that were given have not their form.
var ErrSettings = errors.New("settings")

// problemsOf joins what is wrong with settings; there is no file whose lines
// would help.
func problemsOf(problems []*registry.Problem) error {
	errs := make([]error, len(problems))
	for i, p := range problems {
		errs[i] = errors.New(p.Text)
	}
	return fmt.Errorf("%w: %w", ErrSettings, errors.Join(errs...))
}

func overlay[T any](into *T, value *T) {
	if value != nil {
		*into = *value
	}
}

// over lays the settings over a form.
func (s Settings) over(f *registry.Form) {
	overlay(&f.Enabled, s.Enabled)
	overlay(&f.Paused, s.Paused)
	overlay(&f.PrivacyMode, s.PrivacyMode)
	overlay(&f.SampleErrors, s.SampleErrors)
	overlay(&f.Endpoint, s.Endpoint)
	overlay(&f.Protocol, s.Protocol)
	overlay(&f.Region, s.Region)
	overlay(&f.CA, s.CA)
	overlay(&f.HoldMax, s.HoldMax)
	overlay(&f.SamplingRate, s.SamplingRate)
	overlay(&f.MaxRate, s.MaxRate)
	overlay(&f.MaxConcurrency, s.MaxConcurrency)
	if s.APIKey != nil {
		f.APIKey = s.APIKey.Reveal()
	}
	s.filters(f)
	s.privacy(f)
}

func (s Settings) filters(f *registry.Form) {
	if s.IncludeKeys == nil && s.ExcludeKeys == nil {
		return
	}
	if f.APIKeys == nil {
		f.APIKeys = &registry.FilterForm{}
	}
	relist(&f.APIKeys.Include, s.IncludeKeys)
	relist(&f.APIKeys.Exclude, s.ExcludeKeys)
}

func (s Settings) privacy(f *registry.Form) {
	if s.UserHashKey == nil && s.AllowMetadata == nil && s.DenyMetadata == nil && s.Redact == nil {
		return
	}
	if f.Privacy == nil {
		f.Privacy = &registry.PrivacyForm{}
	}
	if s.UserHashKey != nil {
		f.Privacy.UserHashKey = s.UserHashKey.Reveal()
	}
	if s.AllowMetadata != nil || s.DenyMetadata != nil {
		if f.Privacy.Metadata == nil {
			f.Privacy.Metadata = &registry.MetadataForm{}
		}
		relist(&f.Privacy.Metadata.Allow, s.AllowMetadata)
		relist(&f.Privacy.Metadata.Deny, s.DenyMetadata)
	}
	if s.Redact != nil {
		f.Privacy.Redact = nil
		for _, p := range s.Redact {
			// NAME of a built-in pattern, or NAME=EXPRESSION.
			if name, expr, _ := strings.Cut(p, "="); name != "" {
				f.Privacy.Redact = append(f.Privacy.Redact, registry.PatternForm{Name: name, Pattern: expr})
			}
		}
	}
}

func relist(into *[]string, members []string) {
	switch {
	case members == nil:
	case len(members) == 1 && members[0] == "":
		*into = nil
	default:
		*into = members
	}
}
