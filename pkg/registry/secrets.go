package registry

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/hogcast/hogcast/pkg/destination"
	"github.com/hogcast/hogcast/pkg/seal"
)

// The fields that are secrets, as their place when they are sealed.
const (
	fieldAPIKey      = "api_key"
	fieldUserHashKey = "user_hash_key"
)

// source is where a value is given: in the entry, a file, or the environment.
type source struct{ inline, file, env *yaml.Node }

func (s *source) take(suffix string, v *yaml.Node) {
	switch suffix {
	case "":
		s.inline = v
	case "_file":
		s.file = v
	case "_env":
		s.env = v
	}
}

func (s *source) given() []*yaml.Node {
	return slices.DeleteFunc([]*yaml.Node{s.inline, s.file, s.env}, func(n *yaml.Node) bool { return n == nil })
}

// sources are those of an entry's values that need not stand in it.
type sources struct{ apiKey, userHashKey, ca source }

// secrets reads what may be given in more than one way.
func (e *entryReader) secrets(d *destination.Destination, from *sources) {
	switch n := len(from.apiKey.given()); {
	case n > 0:
		e.apiKey(d, &from.apiKey)
	case e.purpose != forRules && e.purpose != forUpdate:
		e.fail(e.node, "api_key: missing; %s", e.ways(fieldAPIKey))
	}
	key, _ := e.secret(d.ID, "privacy.", fieldUserHashKey, &from.userHashKey)
	d.Privacy.UserHashKey = destination.NewSecret(key)
	if e.purpose == forRules && key == "" && len(from.userHashKey.given()) > 0 {
		// Hashed all the same, though not as the fleet does.
		d.Privacy.UserHashKey = destination.NewSecret("the key is not known here")
	}
	if ca, node := e.value("", "ca", &from.ca, destination.MaxCABytes); node != nil {
		d.CA = ca
	}
	d.SecretUnreadable = e.unreadable != nil
}

func (e *entryReader) ways(key string) string {
	if e.purpose == forBucket {
		return "give " + key
	}
	return fmt.Sprintf("give %s, %s_file or %s_env", key, key, key)
}

func (e *entryReader) apiKey(d *destination.Destination, from *source) {
	key, node := e.secret(d.ID, "", fieldAPIKey, from)
	d.APIKey = destination.NewSecret(key)
	if node == nil || d.APIKey.IsMask() && e.purpose == forUpdate {
		return
	}
	if d.APIKey.IsMask() {
		e.fail(node, "api_key: %s is a mask, as it is shown; the key itself is wanted", d.APIKey.Masked())
		return
	}
	if err := destination.CheckAPIKey(key); err != nil {
		e.fail(node, "%s", err)
	}
}

// secret reads a secret; the node is nil where there is none to judge.
func (e *entryReader) secret(id destination.ID, prefix, key string, from *source) (string, *yaml.Node) {
	const most = 4 << 10
	if e.purpose == forRules && from.inline == nil {
		return "", nil // it need not be where rules are tried out
	}
	value, node := e.value(prefix, key, from, most)
	switch {
	case node == nil || !seal.IsSealed(value):
		if e.purpose == forBucket && value != "" {
			e.plain = append(e.plain, prefix+key)
		}
		return value, node
	case e.open == nil:
		e.fail(node, "%s%s: sealed; only entries of the bucket are", prefix, key)
		return "", nil
	}
	opened, err := e.open(id, key, value)
	if err == nil {
		return opened, node
	}
	e.unreadable = fmt.Errorf("%s%s: %w", prefix, key, err)
	if key == fieldUserHashKey {
		// What is held meanwhile must not name the user: it is hashed with
		// what nobody else has, if not as usual.
		return value, nil
	}
	return "", nil
}

// value reads what is given in one of several ways; the node is nil where it
// is not, or could not be read.
func (e *entryReader) value(prefix, key string, from *source, most int64) (string, *yaml.Node) {
	given := from.given()
	switch {
	case len(given) == 0:
		return "", nil
	case len(given) > 1:
		e.fail(given[1], "%s%s: given in more than one way", prefix, key)
		return "", nil
	case e.purpose == forBucket && from.inline == nil:
		e.fail(given[0], "%s%s: a file or variable of whoever reads it; give the value itself", prefix, key)
		return "", nil
	}
	value, err := e.outside(key, from, most)
	if err != nil {
		e.fail(given[0], "%s%s", prefix, err)
		return "", nil
	}
	return value, given[0]
}

func (e *entryReader) outside(key string, from *source, most int64) (string, error) {
	switch {
	case from.file != nil:
		return readSecretFile(key+"_file", e.text(key+"_file", from.file), most)
	case from.env != nil:
		name := e.text(key+"_env", from.env)
		value := strings.TrimSpace(os.Getenv(name))
		if value == "" {
			return "", errors.New(key + "_env: the environment has no " + strconv.Quote(name))
		}
		return value, nil
	}
	return e.text(key, from.inline), nil
}

// readSecretFile reads a file of one value, without the space around it.
func readSecretFile(key, file string, most int64) (string, error) {
	f, err := os.Open(file)
	if err != nil {
		return "", fmt.Errorf("%s: %w", key, err)
	}
	defer func() { _ = f.Close() }()
	data, err := io.ReadAll(io.LimitReader(f, most+1))
	if err != nil {
		return "", fmt.Errorf("%s: %w", key, err)
	}
	if int64(len(data)) > most {
		return "", fmt.Errorf("%s: %s has more than %d bytes", key, file, most)
	}
	return strings.TrimSpace(string(data)), nil
}
