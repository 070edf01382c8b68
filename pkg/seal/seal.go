// Package seal encrypts secrets that are stored: AES-256-GCM under a key of its
// own for each, which HKDF-SHA256 derives from a master key. Master keys form a
// ring that can be changed while running. Below the layers: the standard
// library and nothing of ours. Keys.Watch owns its goroutine's work while it
// runs; there is no other.
package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
)

// Errors of Open. None holds anything of key or secret.
var (
	// ErrUnknownKey: the master key that it was sealed with is not on the ring.
	ErrUnknownKey = errors.New("unknown master key")
	// ErrBroken: not sealed by this version, changed since, sealed for another
	// place, or with another key of the same id.
	ErrBroken = errors.New("can't be decrypted")
)

// The stored form is `sealed:v1:<key id>:<base64url of salt, nonce, ciphertext, tag>`.
const (
	prefix     = "sealed:"
	version    = "v1:"
	saltBytes  = 16
	nonceBytes = 12
	info       = "hogcast/seal/v1"

	// MaxBytes bounds the secret that can be sealed, in bytes.
	MaxBytes = 64 << 10
)

var encoding = base64.RawURLEncoding.Strict()

// IsSealed reports whether a stored text claims to be a sealed one.
func IsSealed(text string) bool { return strings.HasPrefix(text, prefix) }

// KeyID is the id of the master key that a text was sealed with; "" where it
// was not sealed by a version that this one knows.
func KeyID(text string) string {
	id, _, ok := split(text)
	if !ok {
		return ""
	}
	return id
}

func split(text string) (id, body string, ok bool) {
	rest, ok := strings.CutPrefix(text, prefix+version)
	if !ok {
		return "", "", false
	}
	id, body, ok = strings.Cut(rest, ":")
	return id, body, ok && validID(id)
}

// Seal encrypts a secret with the first key of the ring. place is where it
// will be stored, such as tenant, destination and field: it opens nowhere else.
func (r *Ring) Seal(secret string, place ...string) (string, error) {
	if r == nil || len(r.keys) == 0 {
		return "", errors.New("sealing: no master key")
	}
	if len(secret) > MaxBytes {
		return "", fmt.Errorf("sealing: the secret has %d bytes; at most %d", len(secret), MaxBytes)
	}
	first := r.keys[0]
	out := make([]byte, saltBytes+nonceBytes, saltBytes+nonceBytes+len(secret)+16)
	_, _ = rand.Read(out) // never fails
	gcm, err := aead(first.key, out[:saltBytes])
	if err != nil {
		return "", fmt.Errorf("sealing: %w", err)
	}
	out = gcm.Seal(out, out[saltBytes:], []byte(secret), additional(first.id, place))
	return prefix + version + first.id + ":" + encoding.EncodeToString(out), nil
}

// Open decrypts what Seal has made for the same place, with whichever key of
// the ring it was made. Errors: ErrUnknownKey, ErrBroken.
func (r *Ring) Open(sealed string, place ...string) (string, error) {
	id, body, ok := split(sealed)
	if !ok {
		return "", fmt.Errorf("%w: not of the form sealed:v1:KEY:…", ErrBroken)
	}
	master := r.find(id)
	if master == nil {
		return "", fmt.Errorf("%w %q; keys on the ring: %s", ErrUnknownKey, id, r.String())
	}
	if encoding.DecodedLen(len(body)) > saltBytes+nonceBytes+MaxBytes+16 {
		return "", fmt.Errorf("%w: too long", ErrBroken)
	}
	raw, err := encoding.DecodeString(body)
	// The decoder passes over ends of lines.
	if err != nil || len(raw) < saltBytes+nonceBytes || strings.ContainsAny(body, "\r\n") {
		return "", fmt.Errorf("%w: not base64url of salt, nonce and ciphertext", ErrBroken)
	}
	gcm, err := aead(master.key, raw[:saltBytes])
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrBroken, err)
	}
	salted := raw[saltBytes:]
	secret, err := gcm.Open(nil, salted[:nonceBytes], salted[nonceBytes:], additional(id, place))
	if err != nil {
		return "", fmt.Errorf("%w with key %q: changed, moved from elsewhere, or another key of that id", ErrBroken, id)
	}
	return string(secret), nil
}

// aead makes the cipher of one record.
func aead(master, salt []byte) (cipher.AEAD, error) {
	key, err := hkdf.Key(sha256.New, master, salt, info, keyBytes)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

// additional binds a sealed text to its key id and place; the lengths keep
// `a`+`bc` and `ab`+`c` apart.
func additional(id string, place []string) []byte {
	out := []byte(prefix + version)
	for _, part := range append([]string{id}, place...) {
		out = binary.BigEndian.AppendUint32(out, uint32(len(part))) //nolint:gosec // names are short
		out = append(out, part...)
	}
	return out
}
