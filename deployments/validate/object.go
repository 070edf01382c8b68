package main

import (
	"encoding/json"
	"fmt"
	"strings"
)

// object is one object of Kubernetes, as text and decoded.
type object struct {
	text    string
	content map[string]any
}

func (o object) kind() string       { return o.str("kind") }
func (o object) apiVersion() string { return o.str("apiVersion") }
func (o object) name() string       { return o.str("metadata", "name") }
func (o object) id() string         { return o.kind() + "/" + o.name() }

// group and version of the object's type; the core group is "".
func (o object) groupVersion() (group, version string) {
	group, version, ok := strings.Cut(o.apiVersion(), "/")
	if !ok {
		return "", group
	}
	return group, version
}

// at walks down maps by key; nil where there is nothing.
func (o object) at(path ...string) any {
	var here any = o.content
	for _, key := range path {
		m, ok := here.(map[string]any)
		if !ok {
			return nil
		}
		here = m[key]
	}
	return here
}

func (o object) str(path ...string) string {
	if v := o.at(path...); v != nil {
		return fmt.Sprint(v)
	}
	return ""
}

// into decodes what lies at path into a typed value, and refuses fields that
// this does not know.
func (o object) into(to any, path ...string) error {
	raw, err := json.Marshal(o.at(path...))
	if err != nil {
		return err
	}
	d := json.NewDecoder(strings.NewReader(string(raw)))
	d.DisallowUnknownFields()
	return d.Decode(to)
}

// podPath is where the object has its pods' template.
func (o object) podPath() ([]string, bool) {
	switch o.kind() {
	case "Pod":
		return nil, true
	case "Deployment", "Job", "StatefulSet", "DaemonSet":
		return []string{"spec", "template"}, true
	}
	return nil, false
}
