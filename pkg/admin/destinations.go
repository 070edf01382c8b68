package admin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/hogcast/hogcast/pkg/audit"
	"github.com/hogcast/hogcast/pkg/destination"
	"github.com/hogcast/hogcast/pkg/posthog"
	"github.com/hogcast/hogcast/pkg/queue"
	"github.com/hogcast/hogcast/pkg/registry"
	"github.com/hogcast/hogcast/pkg/seal"
)

// Destinations are an operator's hands on the destinations in the bucket, and on
// what is held for them. Every field but Keys and Tester is required. Not for concurrent
// use.
type Destinations struct {
	Conn   *queue.Conn
	Store  *registry.Store
	Keys   *seal.Keys // that Store has; nil: none
	Trail  *audit.Trail
	Tester Tester // of connections; nil where nothing is tested
	By     string // who does this; see audit.CheckBy
	Out    io.Writer
	Notes  io.Writer // warnings and what goes on meanwhile
}

// Tester tests destinations; a *posthog.Sender does.
type Tester interface {
	TestConnection(ctx context.Context, dest *destination.Destination) *posthog.ConnectionTest
	SendTestTrace(ctx context.Context, dest *destination.Destination) *posthog.TraceTest
}

// Confirm asks somebody; an error is no. A nil one is asked nothing: yes.
type Confirm func(question string) error

// Ask asks; nil is yes.
func (c Confirm) Ask(format string, args ...any) error {
	if c == nil {
		return nil
	}
	return c(fmt.Sprintf(format, args...))
}

// ErrSome says that some of what was asked for has failed; each was told.
var ErrSome = errors.New("not all of it was done")

// ParseID reads `TENANT.NAME`, or `TENANT` for its destination "default".
func ParseID(text string) (destination.ID, error) {
	tenant, name, ok := strings.Cut(text, ".")
	if !ok {
		name = destination.DefaultName
	}
	if tenant != destination.AnyTenant && !destination.ValidName(tenant) || !destination.ValidName(name) {
		return destination.ID{}, fmt.Errorf("%q is not TENANT.NAME: letters, digits, _ and -, each at most 64, beginning with a letter or digit", text)
	}
	return destination.ID{Tenant: tenant, Name: name}, nil
}

// get reads one destination; that there is none says where to look.
func (d *Destinations) get(ctx context.Context, id destination.ID) (*registry.Stored, error) {
	now, err := d.Store.Get(ctx, id)
	if errors.Is(err, registry.ErrNotFound) {
		return nil, fmt.Errorf("%w; hogcast destinations list --tenant %s shows those that there are", err, id.Tenant)
	}
	return now, err
}

// find is get, and nil where there is none.
func (d *Destinations) find(ctx context.Context, id destination.ID) (*registry.Stored, error) {
	now, err := d.Store.Get(ctx, id)
	if errors.Is(err, registry.ErrNotFound) {
		return nil, nil //nolint:nilnil // none is an answer here
	}
	return now, err
}

// Fresh reports that there is no such destination yet.
func (d *Destinations) Fresh(ctx context.Context, id destination.ID) (bool, error) {
	now, err := d.find(ctx, id)
	return now == nil, err
}

// note tells the audit trail of what is no change of a destination's settings.
func (d *Destinations) note(ctx context.Context, r audit.Record) error {
	r.At, r.By = time.Now(), d.By
	return Note(ctx, d.Trail, r)
}

func (d *Destinations) warn(format string, args ...any) {
	fmt.Fprintf(d.Notes, "warning: "+format+"\n", args...)
}

// settled passes on what went wrong with a change. One that was made and is not
// in the trail is a warning: to make it again would change nothing.
func (d *Destinations) settled(err error) error {
	if errors.Is(err, registry.ErrNotAudited) {
		d.warn("%s", err)
		return nil
	}
	return err
}

// revisionOf is what a change has to expect: the revision that was given, else
// the one that was read.
func revisionOf(now *registry.Stored, given *uint64) uint64 {
	switch {
	case given != nil:
		return *given
	case now == nil:
		return 0
	}
	return now.Revision
}

// sleep waits, or until ctx ends.
func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(d):
		return nil
	}
}
