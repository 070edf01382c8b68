package deadletter_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sync/errgroup"

	"github.com/hogcast/hogcast/pkg/deadletter"
	"github.com/hogcast/hogcast/pkg/outcome"
	"github.com/hogcast/hogcast/pkg/queue"
)

// many buries n letters, of which every hundredth is beta's.
func many(t *testing.T, conn *queue.Conn, n int) *deadletter.Reader {
	t.Helper()
	writer := deadletter.NewWriter(conn, 1<<20)
	var writing errgroup.Group
	writing.SetLimit(64)
	for i := 1; i <= n; i++ {
		tenant := "acme"
		if i%100 == 0 {
			tenant = "beta"
		}
		writing.Go(func() error {
			_, err := writer.Write(t.Context(), letter(i, tenant, "main", outcome.Dropped, fmt.Sprintf("rejected %d", i%10)))
			return err
		})
	}
	if err := writing.Wait(); err != nil {
		t.Fatal(err)
	}
	return deadletter.NewReader(conn)
}

func TestTheNewestComeFirstWithoutReadingAll(t *testing.T) {
	t.Parallel()
	reader := many(t, connect(t), 3000)
	for name, tt := range map[string]struct {
		filter deadletter.Filter
		limit  int
	}{
		"all":                      {deadletter.Filter{}, 0},
		"ten":                      {deadletter.Filter{}, 10},
		"a sparse tenant's":        {deadletter.Filter{Tenant: "beta"}, 5},
		"all of a sparse tenant's": {deadletter.Filter{Tenant: "beta"}, 0},
		"by text":                  {deadletter.Filter{Text: "rejected 7"}, 50},
		"through a sequence":       {deadletter.Filter{Through: 1500}, 20},
		"nobody's":                 {deadletter.Filter{Tenant: "nobody"}, 0},
	} {
		var want, got []uint64
		if err := reader.Each(t.Context(), tt.filter, false, func(s *deadletter.Stored) error {
			want = append(want, s.Sequence)
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		slices.Reverse(want)
		if tt.limit > 0 {
			want = want[:tt.limit]
		}
		if err := reader.Newest(t.Context(), tt.filter, tt.limit, func(s *deadletter.Stored) error {
			got = append(got, s.Sequence)
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestTheNewestAreFoundWithinATime(t *testing.T) {
	t.Parallel()
	reader := many(t, connect(t), 300)
	var times []*deadletter.Stored
	if err := reader.Each(t.Context(), deadletter.Filter{}, false, func(s *deadletter.Stored) error {
		times = append(times, s)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	f := deadletter.Filter{Since: times[99].Time, Until: times[200].Time}
	var got []uint64
	if err := reader.Newest(t.Context(), f, 0, func(s *deadletter.Stored) error {
		got = append(got, s.Sequence)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if len(got) != 101 || got[0] != 200 || got[100] != 100 {
		t.Errorf("got %d letters: %v", len(got), got)
	}
}

func TestPagesHoldEveryLetterOnce(t *testing.T) {
	t.Parallel()
	reader := many(t, connect(t), 1000)
	for _, f := range []deadletter.Filter{{}, {Tenant: "beta"}, {Text: "rejected 3"}, {Through: 555}, {Tenant: "nobody"}} {
		var want, got []uint64
		if err := reader.Each(t.Context(), f, false, func(s *deadletter.Stored) error {
			want = append(want, s.Sequence)
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		page := deadletter.Page{Next: 1}
		for !page.Done {
			var err error
			if page, err = reader.Page(t.Context(), f, page.Next, 64); err != nil {
				t.Fatal(err)
			}
			for _, s := range page.Letters {
				got = append(got, s.Sequence)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", f, diff)
		}
	}
}
