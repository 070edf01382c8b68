package admin

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/hogcast/hogcast/pkg/registry"
)

// RotateParams say how to encrypt anew.
type RotateParams struct {
	DryRun   bool
	JSON     bool
	Progress func(done, all int) // may be nil
}

// Rotate encrypts the secrets of every destination with the first master key.
// The error is ErrSome where some could not be.
func (d *Destinations) Rotate(ctx context.Context, p RotateParams) error {
	r, err := d.Store.Rotate(ctx, registry.Rotate{By: d.By, DryRun: p.DryRun, Progress: func(r registry.Rotated) {
		if p.Progress != nil {
			p.Progress(r.Done+r.Already+len(r.Left), r.Total)
		}
	}})
	if r.Key == "" {
		return err
	}
	err = d.settled(err)
	if p.JSON {
		err = errors.Join(err, encoder(d.Out).Encode(rotatedOf(r)))
	} else {
		err = errors.Join(err, d.writeRotated(r, p.DryRun))
	}
	if err == nil && len(r.Left) > 0 {
		return ErrSome
	}
	return err
}

// rotated is what came of a rotation, as JSON.
type rotated struct {
	Key       string                  `json:"key"`
	Total     int                     `json:"total"`
	Done      int                     `json:"done"`
	Already   int                     `json:"already"`
	Left      []registry.EntryProblem `json:"left,omitempty"`
	LeftKeyID map[string]int          `json:"left_keys,omitempty"`
}

func rotatedOf(r registry.Rotated) rotated {
	return rotated{r.Key, r.Total, r.Done, r.Already, r.Left, r.LeftKeyID}
}

func (d *Destinations) writeRotated(r registry.Rotated, dry bool) error {
	done := "encrypted anew"
	if dry {
		done = "would be encrypted anew"
	}
	fmt.Fprintf(d.Out, "%s of %s %s with key %s, %s were already, %s left\n",
		thousands(r.Done), plural(r.Total, "destination"), done, r.Key, thousands(r.Already), thousands(len(r.Left)))
	for _, left := range r.Left {
		problem := strings.ReplaceAll(strings.ReplaceAll(left.Problem, left.Where+": ", ""), "\n", "; ")
		fmt.Fprintf(d.Out, "left: %s\n", visible(problem+" ("+left.Where+")"))
	}
	stopped := r.Done+r.Already+len(r.Left) < r.Total
	var err error
	switch {
	case stopped:
		_, err = fmt.Fprintln(d.Out, "stopped before its end; the same command goes on")
	case len(r.Left) > 0 && len(r.LeftKeyID) > 0:
		_, err = fmt.Fprintf(d.Out, "keys still needed beside %s: %s\n", r.Key, strings.Join(slices.Sorted(maps.Keys(r.LeftKeyID)), ", "))
	case !dry && len(r.Left) == 0:
		_, err = fmt.Fprintf(d.Out, "no other key than %s is needed any more\n", r.Key)
	}
	return err
}

// KeyUse is how a master key is used.
type KeyUse struct {
	Key        string `json:"key"` // its id; "" for secrets in plain
	Entries    int    `json:"entries"`
	Unreadable int    `json:"unreadable"` // of them
	Given      bool   `json:"given"`      // it is on the ring
	First      bool   `json:"first"`      // it encrypts
}

// CheckSecrets shows which master keys the stored secrets need, and what can't
// be read. The error is ErrSome where something can't, or is in plain though
// there is a key.
func (d *Destinations) CheckSecrets(ctx context.Context, asJSON bool) error {
	all, err := d.Store.List(ctx, "")
	if err != nil {
		return err
	}
	uses, bad := d.uses(all)
	if asJSON {
		for _, u := range uses {
			if err := encoder(d.Out).Encode(u); err != nil {
				return err
			}
		}
	} else if err := d.writeUses(uses, bad, len(all)); err != nil {
		return err
	}
	for _, u := range uses {
		if u.Unreadable > 0 || u.Key == "" && u.Entries > 0 && d.Keys.Ring() != nil {
			return ErrSome
		}
	}
	return nil
}

func (d *Destinations) uses(all []*registry.Stored) (uses []*KeyUse, unreadable []*registry.Stored) {
	ring := d.Keys.Ring()
	byID := map[string]*KeyUse{}
	use := func(id string) *KeyUse {
		if byID[id] == nil {
			byID[id] = &KeyUse{Key: id}
		}
		return byID[id]
	}
	for id := range strings.SplitSeq(ring.String(), ", ") {
		if ring != nil {
			use(id).Given = true
			use(id).First = id == ring.First()
		}
	}
	for _, s := range all {
		failed := errors.Is(s.Problem, registry.ErrSecretUnreadable)
		if failed {
			unreadable = append(unreadable, s)
		}
		keys := slices.Compact(slices.Sorted(slices.Values(s.KeyIDs)))
		if s.Plain {
			keys = append(keys, "")
		}
		for _, id := range keys {
			use(id).Entries++
			if failed && id != "" {
				use(id).Unreadable++
			}
		}
	}
	return slices.SortedFunc(maps.Values(byID), func(a, b *KeyUse) int { return cmp.Compare(a.Key, b.Key) }), unreadable
}

func (d *Destinations) writeUses(uses []*KeyUse, unreadable []*registry.Stored, entries int) error {
	table := tabwriter.NewWriter(d.Out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "KEY\tENTRIES\tUNREADABLE\t")
	for _, u := range uses {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", u.name(), thousands(u.Entries), thousands(u.Unreadable), u.words())
	}
	if err := table.Flush(); err != nil {
		return err
	}
	const most = 20
	for i, s := range unreadable {
		if i == most {
			fmt.Fprintf(d.Out, "and %s more that can't be read\n", thousands(len(unreadable)-most))
			break
		}
		fmt.Fprintf(d.Out, "unreadable: %s\n", visible(s.Problem.Error()))
	}
	_, err := fmt.Fprintf(d.Out, "%s in all\n", plural(entries, "destination"))
	return err
}

func (u *KeyUse) name() string {
	if u.Key == "" {
		return "(plain)"
	}
	return u.Key
}

func (u *KeyUse) words() string {
	switch {
	case u.Key == "":
		return "not encrypted; hogcast secrets rotate mends it"
	case u.First:
		return "encrypts"
	case !u.Given:
		return "not given here"
	case u.Entries == 0:
		return "not needed any more"
	}
	return "decrypts"
}
