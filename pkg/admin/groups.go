package admin

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/hogcast/hogcast/pkg/deadletter"
)

// group is what letters share.
type group struct {
	Key     string            `json:"key"`
	Count   uint64            `json:"count"`
	Tenants int               `json:"tenants"`
	First   time.Time         `json:"first,omitzero"`
	Last    time.Time         `json:"last,omitzero"`
	tenants map[string]bool   // by name
	filter  deadletter.Filter // chooses them, where their subjects do
}

// groups are counted letters.
type groups struct {
	by  string
	all map[string]*group
}

// maxGroups bounds the causes that are told apart; what is beyond is counted as
// otherCauses.
const (
	maxGroups   = 10_000
	otherCauses = "(other causes)"
)

func (g *groups) add(key string, tenant string, n uint64) *group {
	one := g.all[key]
	if one == nil && g.by == byCause && len(g.all) >= maxGroups {
		key = otherCauses
		one = g.all[key]
	}
	if one == nil {
		one = &group{Key: key, tenants: map[string]bool{}}
		g.all[key] = one
	}
	one.Count += n
	one.tenants[tenant] = true
	one.Tenants = len(one.tenants)
	return one
}

const byCause = "cause"

// countDead counts letters by what they share: where their subjects tell, by
// the server's own count, without reading one.
func countDead(ctx context.Context, r *deadletter.Reader, p ListDeadParams) error {
	g := groups{by: p.By, all: map[string]*group{}}
	bySubject := p.By != byCause && p.Filter.BySubject()
	count := g.read
	if bySubject {
		count = g.ask
	}
	if err := count(ctx, r, p.Filter); err != nil {
		return err
	}
	sorted := slices.SortedFunc(maps.Values(g.all), func(a, b *group) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Key, b.Key))
	})
	shown := sorted
	if p.Limit > 0 && len(sorted) > p.Limit {
		shown = sorted[:p.Limit]
	}
	if bySubject {
		if err := seen(ctx, r, shown); err != nil {
			return err
		}
	}
	return writeGroups(shown, len(sorted), p)
}

// read counts letters by their headers.
func (g *groups) read(ctx context.Context, r *deadletter.Reader, f deadletter.Filter) error {
	return r.Each(ctx, f, false, func(s *deadletter.Stored) error {
		key := s.Cause()
		if g.by != byCause {
			key = keyOf(s.Key, g.by)
		}
		one := g.add(key, s.Tenant, 1)
		if one.First.IsZero() {
			one.First = s.Time
		}
		one.Last = s.Time
		return nil
	})
}

// ask counts letters by their subjects.
func (g *groups) ask(ctx context.Context, r *deadletter.Reader, f deadletter.Filter) error {
	counts, err := r.Counts(ctx, f)
	for key, n := range counts {
		g.add(keyOf(key, g.by), key.Tenant, n).filter = within(f, key, g.by)
	}
	return err
}

// seenAtOnce is how many groups are asked for at once.
const seenAtOnce = 16

// seen finds when the first and the last letter of each group were buried.
func seen(ctx context.Context, r *deadletter.Reader, all []*group) error {
	var asking errgroup.Group
	asking.SetLimit(seenAtOnce)
	for _, one := range all {
		asking.Go(func() (err error) {
			one.First, one.Last, err = r.Seen(ctx, one.filter)
			return err
		})
	}
	return asking.Wait()
}

func keyOf(k deadletter.Key, by string) string {
	switch by {
	case "tenant":
		return deadletter.Token(k.Tenant)
	case "destination":
		return deadletter.Token(k.Tenant) + "." + deadletter.Token(k.Destination)
	}
	return k.Reason
}

// within narrows a filter to the group that a letter is in.
func within(f deadletter.Filter, k deadletter.Key, by string) deadletter.Filter {
	switch by {
	case "tenant":
		f.Tenant = deadletter.Token(k.Tenant)
	case "destination":
		f.Tenant, f.Destination = deadletter.Token(k.Tenant), deadletter.Token(k.Destination)
	default:
		f.Reason = k.Reason
	}
	return f
}

func writeGroups(shown []*group, all int, p ListDeadParams) error {
	if p.JSON {
		for _, g := range shown {
			if err := encoder(p.Out).Encode(g); err != nil {
				return err
			}
		}
		return nil
	}
	if all == 0 {
		_, err := fmt.Fprintln(p.Out, noneMatch)
		return err
	}
	table := lines{out: p.Out, whole: p.By != byCause}
	table.add("COUNT", "TENANTS", "FIRST", "LAST", map[string]string{
		"tenant": "TENANT", "destination": "DESTINATION", "reason": "REASON", byCause: "CAUSE",
	}[p.By])
	for _, g := range shown {
		table.add(strconv.FormatUint(g.Count, 10), strconv.Itoa(g.Tenants), stamp(g.First), stamp(g.Last), g.Key)
	}
	if err := table.flush(); err != nil || len(shown) == all {
		return err
	}
	_, err := fmt.Fprintf(p.Out, "the largest %s of %s shown; --limit 0 for all\n", thousands(len(shown)), plural(all, p.By))
	return err
}
