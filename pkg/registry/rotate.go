package registry

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/hogcast/hogcast/pkg/audit"
)

// Rotate is what to encrypt anew.
type Rotate struct {
	By   string
	Note string
	// Progress, if set, is called after each destination.
	Progress func(Rotated)
	// DryRun only counts.
	DryRun bool
}

// Rotated is what came of it.
type Rotated struct {
	Key       string // id of the master key that all are sealed with now
	Total     int
	Done      int // encrypted anew, or would be
	Already   int // were sealed with that key
	Left      []EntryProblem
	LeftKeyID map[string]int // ids of the keys of those that are left, or would be
}

// rotateTries is how often a destination is tried that others change meanwhile.
const rotateTries = 5

// Rotate seals the secrets of every destination with the first key of the ring:
// what other keys have sealed, and what is plain. It can be stopped and begun
// again at any time, and twice is once. A change by others meanwhile is kept.
// What can't be decrypted, or is bad, is Left.
func (s *Store) Rotate(ctx context.Context, p Rotate) (Rotated, error) {
	r := Rotated{Key: s.keys.Ring().First(), LeftKeyID: map[string]int{}}
	if r.Key == "" {
		return r, fmt.Errorf("rotating: %w", ErrPlain)
	}
	if err := audit.CheckBy(p.By); err != nil {
		return r, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	all, err := s.List(ctx, "")
	if err != nil {
		return r, err
	}
	r.Total = len(all)
	for _, one := range all {
		if err = s.rotateOne(ctx, one, p, &r); err != nil {
			break
		}
		if p.Progress != nil {
			p.Progress(r)
		}
	}
	if p.DryRun || r.Done == 0 {
		return r, err
	}
	return r, errors.Join(err, s.noteRotation(ctx, p, r))
}

func (s *Store) noteRotation(ctx context.Context, p Rotate, r Rotated) error {
	note := fmt.Sprintf("%d of %d destinations sealed with key %q, %d were already, %d are left", r.Done, r.Total, r.Key, r.Already, len(r.Left))
	if p.Note != "" {
		note = p.Note + ": " + note
	}
	now := time.Now()
	err := s.trail.Append(context.WithoutCancel(ctx), fmt.Sprintf("rotate/%d", now.UnixNano()), audit.Record{
		At: now, By: p.By, Action: audit.SecretsRotated, Note: note,
	})
	if err != nil {
		return fmt.Errorf("rotating: %w: %w", ErrNotAudited, err)
	}
	return nil
}

// sealedWith reports whether all secrets of an entry are sealed with a key.
func (s *Stored) sealedWith(id string) bool {
	return !s.Plain && !slices.ContainsFunc(s.KeyIDs, func(other string) bool { return other != id })
}

func (s *Store) rotateOne(ctx context.Context, one *Stored, p Rotate, r *Rotated) error {
	for range rotateTries {
		switch {
		case one.Deleted:
			return nil
		case one.Problem != nil:
			r.leave(one, one.Problem)
			return nil
		case one.sealedWith(r.Key):
			r.Already++
			return nil
		case p.DryRun:
			r.Done++
			return nil
		}
		meta := one.Meta
		meta.By, meta.At, meta.Action = p.By, time.Now().UTC(), audit.SecretsRotated
		meta.Note = p.Note
		_, err := s.write(ctx, one.Destination, meta, one)
		if err == nil {
			r.Done++
			return nil
		}
		if !errors.Is(err, ErrConflict) {
			return err
		}
		if one, err = s.now(ctx, one.ID); err != nil {
			return err
		}
	}
	r.leave(one, ErrConflict)
	return nil
}

func (r *Rotated) leave(one *Stored, why error) {
	r.Left = append(r.Left, EntryProblem{Where: one.where(), Problem: why.Error(), Revision: one.Revision})
	for _, id := range one.KeyIDs {
		r.LeftKeyID[id]++
	}
}
