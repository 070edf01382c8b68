package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// Values are the settings in another program's file, by their flags' names:
// its configuration, or what its --print-config has printed. That program alone
// knows which of them exist. Errors never quote a value.
type Values struct{ byName map[string]string }

// ReadValues reads such a file.
func ReadValues(in io.Reader) (Values, error) {
	v := Values{make(map[string]string)}
	data, err := io.ReadAll(io.LimitReader(in, maxFile+1))
	switch {
	case err != nil:
		return v, err
	case len(data) > maxFile:
		return v, fmt.Errorf("larger than %s", Size(maxFile))
	}
	var doc yaml.Node
	if err := yaml.NewDecoder(bytes.NewReader(data)).Decode(&doc); errors.Is(err, io.EOF) {
		return v, nil
	} else if err != nil {
		return v, syntaxError("configuration", err)
	}
	for _, root := range doc.Content {
		if root.Kind != yaml.MappingNode && !isNull(root) {
			return v, errors.New("not a mapping of keys to values")
		}
		v.flatten("", root)
	}
	return v, nil
}

// flatten keeps scalars and lists of them; an alias is no setting.
func (v Values) flatten(above string, node *yaml.Node) {
	switch node.Kind {
	case yaml.ScalarNode:
		if !isNull(node) {
			v.byName[above] = node.Value
		}
	case yaml.SequenceNode:
		var texts []string
		for _, n := range node.Content {
			texts = append(texts, n.Value)
		}
		v.byName[above] = strings.Join(texts, ",")
	case yaml.MappingNode:
		for i := 0; i+1 < len(node.Content); i += 2 {
			name := node.Content[i].Value
			if above != "" {
				name = above + "-" + name
			}
			v.flatten(dashed(name), node.Content[i+1])
		}
	}
}

// Text is a setting; "" where it is not set.
func (v Values) Text(name string) string { return v.byName[name] }

// Told reports whether the file speaks of a setting, be it to leave it empty.
func (v Values) Told(name string) bool {
	_, told := v.byName[name]
	return told
}

// Given reports whether a setting is there.
func (v Values) Given(name string) bool { return v.byName[name] != "" }

// Duration reads a setting; fallback where it is not set.
func (v Values) Duration(name string, fallback time.Duration) (time.Duration, error) {
	if !v.Given(name) {
		return fallback, nil
	}
	d, err := time.ParseDuration(v.byName[name])
	if err != nil {
		return fallback, fmt.Errorf("%s: not a duration such as 15s", name)
	}
	return d, nil
}

// Size reads a setting; fallback where it is not set.
func (v Values) Size(name string, fallback int64) (int64, error) {
	if !v.Given(name) {
		return fallback, nil
	}
	n, err := parseSize(v.byName[name])
	if err != nil {
		return fallback, fmt.Errorf("%s: not a size such as 64MiB", name)
	}
	return n, nil
}

// Bool reads a setting; false where it is not set, or is no bool.
func (v Values) Bool(name string) bool {
	yes, err := strconv.ParseBool(v.byName[name])
	return err == nil && yes
}
