package admin

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/hogcast/hogcast/pkg/destination"
	"github.com/hogcast/hogcast/pkg/registry"
)

// SettingChange is one setting that is another after a change; "" where it is not set.
// Secrets are masked.
type SettingChange struct {
	Setting string `json:"setting"`
	Before  string `json:"before,omitempty"`
	After   string `json:"after,omitempty"`
}

// Changes compares two versions of a destination; of nil every setting of the
// other is a change.
func Changes(before, after *destination.Destination) []SettingChange {
	all := compare(settingsOf(before), settingsOf(after))
	if before == nil || after == nil {
		return all
	}
	// Two secrets may have one mask.
	for _, s := range []struct {
		setting       string
		before, after destination.Secret
	}{
		{"api_key", before.APIKey, after.APIKey},
		{"privacy.user_hash_key", before.Privacy.UserHashKey, after.Privacy.UserHashKey},
	} {
		told := slices.ContainsFunc(all, func(c SettingChange) bool { return c.Setting == s.setting })
		if told || s.before.Reveal() == s.after.Reveal() {
			continue
		}
		mask := maskOf(s.setting, s.before)
		all = append(all, SettingChange{s.setting, mask, mask + " (another one)"})
	}
	slices.SortStableFunc(all, func(a, b SettingChange) int { return cmp.Compare(a.Setting, b.Setting) })
	return all
}

func maskOf(setting string, s destination.Secret) string {
	if setting == "api_key" {
		return s.Masked()
	}
	return s.String()
}

// settingsOf are a destination's settings by their names.
func settingsOf(d *destination.Destination) map[string]any {
	if d == nil {
		return nil
	}
	text, err := registry.FormOf(d, registry.Masked).JSON("")
	if err != nil {
		return nil
	}
	return flatten(text)
}

// flatten makes `privacy.redact` of nested objects. Lists stay whole.
func flatten(text []byte) map[string]any {
	var nested map[string]any
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	if decoder.Decode(&nested) != nil {
		return nil
	}
	flat := map[string]any{}
	var walk func(prefix string, m map[string]any)
	walk = func(prefix string, m map[string]any) {
		for key, v := range m {
			if inner, ok := v.(map[string]any); ok {
				walk(prefix+key+".", inner)
				continue
			}
			flat[prefix+key] = v
		}
	}
	walk("", nested)
	delete(flat, "tenant") // they name it, and can't change
	delete(flat, "name")
	return flat
}

func compare(before, after map[string]any) []SettingChange {
	names := maps.Clone(before)
	if names == nil {
		names = map[string]any{}
	}
	maps.Copy(names, after)
	var all []SettingChange
	for _, name := range slices.Sorted(maps.Keys(names)) {
		was, had := before[name]
		is, has := after[name]
		if had && has && plainly(was) == plainly(is) {
			continue
		}
		c := SettingChange{Setting: name}
		if had {
			c.Before = shown(name, was)
		}
		if has {
			c.After = shown(name, is)
		}
		if had && has {
			c.listed(was, is)
		}
		all = append(all, c)
	}
	return all
}

func plainly(v any) string {
	text, _ := json.Marshal(v) // what was JSON a moment ago
	return string(text)
}

const (
	mostShown = 100 // bytes of a value
	mostNamed = 10  // members of a list
)

// shown is a value for people.
func shown(name string, v any) string {
	switch v := v.(type) {
	case string:
		if name == "ca" {
			sum := sha256.Sum256([]byte(v))
			return fmt.Sprintf("certificates, %s bytes, sha256 %s", thousands(len(v)), hex.EncodeToString(sum[:6]))
		}
		return cut(visible(v))
	case []any:
		if text := plainly(v); len(text) <= mostShown {
			return text
		}
		return fmt.Sprintf("(%s in all)", thousands(len(v)))
	}
	return cut(plainly(v))
}

func cut(s string) string {
	if len(s) <= mostShown {
		return s
	}
	return strings.ToValidUTF8(s[:mostShown], "") + "…"
}

// listed tells of a list that is too long to be shown what came and went.
func (c *SettingChange) listed(was, is any) {
	before, ok1 := was.([]any)
	after, ok2 := is.([]any)
	if !ok1 || !ok2 || len(plainly(was)) <= mostShown && len(plainly(is)) <= mostShown {
		return
	}
	came, went := without(after, before), without(before, after)
	var words []string
	for sign, members := range map[string][]string{"+": came, "-": went} {
		for i, m := range members {
			if i == mostNamed {
				words = append(words, fmt.Sprintf("%s%d more", sign, len(members)-mostNamed))
				break
			}
			words = append(words, sign+m)
		}
	}
	slices.Sort(words)
	c.After = strings.TrimSpace(c.After + " " + strings.Join(words, " "))
}

func without(all, others []any) []string {
	there := map[string]bool{}
	for _, o := range others {
		there[plainly(o)] = true
	}
	var left []string
	for _, a := range all {
		if text := plainly(a); !there[text] {
			left = append(left, text)
		}
	}
	return left
}

// writeChanges writes a line for each: + is new, - is gone, ~ is another.
func writeChanges(out io.Writer, indent string, changes []SettingChange) error {
	for _, c := range changes {
		var err error
		switch {
		case c.Before == "":
			_, err = fmt.Fprintf(out, "%s+ %s: %s\n", indent, c.Setting, c.After)
		case c.After == "":
			_, err = fmt.Fprintf(out, "%s- %s: %s\n", indent, c.Setting, c.Before)
		default:
			_, err = fmt.Fprintf(out, "%s~ %s: %s → %s\n", indent, c.Setting, c.Before, c.After)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
