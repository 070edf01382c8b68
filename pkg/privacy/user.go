package privacy

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"

	"github.com/hogcast/hogcast/pkg/destination"
	"github.com/hogcast/hogcast/pkg/record"
)

// hasher puts a keyed hash in the place of the end user's id.
type hasher struct{ key []byte }

func newHasher(key destination.Secret) *hasher {
	if key.Empty() {
		return nil
	}
	return &hasher{[]byte(key.Reveal())}
}

// hash replaces `user` by its HMAC-SHA-256 in 64 hex digits, which the key's
// owner can compute, too. Ids that name nobody stay, so that no person is made
// of them.
func (h *hasher) hash(r *record.Record, tell observer) {
	if !record.NamesUser(r.User) {
		return
	}
	r.User = h.of(r.User)
	tell.one(RuleUserHash, "user")
}

func (h *hasher) of(user string) string {
	mac := hmac.New(sha256.New, h.key)
	mac.Write([]byte(user))
	return hex.EncodeToString(mac.Sum(nil))
}

// HashedUser is what the id of a user becomes under a destination's
// user_hash_key: itself where there is no key, or where it names nobody.
func HashedUser(key destination.Secret, user string) string {
	h := newHasher(key)
	if h == nil || !record.NamesUser(user) {
		return user
	}
	return h.of(user)
}
