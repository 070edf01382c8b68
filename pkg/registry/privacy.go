package registry

import (
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/hogcast/hogcast/pkg/destination"
)

// privacy reads one key of `privacy:`.
func (e *entryReader) privacy(r *destination.Rules, from *sources, key string, v *yaml.Node) bool {
	switch key {
	case "metadata":
		e.eachMember(v, "privacy.metadata.", func(key string, v *yaml.Node) bool { return e.metadata(&r.Metadata, key, v) })
	case "user_hash_key", "user_hash_key_file", "user_hash_key_env":
		from.userHashKey.take(strings.TrimPrefix(key, fieldUserHashKey), v)
	case "redact":
		r.Redact = e.patterns(v)
	default:
		return false
	}
	return true
}

func (e *entryReader) metadata(f *destination.MetadataFilter, key string, v *yaml.Node) bool {
	switch key {
	case "allow":
		f.Allow = e.strings("privacy.metadata.allow", v)
	case "deny":
		f.Deny = e.strings("privacy.metadata.deny", v)
	default:
		return false
	}
	return true
}

// patterns reads `redact:`, a list of names of built-in patterns and of
// {name, pattern}.
func (e *entryReader) patterns(v *yaml.Node) []destination.Pattern {
	const key = "privacy.redact"
	if v.Kind != yaml.SequenceNode {
		e.fail(v, "%s: not a list of patterns", key)
		return nil
	}
	list := make([]destination.Pattern, 0, len(v.Content))
	for _, item := range v.Content {
		if item.Kind == yaml.AliasNode {
			item = item.Alias
		}
		if item.Kind == yaml.ScalarNode {
			list = append(list, destination.Pattern{Name: e.text(key, item)})
			continue
		}
		list = append(list, e.ownPattern(key, item))
	}
	return list
}

func (e *entryReader) ownPattern(key string, v *yaml.Node) (p destination.Pattern) {
	e.eachMember(v, key+".", func(member string, v *yaml.Node) bool {
		switch member {
		case "name":
			p.Name = e.text(key+".name", v)
		case "pattern":
			if p.Expr = e.text(key+".pattern", v); p.Expr == "" && v.Kind == yaml.ScalarNode {
				e.fail(v, "%s.pattern: empty", key)
			}
		default:
			return false
		}
		return true
	})
	return p
}
