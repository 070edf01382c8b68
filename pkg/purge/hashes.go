package purge

import (
	"context"
	"strings"

	"github.com/hogcast/hogcast/pkg/destination"
	"github.com/hogcast/hogcast/pkg/privacy"
	"github.com/hogcast/hogcast/pkg/queue"
	"github.com/hogcast/hogcast/pkg/registry"
	"github.com/hogcast/hogcast/pkg/seal"
)

// Hashes are what a user's id becomes under the rules of the tenant's
// destinations, those of before among them.
type Hashes struct {
	ids map[string]bool
	// Complete: there are such rules, and each of their keys could be read, as
	// far back as the bucket knows.
	Complete bool
	// Sealed are the destinations with a key that can't be decrypted here.
	Sealed []destination.ID
}

// HashParams say whose keys are wanted.
type HashParams struct {
	Conn   *queue.Conn
	Keys   *seal.Keys // master keys; nil: none
	Tenant string
	User   string
	// Files are the destinations that workers have from files.
	Files []*destination.Destination
}

// HashesOf computes them with the keys of the tenant's destinations and of the
// defaults: in force, in the history, and of destinations that are deleted.
func HashesOf(ctx context.Context, p HashParams) (Hashes, error) {
	h := Hashes{ids: map[string]bool{}}
	for _, to := range p.Files {
		if to.Tenant == p.Tenant || to.Tenant == destination.AnyTenant {
			h.add(p.User, to)
		}
	}
	bucket, err := p.Conn.Bucket(ctx, queue.BucketDestinations)
	if err != nil {
		return h, err
	}
	for _, tenant := range []string{p.Tenant, destination.AnyTenant} {
		kept, err := bucket.Kept(ctx, tenant+".*")
		if err != nil {
			return h, err
		}
		for key := range kept {
			id := destination.ID{Tenant: tenant, Name: strings.TrimPrefix(key, tenant+".")}
			if !destination.ValidName(id.Name) {
				continue // nothing was ever hashed for it
			}
			if err := h.ofHistory(ctx, p, id); err != nil {
				return h, err
			}
		}
	}
	h.Complete = len(h.ids) > 0 && len(h.Sealed) == 0
	return h, nil
}

func (h *Hashes) add(user string, to *destination.Destination) {
	if to != nil && !to.Privacy.UserHashKey.Empty() {
		h.ids[privacy.HashedUser(to.Privacy.UserHashKey, user)] = true
	}
}

func (h *Hashes) ofHistory(ctx context.Context, p HashParams, id destination.ID) error {
	with, err := history(ctx, p.Conn, p.Keys, id)
	if err != nil {
		return err
	}
	// Workers that can't decrypt a key hash with what is stored of it.
	without, err := history(ctx, p.Conn, nil, id)
	if err != nil {
		return err
	}
	sealed := false
	for _, version := range with {
		h.add(p.User, version.Destination)
		sealed = sealed || version.Destination != nil && seal.IsSealed(version.Destination.Privacy.UserHashKey.Reveal())
	}
	for _, version := range without {
		h.add(p.User, version.Destination)
	}
	if sealed {
		h.Sealed = append(h.Sealed, id)
	}
	return nil
}

func history(ctx context.Context, conn *queue.Conn, keys *seal.Keys, id destination.ID) ([]*registry.Stored, error) {
	store, err := registry.OpenStore(ctx, registry.StoreParams{Conn: conn, Keys: keys})
	if err != nil {
		return nil, err
	}
	return store.History(ctx, id)
}
