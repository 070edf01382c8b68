package registry

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/hogcast/hogcast/pkg/audit"
	"github.com/hogcast/hogcast/pkg/destination"
	"github.com/hogcast/hogcast/pkg/queue"
	"github.com/hogcast/hogcast/pkg/seal"
)

// Store reads and writes the destinations in the bucket, for operators. Any
// number of callers may; it owns no goroutine.
type Store struct {
	bucket *queue.Bucket
	trail  *audit.Trail
	keys   *seal.Keys
	plain  bool
}

// StoreParams of a store.
type StoreParams struct {
	Conn *queue.Conn
	// Keys encrypt what is written and decrypt what is read; nil: none.
	Keys *seal.Keys
	// AllowPlain permits secrets in plain where there is no key: development.
	AllowPlain bool
}

// OpenStore looks the bucket up; queue.ErrNotSetUp where there is none.
func OpenStore(ctx context.Context, p StoreParams) (*Store, error) {
	bucket, err := p.Conn.Bucket(ctx, queue.BucketDestinations)
	if err != nil {
		return nil, err
	}
	return &Store{bucket, audit.New(p.Conn.Log()), p.Keys, p.AllowPlain}, nil
}

// List reads the destinations of a tenant, "" for all, sorted. Bad entries are
// among them, with their Problem.
func (s *Store) List(ctx context.Context, tenant string) ([]*Stored, error) {
	keys := ">"
	if tenant != "" {
		if !validID(destination.ID{Tenant: tenant, Name: destination.DefaultName}) {
			return nil, fmt.Errorf("tenant %q: no name of a tenant", tenant)
		}
		keys = tenant + ".*"
	}
	var all []*Stored
	ring := s.keys.Ring()
	err := s.bucket.Known(ctx, keys, func(e queue.Entry) {
		if one := decode(e, ring); !one.Deleted {
			all = append(all, one)
		}
	})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(all, func(a, b *Stored) int {
		return cmp.Or(cmp.Compare(a.ID.Tenant, b.ID.Tenant), cmp.Compare(a.ID.Name, b.ID.Name))
	})
	return all, nil
}

// Get reads one destination; ErrNotFound where there is none. A bad entry is
// returned with its Problem, so that it can be mended or deleted.
func (s *Store) Get(ctx context.Context, id destination.ID) (*Stored, error) {
	now, err := s.now(ctx, id)
	if err != nil {
		return nil, err
	}
	if now.Deleted {
		return nil, fmt.Errorf("%s: %w", id, ErrNotFound)
	}
	return now, nil
}

// now reads an entry, deleted ones too.
func (s *Store) now(ctx context.Context, id destination.ID) (*Stored, error) {
	if !validID(id) {
		return nil, fmt.Errorf("%w: %q.%q: %w", ErrInvalid, id.Tenant, id.Name, nameError(id))
	}
	e, err := s.bucket.Get(ctx, keyOf(id))
	if err != nil {
		return nil, err
	}
	return decode(e, s.keys.Ring()), nil
}

// nameError says what is wrong with an ID.
func nameError(id destination.ID) error {
	d := destination.Destination{ID: id, Protocol: destination.Auto, SamplingRate: 1}
	return d.Validate()
}

// Put is what to save.
type Put struct {
	Destination *destination.Destination
	// Expect is the revision that it is a change of, 0 for a new one; else
	// Conflict.
	Expect uint64
	By     string // who saves it; see audit.CheckBy
	Note   string // for the audit trail: `saved without a test`
}

// Put saves a destination, if nobody has changed it since Expect. A masked
// secret, and an API key that is left out, mean that it stays. What was saved is
// returned, its secrets in it. Errors: ErrInvalid, Conflict, ErrPlain; and
// ErrNotAudited, with what was saved.
func (s *Store) Put(ctx context.Context, p Put) (*Stored, error) {
	if err := audit.CheckBy(p.By); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	before, err := s.expected(ctx, p.Destination.ID, p.Expect)
	if err != nil {
		return nil, err
	}
	d := *p.Destination
	if err := complete(&d, before); err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrInvalid, d.ID, err)
	}
	meta := Meta{By: p.By, At: time.Now().UTC(), Action: audit.DestinationUpdated, Note: p.Note}
	if before.Deleted {
		meta.Action = audit.DestinationCreated
	}
	revision, err := s.write(ctx, &d, meta, before)
	if err != nil {
		return nil, err
	}
	after := &Stored{ID: d.ID, Revision: revision, Meta: meta, Written: meta.At, Destination: &d}
	return after, s.note(ctx, after, before, after)
}

// Check judges a Put without saving it: nil where it would be taken as things
// are. It returns the destination with its secrets, ready to be tested.
func (s *Store) Check(ctx context.Context, p Put) (*destination.Destination, error) {
	before, err := s.expected(ctx, p.Destination.ID, p.Expect)
	if err != nil {
		return nil, err
	}
	d := *p.Destination
	if err := complete(&d, before); err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrInvalid, d.ID, err)
	}
	return &d, s.mayWrite()
}

// mayWrite: secrets are stored in plain only where that was allowed.
func (s *Store) mayWrite() error {
	if s.keys.Ring() == nil && !s.plain {
		return fmt.Errorf("%w; give a file with --secrets-key-file (one key a line: ID:KEY, KEY from `openssl rand -base64 32`)", ErrPlain)
	}
	return nil
}

// write seals and writes an entry where before is what it replaces.
func (s *Store) write(ctx context.Context, d *destination.Destination, meta Meta, before *Stored) (uint64, error) {
	if err := s.mayWrite(); err != nil {
		return 0, err
	}
	value, err := encode(d, meta, s.keys.Ring())
	if err != nil {
		return 0, fmt.Errorf("%w: %s: %w", ErrInvalid, d.ID, err)
	}
	revision, err := s.bucket.Put(ctx, keyOf(d.ID), value, before.Revision)
	if errors.Is(err, queue.ErrConflict) {
		return 0, s.conflict(ctx, d.ID, before.expect())
	}
	return revision, err
}

// expect is what a change of the entry has to expect.
func (s *Stored) expect() uint64 {
	if s.Deleted {
		return 0
	}
	return s.Revision
}

// expected reads an entry and holds it against the revision that is expected.
func (s *Store) expected(ctx context.Context, id destination.ID, expect uint64) (*Stored, error) {
	now, err := s.now(ctx, id)
	if err != nil {
		return nil, err
	}
	if now.expect() != expect {
		return nil, s.conflictWith(ctx, now, expect)
	}
	return now, nil
}

func (s *Store) conflict(ctx context.Context, id destination.ID, expect uint64) error {
	now, err := s.now(ctx, id)
	if err != nil {
		return fmt.Errorf("%s: %w: %w", id, ErrConflict, err)
	}
	return s.conflictWith(ctx, now, expect)
}

func (s *Store) conflictWith(ctx context.Context, now *Stored, expect uint64) error {
	c := &Conflict{ID: now.ID, Expected: expect, Revision: now.Revision, Deleted: now.Deleted, By: now.Meta.By, At: now.Meta.At}
	if c.Deleted {
		c.Revision = 0
		if all, err := s.History(ctx, now.ID); err == nil && len(all) > 0 {
			last := all[len(all)-1]
			c.By, c.At = last.Meta.By, cmp.Or(last.Meta.At, last.Written)
		}
	}
	if c.At.IsZero() {
		c.At = now.Written
	}
	return c
}

// complete fills in the secrets that stay, and judges the whole.
func complete(d *destination.Destination, before *Stored) error {
	var was destination.Destination
	if before.Destination != nil {
		was = *before.Destination
	}
	var errs []error
	if d.APIKey.Empty() || d.APIKey.IsMask() {
		kept, err := keep("api_key", d.APIKey, was.APIKey, before)
		errs = append(errs, err)
		d.APIKey = kept
	}
	if d.Privacy.UserHashKey.IsMask() {
		kept, err := keep("privacy.user_hash_key", d.Privacy.UserHashKey, was.Privacy.UserHashKey, before)
		errs = append(errs, err)
		d.Privacy.UserHashKey = kept
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	d.SecretUnreadable = false
	if err := destination.CheckAPIKey(d.APIKey.Reveal()); err != nil {
		errs = append(errs, err)
	}
	for _, secret := range []destination.Secret{d.APIKey, d.Privacy.UserHashKey} {
		if seal.IsSealed(secret.Reveal()) {
			errs = append(errs, errors.New("a secret begins with sealed:, as only encrypted ones do"))
		}
	}
	return errors.Join(append(errs, d.Validate())...)
}

// keep is the stored secret where what was given is its mask.
func keep(field string, given, stored destination.Secret, before *Stored) (destination.Secret, error) {
	switch {
	case errors.Is(before.Problem, ErrSecretUnreadable):
		return given, fmt.Errorf("%s: the stored one can't be decrypted here, so that it can't stay; give it anew", field)
	case stored.Empty() && given.Empty():
		return given, fmt.Errorf("%s: missing", field)
	case stored.Empty():
		return given, fmt.Errorf("%s: a mask, and there is none stored that it could stand for; give the secret itself", field)
	case !given.Empty() && given.Reveal() != stored.Masked() && given.Reveal() != given.String():
		return given, fmt.Errorf("%s: %s is the mask of another one than is stored (%s); give the secret itself", field, given.Reveal(), stored.Masked())
	}
	return stored, nil
}

// Delete is what to delete.
type Delete struct {
	ID     destination.ID
	Expect uint64 // the revision that was read; else Conflict
	By     string
	Note   string
}

// Delete deletes a destination, if nobody has changed it since Expect. Errors:
// ErrNotFound, Conflict, ErrInvalid, ErrNotAudited.
func (s *Store) Delete(ctx context.Context, p Delete) error {
	if err := audit.CheckBy(p.By); err != nil {
		return fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	before, err := s.Get(ctx, p.ID)
	if err != nil {
		return err
	}
	if before.Revision != p.Expect {
		return s.conflictWith(ctx, before, p.Expect)
	}
	meta := Meta{By: p.By, At: time.Now().UTC(), Action: audit.DestinationDeleted, Note: p.Note}
	value, err := encodeDeleted(p.ID, meta)
	if err != nil {
		return err
	}
	// The bucket's own deletion can't say who: the last word before it does.
	last, err := s.bucket.Put(ctx, keyOf(p.ID), value, before.Revision)
	if errors.Is(err, queue.ErrConflict) {
		return s.conflict(ctx, p.ID, p.Expect)
	}
	if err != nil {
		return err
	}
	gone := &Stored{ID: p.ID, Revision: last, Meta: meta, Deleted: true}
	err = s.bucket.Delete(ctx, keyOf(p.ID), last)
	if errors.Is(err, queue.ErrConflict) {
		err = nil // it was made anew meanwhile
	}
	return errors.Join(err, s.note(ctx, gone, before, nil))
}

// History reads what the bucket keeps of a destination's last 10 versions,
// oldest first; the audit trail goes further back.
func (s *Store) History(ctx context.Context, id destination.ID) ([]*Stored, error) {
	if !validID(id) {
		return nil, fmt.Errorf("%w: %w", ErrInvalid, nameError(id))
	}
	entries, err := s.bucket.History(ctx, keyOf(id))
	if err != nil {
		return nil, err
	}
	ring := s.keys.Ring()
	var all []*Stored
	for _, e := range entries {
		one := decode(e, ring)
		if e.Deleted && len(all) > 0 && all[len(all)-1].Deleted {
			continue // the version before has said so, and who
		}
		all = append(all, one)
	}
	return all, nil
}

// note tells the audit trail of a change.
func (s *Store) note(ctx context.Context, change, before, after *Stored) error {
	r := audit.Record{
		At: change.Meta.At, By: change.Meta.By, Action: change.Meta.Action, Note: change.Meta.Note,
		Tenant: change.ID.Tenant, Destination: change.ID.Name, Revision: change.Revision,
		Before: maskedJSON(before), After: maskedJSON(after),
	}
	id := fmt.Sprintf("%s/%d/%d", change.ID, change.Revision, change.Meta.At.UnixNano())
	if err := s.trail.Append(ctx, id, r); err != nil {
		return fmt.Errorf("%s: %w: %w", change.ID, ErrNotAudited, err)
	}
	return nil
}

// maskedJSON is a destination as the audit trail keeps it; nil where there is
// none.
func maskedJSON(s *Stored) []byte {
	if s == nil || s.Destination == nil {
		return nil
	}
	text, err := FormOf(s.Destination, Masked).JSON("")
	if err != nil {
		return nil
	}
	return text
}
