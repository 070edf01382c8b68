package config

import (
	"encoding"
	"fmt"
	"reflect"
	"strings"

	"github.com/alecthomas/kong"
	"go.yaml.in/yaml/v3"
)

// effective is the configuration of the chosen command as YAML that can be
// read back, each value with its origin; secrets are masked.
func (ps *parser) effective(kctx *kong.Context) string {
	var order []string
	lines := make(map[string][]string) // by section; a key at the top is its own
	sources := ps.sources(kctx)
	for _, flag := range kctx.Flags() {
		st := ps.schema.settings[flag]
		if !st.inFile {
			continue
		}
		place, indent := st.section, "  "
		if place == "" {
			place, indent = " "+st.key, ""
		}
		if lines[place] == nil {
			order = append(order, place)
		}
		lines[place] = append(lines[place], fmt.Sprintf("%s%s: %s # %s\n", indent, st.key, st.shown(), shownOrigin(sources.Of(flag.Name))))
	}
	var b strings.Builder
	fmt.Fprintf(&b, "# %s: the effective configuration\n", strings.TrimSpace(ps.program.Name+" "+commandName(kctx.Selected())))
	for _, place := range order {
		if !strings.HasPrefix(place, " ") {
			b.WriteString(place + ":\n")
		}
		b.WriteString(strings.Join(lines[place], ""))
	}
	return b.String()
}

func commandName(cmd *kong.Node) string {
	if cmd == nil {
		return ""
	}
	return cmd.Path()
}

func shownOrigin(o Origin) string {
	// A file's name may hold anything, a line's end too.
	text := strings.Map(func(r rune) rune {
		if r < ' ' {
			return '?'
		}
		return r
	}, o.String())
	if o.Source == FromFile {
		return "file " + text
	}
	return text
}

// shown is the value in YAML, on one line.
func (st *setting) shown() string {
	values := texts(st.flag.Target)
	var nodes []*yaml.Node
	for _, text := range values {
		nodes = append(nodes, st.scalar(text))
	}
	node := &yaml.Node{Kind: yaml.SequenceNode, Style: yaml.FlowStyle, Content: nodes}
	if !st.list() {
		if len(nodes) == 0 {
			return "null"
		}
		node = nodes[0]
	}
	data, err := yaml.Marshal(node)
	if err != nil {
		return "null"
	}
	return strings.TrimSpace(string(data))
}

func (st *setting) scalar(text string) *yaml.Node {
	node := &yaml.Node{Kind: yaml.ScalarNode, Value: text, Tag: "!!str"}
	t := st.flag.Target.Type()
	for t.Kind() == reflect.Slice || t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch {
	case t.PkgPath() != "" || t.Kind() == reflect.String:
		if strings.Contains(text, "://") || strings.HasSuffix(st.flag.Name, "url") {
			node.Value = maskURL(text)
		}
		if strings.ContainsFunc(text, func(r rune) bool { return r < ' ' }) {
			node.Style = yaml.DoubleQuotedStyle
		}
	case t.Kind() == reflect.Bool:
		node.Tag = "!!bool"
	case t.Kind() == reflect.Float32 || t.Kind() == reflect.Float64:
		node.Tag = "!!float"
	default:
		node.Tag = "!!int"
	}
	return node
}

// texts is the value as it would be typed: one text, none for a nil pointer,
// or one for each entry of a list.
func texts(v reflect.Value) []string {
	if m, ok := reflect.TypeAssert[encoding.TextMarshaler](v); ok && v.Kind() != reflect.Pointer {
		text, err := m.MarshalText()
		if err == nil {
			return []string{string(text)}
		}
	}
	switch {
	case v.Kind() == reflect.Pointer && v.IsNil():
		return nil
	case v.Kind() == reflect.Pointer:
		return texts(v.Elem())
	case v.Kind() == reflect.Slice:
		var all []string
		for i := range v.Len() {
			all = append(all, texts(v.Index(i))...)
		}
		return all
	}
	return []string{fmt.Sprint(v.Interface())}
}
