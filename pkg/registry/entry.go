package registry

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode"

	"go.yaml.in/yaml/v3"

	"github.com/hogcast/hogcast/pkg/destination"
)

// Problem is what is wrong with one entry, or with the file as a whole.
type Problem struct {
	File string // or bucket/key
	Line int    // of the key at fault, else of the entry; 0: not in lines
	Text string // `key: what is wrong`
	// ID of the entry that it condemns, as far as it can be told: "" where not.
	ID destination.ID
}

// Error implements error: `file:line: key: what is wrong`.
func (p *Problem) Error() string {
	if p.Line == 0 {
		return p.File + ": " + p.Text
	}
	return fmt.Sprintf("%s:%d: %s", p.File, p.Line, p.Text)
}

// purpose is what an entry is read for.
type purpose int

const (
	// forUse: it is complete, in a file of this machine.
	forUse purpose = iota
	// forRules: rules alone are wanted, so tenant and key may be left out.
	forRules
	// forUpdate: it may become the next version of one that is stored, so a
	// secret may be masked, and the API key left out: unchanged.
	forUpdate
	// forBucket: it is stored in the bucket, its secrets sealed. It may name no
	// file or variable of whoever reads it.
	forBucket
)

// entryReader turns one mapping, of YAML or JSON, into a destination. It
// gathers problems rather than stop at the first.
type entryReader struct {
	file     string
	node     *yaml.Node
	problems []*Problem
	purpose  purpose
	// id is what the entry is stored under, and so what tenant and name are
	// where they are left out.
	id destination.ID
	// open decrypts the secret of a field; where it can't, the destination's
	// secret is unreadable.
	open func(id destination.ID, field, sealed string) (string, error)
	// plain and unreadable are the secrets that are stored in plain, and why
	// others can't be read.
	plain      []string
	unreadable error
	// strange: it is not what entries are made of, so that what it says is a guess.
	strange bool
}

func (e *entryReader) fail(node *yaml.Node, format string, args ...any) {
	e.problems = append(e.problems, &Problem{File: e.file, Line: node.Line, Text: fmt.Sprintf(format, args...)})
}

// read returns the destination; it is of use only where there is no problem.
func (e *entryReader) read() *destination.Destination {
	d := &destination.Destination{
		ID:       e.id,
		Enabled:  true,
		Endpoint: destination.EndpointUS, Protocol: destination.Auto, SamplingRate: 1,
	}
	if d.Name == "" {
		d.Name = destination.DefaultName
	}
	if e.node.Kind != yaml.MappingNode {
		e.strange = true
		e.fail(e.node, "destination: not a mapping of keys to values")
		return d
	}
	var from sources
	e.eachMember(e.node, "", func(key string, value *yaml.Node) bool { return e.member(d, &from, key, value) })
	e.secrets(d, &from)
	if e.purpose == forRules && d.Tenant == "" {
		d.Tenant = "any"
	}
	e.validate(d)
	return d
}

// validate judges the destination as a whole. A mask is no key yet.
func (e *entryReader) validate(d *destination.Destination) {
	judged := *d
	if judged.Privacy.UserHashKey.IsMask() || e.unreadable != nil {
		judged.Privacy.UserHashKey = destination.Secret{}
	}
	if err := judged.Validate(); err != nil {
		for problem := range strings.Lines(err.Error()) {
			e.fail(e.lineOf(problem), "%s", strings.TrimSpace(problem))
		}
	}
	if e.id != (destination.ID{}) && d.ID != e.id {
		e.fail(e.node, "tenant, name: not those of its key")
	}
}

// member reads one key of an entry; false where there is no such key.
func (e *entryReader) member(d *destination.Destination, from *sources, key string, v *yaml.Node) bool {
	switch key {
	case "tenant":
		d.Tenant = e.text(key, v)
	case "name":
		d.Name = e.text(key, v)
	case "enabled":
		e.decode(key, v, &d.Enabled, "true or false")
	case "paused":
		e.decode(key, v, &d.Paused, "true or false")
	case "api_key", "api_key_file", "api_key_env":
		from.apiKey.take(strings.TrimPrefix(key, "api_key"), v)
	case "ca", "ca_file":
		from.ca.take(strings.TrimPrefix(key, "ca"), v)
	case "region":
		d.Region = destination.Region(e.text(key, v))
	case "endpoint":
		endpoint, err := destination.ParseEndpoint(e.text(key, v))
		if err != nil {
			e.fail(v, "%s", err)
		}
		d.Endpoint = endpoint
	case "protocol":
		d.Protocol = destination.Protocol(e.text(key, v))
	case "privacy_mode":
		e.decode(key, v, &d.PrivacyMode, "true or false")
	case "privacy":
		e.eachMember(v, "privacy.", func(key string, v *yaml.Node) bool { return e.privacy(&d.Privacy, from, key, v) })
	case "sampling_rate":
		e.decode(key, v, &d.SamplingRate, "a number")
	case "sample_errors":
		e.decode(key, v, &d.SampleErrors, "true or false")
	case "max_rate":
		e.decode(key, v, &d.MaxRate, "a number of events per second")
	case "max_concurrency":
		d.MaxConcurrency = e.count(key, v, "a number of requests")
	case "hold_max":
		d.HoldMax = e.duration(key, v)
	case "api_keys":
		e.eachMember(v, "api_keys.", func(key string, v *yaml.Node) bool { return e.keyFilter(&d.APIKeys, key, v) })
	default:
		return false
	}
	return true
}

func (e *entryReader) keyFilter(f *destination.KeyFilter, key string, v *yaml.Node) bool {
	switch key {
	case "include":
		f.Include = e.strings("api_keys.include", v)
	case "exclude":
		f.Exclude = e.strings("api_keys.exclude", v)
	default:
		return false
	}
	return true
}

// eachMember calls use for each key of a mapping, and reports keys that are
// unknown to it, given twice or no strings.
func (e *entryReader) eachMember(node *yaml.Node, prefix string, use func(string, *yaml.Node) bool) {
	if node.Kind != yaml.MappingNode {
		if node.Tag != "!!null" {
			e.fail(node, "%s: not a mapping of keys to values", strings.TrimSuffix(prefix, "."))
		}
		return
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(node.Content); i += 2 {
		key, value := node.Content[i], node.Content[i+1]
		if value.Kind == yaml.AliasNode {
			value = value.Alias
		}
		switch {
		case seen[key.Value]:
			e.strange = true
			e.fail(key, "%s%s: given twice", prefix, shownKey(key.Value))
		case !use(key.Value, value):
			e.strange = true
			e.fail(key, "%s%s: unknown key", prefix, shownKey(key.Value))
		}
		seen[key.Value] = true
	}
}

// shownKey is a key as problems show it, which stand on terminals and in logs.
func shownKey(key string) string {
	const longest = 64
	strange := func(r rune) bool { return !unicode.IsPrint(r) }
	if len(key) <= longest && !strings.ContainsFunc(key, strange) {
		return key
	}
	if len(key) > longest {
		key = key[:longest] + "…"
	}
	return strconv.Quote(key)
}

// text reads a scalar as it is written: a tenant of 42 is "42".
func (e *entryReader) text(key string, v *yaml.Node) string {
	if v.Kind != yaml.ScalarNode || v.Tag == "!!null" {
		e.fail(v, "%s: not a string", key)
		return ""
	}
	return v.Value
}

func (e *entryReader) decode(key string, v *yaml.Node, into any, want string) {
	if v.Tag == "!!null" || v.Decode(into) != nil {
		// yaml's own error repeats the value.
		e.fail(v, "%s: not %s", key, want)
	}
}

// count reads a whole number; yaml itself would cut a fraction off.
func (e *entryReader) count(key string, v *yaml.Node, want string) (n int) {
	if v.Tag != "!!int" {
		e.fail(v, "%s: not %s", key, want)
		return 0
	}
	e.decode(key, v, &n, want)
	return n
}

// duration reads a time: Go's form, or days, as in 3d.
func (e *entryReader) duration(key string, v *yaml.Node) time.Duration {
	const most = math.MaxInt64 / (24 * time.Hour) // days
	text := v.Value
	if days, ok := strings.CutSuffix(text, "d"); ok {
		if n, err := strconv.ParseUint(days, 10, 32); err == nil && n <= uint64(most) {
			return time.Duration(n) * 24 * time.Hour
		}
	}
	d, err := time.ParseDuration(text)
	if err != nil || v.Kind != yaml.ScalarNode {
		e.fail(v, "%s: not a time such as 90m, 72h or 3d", key)
	}
	return d
}

// strings reads a list. An empty element is refused: dropped, it would leave a
// filter that filters nothing.
func (e *entryReader) strings(key string, v *yaml.Node) []string {
	if v.Kind != yaml.SequenceNode {
		e.fail(v, "%s: not a list of strings", key)
		return nil
	}
	list := make([]string, 0, len(v.Content))
	for _, item := range v.Content {
		if item.Kind != yaml.ScalarNode || item.Tag == "!!null" || item.Value == "" {
			e.fail(item, "%s: not a list of strings", key)
			continue
		}
		list = append(list, item.Value)
	}
	return list
}

// lineOf finds the node that a validation problem (`key: …`) is about.
func (e *entryReader) lineOf(problem string) *yaml.Node {
	key, _, _ := strings.Cut(problem, ":")
	key, _, _ = strings.Cut(key, ".")
	for i := 0; i+1 < len(e.node.Content); i += 2 {
		if e.node.Content[i].Value == key {
			return e.node.Content[i]
		}
	}
	return e.node
}
