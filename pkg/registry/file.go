// Package registry knows where destinations are configured: today files, one
// or a folder of them, hot-reloaded. Layer 2. It owns the goroutine of Watch
// for as long as Watch runs, and no other.
package registry

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/hogcast/hogcast/pkg/destination"
)

// MaxFileBytes bounds one destinations file.
const MaxFileBytes = 64 << 20

// Loaded is what a file, or a folder of files, holds.
type Loaded struct {
	Destinations []*destination.Destination
	// Problems condemn the entry that they are about, of which one may have
	// several; the other entries are in Destinations.
	Problems []*Problem
	LeftOut  int // condemned entries
	// Condemned are their IDs, as far as they could be read: "" where not.
	Condemned []destination.ID
	// standIns are what may stand for them; see standIn.
	standIns []*destination.Destination

	seen map[destination.ID]string // where each was found
}

// Load reads a destinations file, or every *.yaml and *.yml of a folder. The
// error is for the whole: unreadable, not YAML, no list of destinations.
func Load(path string) (*Loaded, error) { return load(path, forUse) }

// LoadUpdates is Load of what may become the next version of what is stored:
// secrets may be masked, and API keys left out; see Store.Put. An entry alone,
// or a list of them, will do, as YAML or JSON.
func LoadUpdates(path string) (*Loaded, error) { return load(path, forUpdate) }

// ParseUpdates is LoadUpdates of what was read already; file names it in
// problems.
func ParseUpdates(file string, data []byte) (*Loaded, error) {
	all := &Loaded{}
	if err := all.parse(file, data, forUpdate); err != nil {
		return nil, err
	}
	return all, nil
}

// Of is what of it is one tenant's: what can't be told to be another's is.
func (l *Loaded) Of(tenant string) *Loaded {
	other := func(id destination.ID) bool { return id.Tenant != "" && id.Tenant != tenant }
	own := &Loaded{
		Destinations: slices.DeleteFunc(slices.Clone(l.Destinations), func(d *destination.Destination) bool { return other(d.ID) }),
		Problems:     slices.DeleteFunc(slices.Clone(l.Problems), func(p *Problem) bool { return other(p.ID) }),
		Condemned:    slices.DeleteFunc(slices.Clone(l.Condemned), other),
	}
	own.LeftOut = len(own.Condemned)
	return own
}

func load(path string, p purpose) (*Loaded, error) {
	files, err := filesOf(path)
	if err != nil {
		return nil, err
	}
	all := &Loaded{}
	for _, file := range files {
		data, err := readFile(file)
		if err != nil {
			return nil, err
		}
		if err := all.parse(file, data, p); err != nil {
			return nil, err
		}
	}
	return all, nil
}

func (l *Loaded) parse(file string, data []byte, p purpose) error {
	one, err := parse(file, data, p)
	if err != nil {
		return err
	}
	l.add(one)
	return nil
}

// LoadRules reads the one destination of a file for offline use: the tenant
// and the API key may be left out, and a bare entry will do for a list of one.
func LoadRules(path string) (*destination.Destination, error) {
	data, err := readFile(path)
	if err != nil {
		return nil, err
	}
	root, err := document(path, data)
	if err != nil {
		return nil, err
	}
	entry, err := soleEntry(path, root)
	if err != nil {
		return nil, err
	}
	reader := entryReader{file: path, node: entry, purpose: forRules}
	d := reader.read()
	return d, joined(reader.problems)
}

func joined(problems []*Problem) error {
	errs := make([]error, len(problems))
	for i, p := range problems {
		errs[i] = p
	}
	return errors.Join(errs...)
}

func soleEntry(path string, root *yaml.Node) (*yaml.Node, error) {
	if len(root.Content) == 0 || root.Content[0].Kind != yaml.MappingNode {
		return nil, fmt.Errorf("%s: no destination in it", path)
	}
	top := root.Content[0]
	for i := 0; i+1 < len(top.Content); i += 2 {
		if top.Content[i].Value != "destinations" {
			continue
		}
		if len(top.Content) > 2 {
			return nil, fmt.Errorf("%s:%d: nothing else may stand beside `destinations:`", path, top.Line)
		}
		list := top.Content[i+1]
		if list.Kind != yaml.SequenceNode || len(list.Content) != 1 {
			return nil, fmt.Errorf("%s:%d: destinations: exactly one is wanted here", path, list.Line)
		}
		return list.Content[0], nil
	}
	return top, nil
}

// add takes over what one file holds; an ID that another entry has already is
// a problem of the later one.
func (l *Loaded) add(one *located) {
	if l.seen == nil {
		l.seen = map[destination.ID]string{}
	}
	l.Problems = append(l.Problems, one.problems...)
	l.Condemned = append(l.Condemned, one.condemned...)
	l.standIns = append(l.standIns, one.standIns...)
	for i, d := range one.destinations {
		where := fmt.Sprintf("%s:%d", one.file, one.lines[i])
		if first, ok := l.seen[d.ID]; ok {
			l.Problems = append(l.Problems, &Problem{
				File: one.file, Line: one.lines[i], ID: d.ID,
				Text: fmt.Sprintf("name: tenant %q has a destination %q already, at %s", d.Tenant, d.Name, first),
			})
			l.Condemned = append(l.Condemned, d.ID)
			continue
		}
		l.seen[d.ID] = where
		l.Destinations = append(l.Destinations, d)
	}
	l.LeftOut = len(l.Condemned)
}

// located are the destinations of one file, with their lines.
type located struct {
	file         string
	destinations []*destination.Destination
	lines        []int
	problems     []*Problem
	condemned    []destination.ID
	standIns     []*destination.Destination
	purpose      purpose
}

func parse(file string, data []byte, p purpose) (*located, error) {
	root, err := document(file, data)
	if err != nil {
		return nil, err
	}
	out := &located{file: file, purpose: p}
	if p == forUpdate && out.loose(root) {
		return out, nil
	}
	if len(root.Content) == 0 || root.Content[0].Kind != yaml.MappingNode {
		return nil, fmt.Errorf("%s: no `destinations:` list in it", file)
	}
	found := false
	top := root.Content[0]
	for i := 0; i+1 < len(top.Content); i += 2 {
		key, value := top.Content[i], top.Content[i+1]
		if key.Value != "destinations" {
			out.problems = append(out.problems, &Problem{File: file, Line: key.Line, Text: shownKey(key.Value) + ": unknown key"})
			continue
		}
		if value.Kind != yaml.SequenceNode && value.Tag != "!!null" {
			return nil, fmt.Errorf("%s:%d: destinations: not a list", file, value.Line)
		}
		found = true
		for _, entry := range value.Content {
			out.entry(entry)
		}
	}
	if !found {
		return nil, fmt.Errorf("%s: no `destinations:` list in it", file)
	}
	return out, nil
}

func (l *located) entry(node *yaml.Node) {
	if node.Kind == yaml.AliasNode {
		node = node.Alias
	}
	reader := entryReader{file: l.file, node: node, purpose: l.purpose}
	d := reader.read()
	if len(reader.problems) > 0 {
		id := told(d.ID)
		for _, p := range reader.problems {
			p.ID = id
		}
		l.problems = append(l.problems, reader.problems...)
		l.condemned = append(l.condemned, id)
		if id.Tenant != "" && id.Name != "" {
			l.standIns = append(l.standIns, reader.standIn(id, d))
		}
		return
	}
	l.destinations = append(l.destinations, d)
	l.lines = append(l.lines, node.Line)
}

// told is as much of an ID as can be told.
func told(id destination.ID) destination.ID {
	if id.Tenant != destination.AnyTenant && !destination.ValidName(id.Tenant) {
		return destination.ID{}
	}
	if !destination.ValidName(id.Name) {
		id.Name = ""
	}
	return id
}

// loose reads an entry that stands alone, or a list of them; false where it is
// neither.
func (l *located) loose(root *yaml.Node) bool {
	if len(root.Content) == 0 {
		return false
	}
	top := root.Content[0]
	if top.Kind == yaml.SequenceNode {
		for _, entry := range top.Content {
			l.entry(entry)
		}
		return true
	}
	if top.Kind != yaml.MappingNode || len(top.Content) == 0 {
		return false
	}
	for i := 0; i+1 < len(top.Content); i += 2 {
		if top.Content[i].Value == "destinations" {
			return false
		}
	}
	l.entry(top)
	return true
}

// document reads the one YAML document of a file; a second would be lost
// silently.
func document(file string, data []byte) (*yaml.Node, error) {
	// JSON is YAML but for some escapes.
	if text := bytes.TrimSpace(data); len(text) > 0 && (text[0] == '{' || text[0] == '[') {
		if node, err := jsonNode(text); err == nil {
			return &yaml.Node{Kind: yaml.DocumentNode, Content: []*yaml.Node{node}}, nil
		}
	}
	var root, more yaml.Node
	reader := yaml.NewDecoder(bytes.NewReader(data))
	if err := reader.Decode(&root); err != nil && !errors.Is(err, io.EOF) {
		return nil, notYAML(file, err)
	}
	switch err := reader.Decode(&more); {
	case errors.Is(err, io.EOF):
		return &root, nil
	case err != nil:
		return nil, notYAML(file, err)
	}
	return nil, fmt.Errorf("%s:%d: a second YAML document; one list of destinations is wanted", file, more.Line)
}

// notYAML tells where a file breaks; yaml's text names lines, not values.
func notYAML(file string, err error) error {
	return fmt.Errorf("%s: %s", file, strings.ReplaceAll(err.Error(), "yaml: ", "not YAML: "))
}

func filesOf(path string) ([]string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("destinations: %w", err)
	}
	if !info.IsDir() {
		return []string{path}, nil
	}
	var files []string
	entries, err := os.ReadDir(path) // sorted by name
	if err != nil {
		return nil, fmt.Errorf("destinations: %w", err)
	}
	for _, entry := range entries {
		file := filepath.Join(path, entry.Name())
		if ext := filepath.Ext(file); (ext != ".yaml" && ext != ".yml") || isDir(file) {
			continue
		}
		if err := regular(file); err != nil {
			return nil, err
		}
		files = append(files, file)
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("destinations: no *.yaml in %s", path)
	}
	return files, nil
}

// isDir follows links: a mounted ConfigMap is a folder of them.
func isDir(file string) bool {
	info, err := os.Stat(file)
	return err != nil || info.IsDir()
}

// regular refuses what is looked at again and again, or was named by nobody, and
// is no file: a pipe would be waited for without an end.
func regular(file string) error {
	info, err := os.Stat(file)
	if err != nil {
		return fmt.Errorf("destinations: %w", err)
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("destinations: %s is no regular file", file)
	}
	return nil
}

// readFile reads no more than MaxFileBytes, whatever size the file says it has.
func readFile(file string) ([]byte, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, fmt.Errorf("destinations: %w", err)
	}
	defer func() { _ = f.Close() }()
	data, err := io.ReadAll(io.LimitReader(f, MaxFileBytes+1))
	if err != nil {
		return nil, fmt.Errorf("destinations: %w", err)
	}
	if len(data) > MaxFileBytes {
		return nil, fmt.Errorf("destinations: %s has more than %d bytes", file, MaxFileBytes)
	}
	return data, nil
}
