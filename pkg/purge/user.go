package purge

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/hogcast/hogcast/pkg/envelope"
	"github.com/hogcast/hogcast/pkg/privacy"
	"github.com/hogcast/hogcast/pkg/queue"
	"github.com/hogcast/hogcast/pkg/record"
)

// verdict is whose a record is.
type verdict int

const (
	others     verdict = iota
	theirs             // the user's
	unreadable         // nobody can tell
	hashed             // somebody's whose id is hashed under a key that is not known here
)

// judge tells whose a stored message is; envelopes are all but generations.
func (p *Purge) judge(m queue.StoredMessage, enveloped bool) verdict {
	if p.User == "" {
		return theirs
	}
	raw, wasHashed := m.Body, false
	if enveloped {
		e, err := envelope.Parse(m.Header, m.Body)
		if err != nil || !e.Replayable() {
			return unreadable
		}
		if raw, err = e.Record(); err != nil {
			return unreadable
		}
		wasHashed = slices.Contains(e.Rules, privacy.RuleUserHash)
	}
	user, err := record.UserOf(raw)
	switch {
	case err != nil:
		return unreadable
	case user == p.User || p.Hashes.ids[user]:
		return theirs
	case wasHashed && !p.Hashes.Complete && record.NamesUser(user):
		return hashed
	}
	return others
}

// erases reports whether records of a verdict are to go.
func (p *Purge) erases(v verdict) bool {
	return v == theirs || v == unreadable && p.Unreadable || v == hashed && p.Hashed
}

// eraseAtOnce is how many messages are erased at once.
const eraseAtOnce = 32

// usersOf are the user's records among those of a stream that match. Each of
// them is read, and the user's are overwritten one by one.
func (p *Purge) usersOf(stream string, filters ...string) place {
	enveloped := !strings.HasPrefix(stream, queue.StreamGenerations)
	return place{stream, func(ctx context.Context, erase bool) (t Tally, err error) {
		store, err := p.Conn.Store(ctx, stream)
		if err != nil {
			return t, err
		}
		for _, filter := range filters {
			if err := p.scan(ctx, store, &userScan{tally: &t, filter: filter, enveloped: enveloped, erase: erase}); err != nil {
				return t, err
			}
		}
		return t, nil
	}}
}

type userScan struct {
	tally     *Tally
	filter    string
	enveloped bool
	erase     bool
}

func (p *Purge) scan(ctx context.Context, store *queue.Store, s *userScan) error {
	erasing, ctx := errgroup.WithContext(ctx)
	erasing.SetLimit(eraseAtOnce)
	var erased atomic.Uint64
	err := store.Scan(ctx, queue.ScanParams{Filter: s.filter}, func(m queue.StoredMessage) error {
		v := p.judge(m, s.enveloped)
		s.tally.add(v)
		if p.looked++; p.Progress != nil {
			p.Progress(p.looked)
		}
		if !s.erase || !p.erases(v) {
			return nil
		}
		erasing.Go(func() error {
			err := store.Erase(ctx, m.Sequence)
			if err == nil {
				erased.Add(1)
			}
			return err
		})
		return ctx.Err()
	})
	err = errors.Join(erasing.Wait(), err)
	s.tally.Erased += erased.Load()
	return err
}
