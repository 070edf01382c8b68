package admin

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"text/tabwriter"

	"golang.org/x/sync/errgroup"

	"github.com/hogcast/hogcast/pkg/deadletter"
	"github.com/hogcast/hogcast/pkg/queue"
)

// Drop is what is to be dropped: shown first, then done.
type Drop struct {
	Total     uint64
	By        map[deadletter.Key]uint64
	Missing   []uint64 // letters that were named and are not there
	filter    deadletter.Filter
	sequences []uint64 // where letters were named
}

// PlanDrop finds what a filter, or a list of letters, would drop. It is for the
// letters that are there now: one that comes later stays.
func PlanDrop(ctx context.Context, r *deadletter.Reader, f deadletter.Filter, sequences []uint64) (*Drop, error) {
	d := &Drop{By: map[deadletter.Key]uint64{}, filter: f}
	if len(sequences) > 0 {
		return d, d.named(ctx, r, sequences)
	}
	last, err := r.Last(ctx)
	if err != nil {
		return nil, err
	}
	d.filter.Through = last
	if f.BySubject() {
		d.By, err = r.Counts(ctx, f)
		d.Total = sum(d.By)
		return d, err
	}
	err = r.Each(ctx, d.filter, false, func(s *deadletter.Stored) error {
		d.add(s)
		return nil
	})
	return d, err
}

func (d *Drop) named(ctx context.Context, r *deadletter.Reader, sequences []uint64) error {
	slices.Sort(sequences)
	for _, sequence := range slices.Compact(sequences) {
		s, err := r.Get(ctx, sequence)
		switch {
		case errors.Is(err, queue.ErrNoMessage):
			d.Missing = append(d.Missing, sequence)
		case err != nil:
			return err
		default:
			d.add(s)
			d.sequences = append(d.sequences, sequence)
		}
	}
	return nil
}

func (d *Drop) add(s *deadletter.Stored) {
	d.Total++
	d.By[s.Key]++
}

// maxKeys bounds the lines in which a drop is shown.
const maxKeys = 20

// Write shows what would go, the most first.
func (d *Drop) Write(out io.Writer) error {
	for _, sequence := range d.Missing {
		fmt.Fprintf(out, "letter %d: there is none\n", sequence)
	}
	if d.Total == 0 {
		_, err := fmt.Fprintln(out, noneMatch)
		return err
	}
	keys := slices.SortedFunc(maps.Keys(d.By), func(a, b deadletter.Key) int {
		return cmp.Or(cmp.Compare(d.By[b], d.By[a]), cmp.Compare(a.Tenant, b.Tenant), cmp.Compare(a.Destination, b.Destination), cmp.Compare(a.Reason, b.Reason))
	})
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "COUNT\tTENANT\tDESTINATION\tREASON")
	for _, k := range keys[:min(len(keys), maxKeys)] {
		fmt.Fprintf(table, "%d\t%s\t%s\t%s\n", d.By[k], deadletter.Token(k.Tenant), deadletter.Token(k.Destination), k.Reason)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	if len(keys) > maxKeys {
		fmt.Fprintf(out, "and %s more\n", plural(len(keys)-maxKeys, "line"))
	}
	_, err := fmt.Fprintf(out, "%s in all\n", plural(d.Total, "dead letter"))
	return err
}

// droppedAtOnce is how many letters are deleted at once, where each is deleted
// on its own.
const droppedAtOnce = 32

// Do deletes for good what the plan has. Progress may be nil; it is called by
// one caller at a time.
func (d *Drop) Do(ctx context.Context, r *deadletter.Reader, progress func(done int64)) error {
	if d.Total == 0 {
		return nil
	}
	if d.sequences == nil && d.filter.BySubject() {
		return r.Purge(ctx, d.filter)
	}
	// What is deleted meanwhile would only be passed over.
	dropping, ctx := errgroup.WithContext(ctx)
	dropping.SetLimit(droppedAtOnce)
	done := int64(0)
	one := func(sequence uint64) error {
		dropping.Go(func() error { return r.Drop(ctx, sequence) })
		if done++; progress != nil {
			progress(done)
		}
		return ctx.Err()
	}
	err := d.each(ctx, r, one)
	return errors.Join(dropping.Wait(), err)
}

func (d *Drop) each(ctx context.Context, r *deadletter.Reader, use func(sequence uint64) error) error {
	if d.sequences == nil {
		return r.Each(ctx, d.filter, false, func(s *deadletter.Stored) error { return use(s.Sequence) })
	}
	for _, sequence := range d.sequences {
		if err := use(sequence); err != nil {
			return err
		}
	}
	return nil
}
