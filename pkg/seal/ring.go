package seal

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
)

const (
	keyBytes   = 32
	maxKeys    = 64
	maxIDBytes = 32
)

// Ring is a list of master keys: the first encrypts, all decrypt. Immutable. A
// nil Ring has no keys.
type Ring struct{ keys []masterKey }

type masterKey struct {
	id  string
	key []byte
}

// NewKey makes a master key in the form that ParseRing reads: `id:base64`.
func NewKey(id string) (string, error) {
	if !validID(id) {
		return "", fmt.Errorf("key id: %s", idRule(id))
	}
	key := make([]byte, keyBytes)
	_, _ = rand.Read(key) // never fails
	return id + ":" + base64.StdEncoding.EncodeToString(key), nil
}

// ParseRing reads `id:key` pairs, one a line or separated by commas; the key
// is 32 bytes in base64 or hex. Empty lines and those that begin with # are
// left out. Errors name the pair by its place and id, and never hold a key.
func ParseRing(text string) (*Ring, error) {
	r := &Ring{}
	n := 0
	for line := range strings.Lines(text) {
		if strings.HasPrefix(strings.TrimSpace(line), "#") {
			continue
		}
		for pair := range strings.SplitSeq(line, ",") {
			if pair = strings.TrimSpace(pair); pair == "" {
				continue
			}
			n++
			if err := r.add(pair); err != nil {
				return nil, fmt.Errorf("key %d of the ring: %w", n, err)
			}
		}
	}
	if len(r.keys) == 0 {
		return nil, errors.New("no key in it; write ID:KEY, where KEY is 32 random bytes in base64 (openssl rand -base64 32)")
	}
	return r, nil
}

func (r *Ring) add(pair string) error {
	id, text, ok := strings.Cut(pair, ":")
	switch {
	case !ok:
		return errors.New("no `:`; write ID:KEY")
	case !validID(id):
		return fmt.Errorf("id: %s", idRule(id))
	case r.find(id) != nil:
		return fmt.Errorf("id %q is given twice", id)
	case len(r.keys) == maxKeys:
		return fmt.Errorf("more than %d keys", maxKeys)
	}
	key, err := decodeKey(text)
	if err != nil {
		return fmt.Errorf("%q: %w", id, err)
	}
	for _, other := range r.keys {
		if slices.Equal(other.key, key) {
			return fmt.Errorf("%q: the same key as %q; a new id needs a new key", id, other.id)
		}
	}
	r.keys = append(r.keys, masterKey{id, key})
	return nil
}

func decodeKey(text string) ([]byte, error) {
	const want = "32 random bytes in base64 or hex (openssl rand -base64 32)"
	text = strings.TrimSpace(text)
	key, err := hex.DecodeString(text)
	if len(text) != 2*keyBytes || err != nil {
		plain := strings.TrimRight(strings.NewReplacer("-", "+", "_", "/").Replace(text), "=")
		if key, err = base64.RawStdEncoding.DecodeString(plain); err != nil {
			return nil, errors.New("neither base64 nor hex; a key is " + want)
		}
	}
	if len(key) != keyBytes {
		return nil, fmt.Errorf("%d bytes; a key is %s", len(key), want)
	}
	if len(slices.Compact(slices.Sorted(slices.Values(key)))) < 8 {
		return nil, errors.New("not random; a key is " + want)
	}
	return key, nil
}

func (r *Ring) find(id string) *masterKey {
	if r == nil {
		return nil
	}
	if i := slices.IndexFunc(r.keys, func(k masterKey) bool { return k.id == id }); i >= 0 {
		return &r.keys[i]
	}
	return nil
}

// First is the id of the key that encrypts; "" where there is none.
func (r *Ring) First() string {
	if r == nil || len(r.keys) == 0 {
		return ""
	}
	return r.keys[0].id
}

// Equal reports whether two rings hold the same keys in the same order.
func (r *Ring) Equal(other *Ring) bool {
	if r == nil || other == nil {
		return r == other
	}
	return slices.EqualFunc(r.keys, other.keys, func(a, b masterKey) bool {
		return a.id == b.id && slices.Equal(a.key, b.key)
	})
}

// String lists the keys' ids, so that a ring can be printed and logged.
func (r *Ring) String() string {
	if r == nil || len(r.keys) == 0 {
		return "none"
	}
	ids := make([]string, len(r.keys))
	for i, k := range r.keys {
		ids[i] = k.id
	}
	return strings.Join(ids, ", ")
}

// GoString implements fmt.GoStringer, for %#v.
func (r *Ring) GoString() string { return "seal.Ring(" + r.String() + ")" }

// Format implements fmt.Formatter: whatever the verb, only ids are shown.
func (r *Ring) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(r.GoString())) }

// validID: letters, digits, `_`, `.` and `-`, at most 32, first no mark.
func validID(id string) bool {
	if id == "" || len(id) > maxIDBytes {
		return false
	}
	for i := range len(id) {
		c := id[i]
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		if !letter && (i == 0 || c != '-' && c != '_' && c != '.') {
			return false
		}
	}
	return true
}

// idRule does not repeat the id: somebody may have left it out, and begun with
// the key.
func idRule(id string) string {
	if id == "" {
		return "missing; write ID:KEY"
	}
	return fmt.Sprintf("letters, digits, `_`, `.` and `-`, at most %d, beginning with a letter or digit", maxIDBytes)
}
