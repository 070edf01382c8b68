package admin

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/hogcast/hogcast/pkg/audit"
	"github.com/hogcast/hogcast/pkg/registry"
)

// ExportParams say which destinations to export.
type ExportParams struct {
	Tenant string // "": all
	// Reveal has secrets in it as they are, which the audit trail tells.
	Reveal bool
}

// Export writes destinations as a file that workers and apply read. Entries that
// can't be read are told of and left out; then the error is ErrSome.
func (d *Destinations) Export(ctx context.Context, p ExportParams) error {
	all, err := d.Store.List(ctx, p.Tenant)
	if err != nil {
		return err
	}
	var forms []registry.Form
	leftOut := 0
	for _, s := range all {
		unreadable := errors.Is(s.Problem, registry.ErrSecretUnreadable)
		if s.Destination == nil || unreadable && p.Reveal {
			leftOut++
			d.warn("left out: %s", strings.ReplaceAll(s.Problem.Error(), "\n", "; "))
			continue
		}
		forms = append(forms, registry.FormOf(s.Destination, registry.Secrets(p.Reveal)))
	}
	if p.Reveal {
		// Nothing is revealed that the trail does not tell of.
		err := d.note(ctx, audit.Record{
			Action: audit.SecretsRevealed, Tenant: p.Tenant, Note: fmt.Sprintf("exported with the secrets of %s", plural(len(forms), "destination")),
		})
		if err != nil {
			return fmt.Errorf("nothing was exported: %w", err)
		}
	}
	text, err := registry.YAML(forms...)
	if err != nil {
		return err
	}
	if _, err := d.Out.Write(text); err != nil {
		return err
	}
	if leftOut > 0 {
		return ErrSome
	}
	return nil
}
