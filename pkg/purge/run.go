package purge

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/hogcast/hogcast/pkg/audit"
)

// RunParams say how an erasure is carried out before somebody's eyes.
type RunParams struct {
	Params
	Trail  *audit.Trail
	By     string // who does this; see audit.CheckBy
	DryRun bool   // counts alone
	JSON   bool   // one object at the end, instead of tables
	// Confirm asks somebody, who is to type the answer; an error is no. nil: yes.
	Confirm func(question, answer string) error
	Out     io.Writer
	Notes   io.Writer // warnings
}

// ErrLeft says that something is left, or may be, as was told.
var ErrLeft = errors.New("not everything is erased")

// Run counts, shows what would go, asks, erases, counts again and leaves an
// audit record. ErrLeft where a run for real leaves something that it has found,
// or could not tell.
func Run(ctx context.Context, r RunParams) error {
	p, err := New(r.Params)
	if err != nil {
		return err
	}
	report, err := p.Count(ctx)
	if err != nil {
		return err
	}
	report.DryRun = r.DryRun
	if !r.JSON {
		if err := r.found(report); err != nil {
			return err
		}
	}
	if r.DryRun {
		return r.told(report, false)
	}
	erased := report
	if p.goes(report) > 0 {
		if erased, err = r.erase(ctx, p, report); err != nil {
			return err
		}
	}
	if err := r.note(ctx, erased, nil); err != nil {
		fmt.Fprintf(r.Notes, "warning: done, but not in the audit trail: %s\n", err)
	}
	if err := r.told(erased, p.goes(report) > 0); err != nil {
		return err
	}
	if sum := erased.Sum(); sum.Left+sum.Unreadable+sum.Hashed > 0 {
		return ErrLeft
	}
	return nil
}

// goes is how many of what was found are to go.
func (p *Purge) goes(r *Report) uint64 {
	sum := r.Sum()
	n := sum.Found
	if p.Unreadable {
		n += sum.Unreadable
	}
	if p.Hashed {
		n += sum.Hashed
	}
	return n
}

func (r RunParams) what() string {
	if r.User == "" {
		return "tenant " + r.Tenant
	}
	return "this user of tenant " + r.Tenant
}

func (r RunParams) found(report *Report) error {
	sum := report.Sum()
	if sum.Found+sum.Unreadable+sum.Hashed == 0 {
		_, err := fmt.Fprintf(r.Out, "nothing is stored of %s\n", r.what())
		return err
	}
	return report.WriteFound(r.Out)
}

// erase asks, erases, and counts again.
func (r RunParams) erase(ctx context.Context, p *Purge, found *Report) (*Report, error) {
	if r.Confirm != nil {
		question := fmt.Sprintf("Erase %d of %s for good? Type the tenant's name: ", p.goes(found), r.what())
		if err := r.Confirm(question, r.Tenant); err != nil {
			return nil, err
		}
	}
	erased, err := p.Erase(ctx)
	if err == nil {
		var again *Report
		if again, err = p.Count(ctx); err == nil {
			erased.Recount(again)
			return erased, nil
		}
	}
	// What was erased is gone, whatever stopped the rest.
	return nil, errors.Join(fmt.Errorf("broken off after %d were erased; run it again: %w", erased.Sum().Erased, err), r.note(ctx, erased, err))
}

// note leaves the record of what was done.
func (r RunParams) note(ctx context.Context, report *Report, failed error) error {
	note := report.Note()
	if failed != nil {
		note = "broken off: " + note
	}
	now := time.Now()
	id := "purged/" + r.Tenant + "/" + strconv.FormatInt(now.UnixNano(), 10)
	return r.Trail.Append(context.WithoutCancel(ctx), id, audit.Record{
		At: now, By: r.By, Action: audit.Purged, Tenant: r.Tenant, Note: note,
	})
}

// told shows the outcome.
func (r RunParams) told(report *Report, erased bool) error {
	report.Total = report.Sum()
	report.Notes = r.notes(report)
	if r.JSON {
		enc := json.NewEncoder(r.Out)
		enc.SetEscapeHTML(false)
		return enc.Encode(report)
	}
	if erased {
		fmt.Fprintln(r.Out)
		if err := report.WriteErased(r.Out); err != nil {
			return err
		}
	}
	for _, note := range report.Notes {
		if _, err := fmt.Fprintf(r.Out, "- %s\n", note); err != nil {
			return err
		}
	}
	return nil
}

// notes are what an erasure does not reach.
func (r RunParams) notes(report *Report) []string {
	notes := r.untold(report)
	if r.User == "" {
		notes = append(notes,
			"stop its publishers and disable its destinations first (hogcast destinations disable): what comes after this becomes dead letters (no_destination)",
			"destinations that workers read from files stay there")
	} else {
		notes = append(notes, "only a record's `user` is compared; what content and metadata say of somebody is not looked for")
	}
	return append(notes,
		"a record that a worker has in hand may still be delivered, held or dead-lettered anew: run this again until it finds nothing",
		r.disks(),
		"audit entries stay: hogcast audit --tenant "+r.Tenant,
		"what PostHog has got must be erased there")
}

// untold says what could not be told, and what helps.
func (r RunParams) untold(report *Report) (notes []string) {
	sum := report.Total
	if sum.Unreadable > 0 {
		notes = append(notes, records(sum.Unreadable)+" can't be read, so that nobody can tell whose: --include-unreadable erases them, too")
	}
	if sum.Hashed > 0 {
		notes = append(notes, records(sum.Hashed)+" with a user who is hashed under a key that is not known here: give the master keys (--secrets-key-file), "+
			"or the workers' --destinations; --include-hashed erases them, whosever they are")
	}
	for _, id := range r.Hashes.Sealed {
		notes = append(notes, fmt.Sprintf("%s: a user_hash_key of it can't be decrypted here, so that what is hashed under it was not looked for", id))
	}
	return notes
}

// records is `1 record`, `2 records`.
func records(n uint64) string {
	if n == 1 {
		return "1 record"
	}
	return fmt.Sprintf("%d records", n)
}

func (r RunParams) disks() string {
	if r.User == "" && !r.Overwrite {
		return "NATS keeps deleted bytes on its disks until it compacts their files (--overwrite overwrites the records), and so do backups"
	}
	return "records are overwritten on the disks of NATS; its Raft logs have them until their next snapshot, and backups longer"
}
