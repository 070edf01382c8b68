package admin

import (
	"bufio"
	"context"
	"io"

	"github.com/hogcast/hogcast/pkg/deadletter"
)

// ExportDeadParams say which dead letters to export, and where.
type ExportDeadParams struct {
	Filter   deadletter.Filter
	Out      io.Writer        // gets a line of JSON for each, oldest first
	Progress func(done int64) // may be nil
}

// ExportDead writes letters whole, with their records, and returns how many.
func ExportDead(ctx context.Context, r *deadletter.Reader, p ExportDeadParams) (n int64, err error) {
	out := bufio.NewWriterSize(p.Out, 1<<20)
	lines := encoder(out)
	err = r.Each(ctx, p.Filter, true, func(s *deadletter.Stored) error {
		l, err := DescribeLetter(s)
		if err != nil {
			return err
		}
		if err := lines.Encode(l); err != nil {
			return err
		}
		if n++; p.Progress != nil {
			p.Progress(n)
		}
		return nil
	})
	if err != nil {
		return n, err
	}
	return n, out.Flush()
}

// CountDead counts what matches: by the server's count where it can, else by
// reading headers.
func CountDead(ctx context.Context, r *deadletter.Reader, f deadletter.Filter) (n uint64, err error) {
	if f.BySubject() {
		counts, err := r.Counts(ctx, f)
		return sum(counts), err
	}
	err = r.Each(ctx, f, false, func(*deadletter.Stored) error { n++; return nil })
	return n, err
}
