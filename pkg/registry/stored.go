package registry

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/hogcast/hogcast/pkg/audit"
	"github.com/hogcast/hogcast/pkg/destination"
	"github.com/hogcast/hogcast/pkg/queue"
	"github.com/hogcast/hogcast/pkg/seal"
)

// MaxValueBytes bounds one entry of the bucket, in bytes of JSON.
const MaxValueBytes = 1 << 20

// Meta is what an entry of the bucket says of its last change. Empty in an
// entry that somebody has written by other means.
type Meta struct {
	By     string       `json:"by,omitempty"`
	At     time.Time    `json:"at,omitzero"`
	Action audit.Action `json:"action,omitempty"`
	Note   string       `json:"note,omitempty"`
}

// Stored is one entry of the bucket, or one of its history.
type Stored struct {
	ID       destination.ID
	Revision uint64 // for Put and Delete to expect
	Meta     Meta
	// Written is when the bucket took it, by the server's clock.
	Written time.Time
	// Deleted: it tells of a deletion; Destination is nil.
	Deleted bool
	// Destination is nil where it is deleted or bad.
	Destination *destination.Destination
	// Problem is what is wrong with it: a bad entry, a secret that can't be
	// decrypted (Destination is there, its APIKey empty), or nil.
	Problem error
	// Plain: a secret in it is not encrypted.
	Plain bool
	// KeyIDs are those of the master keys that its secrets are sealed with.
	KeyIDs []string

	// standIn stands for an entry that can't be read; nil for any other.
	standIn *destination.Destination

	key string // as the bucket has it; ID is empty where it is none of ours
}

// storedForm is an entry as the bucket has it.
type storedForm struct {
	Form
	Deleted bool `json:"deleted,omitempty"`
	Meta    Meta `json:"meta"`
}

// keyOf is the entry's key.
func keyOf(id destination.ID) string { return id.String() }

// idOf reads a key; false where it is none of ours.
func idOf(key string) (destination.ID, bool) {
	tenant, name, _ := strings.Cut(key, ".")
	id := destination.ID{Tenant: tenant, Name: name}
	return id, validID(id)
}

func validID(id destination.ID) bool {
	return (destination.ValidName(id.Tenant) || id.Tenant == destination.AnyTenant) && destination.ValidName(id.Name)
}

// encode renders an entry for the bucket, its secrets sealed with the first
// key of the ring; without one they are plain.
func encode(d *destination.Destination, meta Meta, ring *seal.Ring) ([]byte, error) {
	f := storedForm{Form: FormOf(d, Revealed), Meta: meta}
	if ring != nil {
		if err := sealForm(&f.Form, ring); err != nil {
			return nil, err
		}
	}
	return marshalStored(f)
}

func sealForm(f *Form, ring *seal.Ring) (err error) {
	if f.APIKey != "" {
		if f.APIKey, err = ring.Seal(f.APIKey, f.Tenant, f.Name, fieldAPIKey); err != nil {
			return fmt.Errorf("api_key: %w", err)
		}
	}
	if f.Privacy != nil && f.Privacy.UserHashKey != "" {
		if f.Privacy.UserHashKey, err = ring.Seal(f.Privacy.UserHashKey, f.Tenant, f.Name, fieldUserHashKey); err != nil {
			return fmt.Errorf("privacy.user_hash_key: %w", err)
		}
	}
	return nil
}

// encodeDeleted renders the last word of an entry that is deleted: who has.
func encodeDeleted(id destination.ID, meta Meta) ([]byte, error) {
	return json.Marshal(struct {
		Tenant  string `json:"tenant"`
		Name    string `json:"name"`
		Deleted bool   `json:"deleted"`
		Meta    Meta   `json:"meta"`
	}{id.Tenant, id.Name, true, meta})
}

func marshalStored(f storedForm) ([]byte, error) {
	value, err := json.Marshal(f)
	if err != nil {
		return nil, fmt.Errorf("rendering %s.%s: %w", f.Tenant, f.Name, err)
	}
	if len(value) > MaxValueBytes {
		return nil, fmt.Errorf("%d bytes; an entry has at most %d", len(value), MaxValueBytes)
	}
	return value, nil
}

// decode reads an entry of the bucket with the keys of a ring.
func decode(from queue.Entry, ring *seal.Ring) *Stored {
	s := &Stored{key: from.Key, Revision: from.Revision, Written: from.At, Deleted: from.Deleted}
	id, ok := idOf(from.Key)
	if ok {
		s.ID = id
	}
	if from.Deleted {
		return s
	}
	if !ok {
		s.Problem = &Problem{File: place(from.Key), Text: "key: not <tenant>.<destination>; delete it with `nats kv del`"}
		return s
	}
	s.standIn = standIn(id) // until more is known
	if len(from.Value) > MaxValueBytes {
		s.Problem = &Problem{File: place(from.Key), Text: fmt.Sprintf("%d bytes; an entry has at most %d", len(from.Value), MaxValueBytes)}
		return s
	}
	node, err := jsonNode(from.Value)
	if err != nil {
		s.Problem = &Problem{File: place(from.Key), Text: err.Error()}
		return s
	}
	s.about(node)
	if s.Deleted {
		s.standIn = nil
	} else {
		s.read(from.Key, node, ring)
	}
	return s
}

// place names a key of the bucket in problems; a strange one is not repeated
// in full.
func place(key string) string {
	const longest = 2*64 + 1
	if len(key) > longest {
		key = key[:longest] + "…"
	}
	return queue.BucketDestinations + "/" + key
}

// where names the entry in problems.
func (s *Stored) where() string { return place(s.key) }

// about takes what is said of the entry out of it. What can't be read there
// harms nobody.
func (s *Stored) about(node *yaml.Node) {
	if node.Kind != yaml.MappingNode {
		return
	}
	for i := 0; i+1 < len(node.Content); {
		key, value := node.Content[i].Value, node.Content[i+1]
		switch key {
		case "meta":
			s.Meta = metaOf(value)
		case "deleted":
			s.Deleted = value.Tag == "!!bool" && value.Value == "true"
		default:
			i += 2
			continue
		}
		node.Content = append(node.Content[:i], node.Content[i+2:]...)
	}
}

func metaOf(node *yaml.Node) (m Meta) {
	for i := 0; i+1 < len(node.Content); i += 2 {
		switch value := node.Content[i+1].Value; node.Content[i].Value {
		case "by":
			m.By = value
		case "at":
			m.At, _ = time.Parse(time.RFC3339Nano, value)
		case "action":
			m.Action = audit.Action(value)
		case "note":
			m.Note = value
		}
	}
	if m.By != "" && audit.CheckBy(m.By) != nil {
		m.By = "" // it is shown on terminals
	}
	return m
}

func (s *Stored) read(key string, node *yaml.Node, ring *seal.Ring) {
	reader := entryReader{file: place(key), node: node, purpose: forBucket, id: s.ID}
	reader.open = func(id destination.ID, field, sealed string) (string, error) {
		if keyID := seal.KeyID(sealed); keyID != "" {
			s.KeyIDs = append(s.KeyIDs, keyID)
		}
		return ring.Open(sealed, id.Tenant, id.Name, field)
	}
	d := reader.read()
	if len(reader.problems) > 0 {
		s.Problem = joined(reader.problems)
		s.standIn = reader.standIn(s.ID, d)
		return
	}
	s.standIn = nil
	s.Destination, s.Plain = d, len(reader.plain) > 0
	if reader.unreadable != nil {
		s.Problem = fmt.Errorf("%s: %w: %w", place(key), ErrSecretUnreadable, reader.unreadable)
	}
}
