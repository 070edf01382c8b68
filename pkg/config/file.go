package config

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/alecthomas/kong"
	"go.yaml.in/yaml/v3"
)

// maxFile is the largest configuration file, in bytes.
const maxFile = 1 << 20

// file is what a configuration file says, by the flags' names. The nil file
// says nothing.
type file struct{ entries map[string]entry }

type entry struct {
	value  any      // for kong: a string, or a list where the flag has no separator
	texts  []string // the same, one by one
	key    string   // as written, joined by dots
	origin Origin
}

func (f *file) lookup(st *setting) (entry, bool) {
	if f == nil || !st.inFile {
		return entry{}, false
	}
	e, ok := f.entries[st.flag.Name]
	return e, ok
}

func readFile(path string, s *schema) (*file, error) {
	in, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("reading configuration: %w", err)
	}
	defer in.Close()
	data, err := io.ReadAll(io.LimitReader(in, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("reading configuration: %w", err)
	}
	if len(data) > maxFile {
		return nil, fmt.Errorf("reading configuration: %s is larger than %s", path, Size(maxFile))
	}
	return parseFile(path, data, s)
}

// parseFile never quotes a value of the file in its errors. The file is
// returned beside an error as far as it was understood.
func parseFile(path string, data []byte, s *schema) (*file, error) {
	fp := &fileParser{path: path, schema: s, file: &file{entries: make(map[string]entry)}}
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	var doc, second yaml.Node
	if err := decoder.Decode(&doc); errors.Is(err, io.EOF) {
		return fp.file, nil
	} else if err != nil {
		return fp.file, syntaxError(path, err)
	}
	if err := decoder.Decode(&second); err == nil {
		fp.fail(&second, "", errors.New("a second document; one is wanted"))
	} else if !errors.Is(err, io.EOF) {
		return fp.file, syntaxError(path, err)
	}
	for _, root := range doc.Content {
		fp.root(root)
	}
	return fp.file, fp.err()
}

var (
	syntaxLine = regexp.MustCompile(`^yaml: (?:line (\d+): )?(.*)`)
	quotedText = regexp.MustCompile(`'.*'|".*"`)
)

// syntaxError puts the place first and takes out what the parser quotes of the
// file: it might be a secret.
func syntaxError(path string, err error) error {
	m := syntaxLine.FindStringSubmatch(strings.ReplaceAll(err.Error(), "\n", " "))
	if m == nil {
		return fmt.Errorf("%s: not YAML", path)
	}
	text := quotedText.ReplaceAllString(m[2], "…")
	if m[1] == "" {
		return fmt.Errorf("%s: not YAML: %s", path, text)
	}
	return fmt.Errorf("%s:%s: not YAML: %s", path, m[1], text)
}

// fileParser flattens nested keys to flags' names. It descends only where a
// known name goes on, which bounds its depth.
type fileParser struct {
	path   string
	schema *schema
	file   *file
	errs   []*originError
}

func (fp *fileParser) root(node *yaml.Node) {
	switch {
	case isNull(node):
	case node.Kind != yaml.MappingNode:
		fp.fail(node, "", errors.New("not a mapping of keys to values"))
	default:
		fp.mapping(node, nil)
	}
}

func (fp *fileParser) mapping(node *yaml.Node, above []string) {
	for i := 0; i+1 < len(node.Content); i += 2 {
		key, value := node.Content[i], node.Content[i+1]
		if key.Kind != yaml.ScalarNode {
			fp.fail(key, strings.Join(above, "."), errors.New("a key that is no plain word"))
			continue
		}
		fp.pair(key, value, append(slices.Clip(above), key.Value))
	}
}

func (fp *fileParser) pair(key, value *yaml.Node, words []string) {
	name, written := dashed(strings.Join(words, "-")), shownKey(words)
	st, section := fp.schema.inFile(name), fp.schema.sections[name]
	switch {
	case st == nil && !section:
		fp.fail(key, "", fmt.Errorf("unknown key %s%s", written, didYouMean(fp.schema.nearestKey(name))))
	case value.Kind == yaml.AliasNode:
		fp.fail(value, written, errors.New("aliases are not supported; write the value out"))
	case isNull(value):
		// Written and left empty: not set.
	case section && value.Kind == yaml.MappingNode:
		fp.mapping(value, words)
	case st == nil:
		fp.fail(value, written, errors.New("a section of keys, not a value"))
	default:
		fp.set(st, written, value)
	}
}

func (fp *fileParser) set(st *setting, written string, value *yaml.Node) {
	name := st.flag.Name
	if earlier, ok := fp.file.entries[name]; ok {
		fp.fail(value, written, fmt.Errorf("set before, on line %d", earlier.origin.Line))
		return
	}
	e, err := st.entry(value)
	if err != nil {
		fp.fail(value, written, err)
		return
	}
	e.key, e.origin = written, fp.origin(value)
	fp.file.entries[name] = e
}

// entry turns a node into what kong would read on a command line.
func (st *setting) entry(value *yaml.Node) (entry, error) {
	switch {
	case value.Kind == yaml.ScalarNode:
		return entry{value: value.Value, texts: []string{value.Value}}, nil
	case value.Kind == yaml.SequenceNode && st.list():
		return st.listEntry(value.Content)
	case value.Kind == yaml.SequenceNode:
		return entry{}, errors.New("one value is wanted, not a list")
	}
	return entry{}, errors.New("a value is wanted, not a mapping")
}

func (st *setting) listEntry(nodes []*yaml.Node) (entry, error) {
	texts := make([]string, 0, len(nodes))
	untyped := make([]any, 0, len(nodes))
	for _, n := range nodes {
		if n.Kind != yaml.ScalarNode || isNull(n) {
			return entry{}, errors.New("a list of plain values is wanted")
		}
		if strings.HasSuffix(n.Value, `\`) {
			return entry{}, errors.New("an entry can't end in a backslash")
		}
		texts, untyped = append(texts, n.Value), append(untyped, n.Value)
	}
	sep := st.flag.Tag.Sep
	if sep == -1 {
		return entry{value: untyped, texts: texts}, nil
	}
	return entry{value: kong.JoinEscaped(texts, sep), texts: texts}, nil
}

func (fp *fileParser) origin(node *yaml.Node) Origin {
	return Origin{Source: FromFile, Name: fp.path, Line: max(node.Line, 1)}
}

func (fp *fileParser) fail(node *yaml.Node, written string, err error) {
	fp.errs = append(fp.errs, &originError{origin: fp.origin(node), key: written, err: err})
}

// err is the first error by line, and how many there are beside it.
func (fp *fileParser) err() error {
	if len(fp.errs) == 0 {
		return nil
	}
	slices.SortStableFunc(fp.errs, func(a, b *originError) int { return cmp.Compare(a.origin.Line, b.origin.Line) })
	first := fp.errs[0]
	if more := len(fp.errs) - 1; more > 0 {
		first.err = fmt.Errorf("%w (and %d more)", first.err, more)
	}
	return first
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.Tag == "!!null" }

// shownKey is the key as written, quoted where it holds anything strange and
// cut where it is too long to be one.
func shownKey(words []string) string {
	key := strings.Join(words, ".")
	if len(key) > maxSuggested {
		key = strings.ToValidUTF8(key[:maxSuggested], "") + "…"
	}
	if q := strconv.Quote(key); q[1:len(q)-1] != key {
		return q
	}
	return key
}
