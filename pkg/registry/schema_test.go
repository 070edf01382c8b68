package registry_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"

	"github.com/hogcast/hogcast/pkg/registry"
)

const schemaFile = "../../configs/destinations.schema.json"

func schema(t *testing.T, fragment string) *jsonschema.Schema {
	t.Helper()
	s, err := jsonschema.NewCompiler().Compile(schemaFile + fragment)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// asJSON makes of YAML what a schema judges.
func asJSON(t *testing.T, text []byte) any {
	t.Helper()
	var v any
	if err := yaml.Unmarshal(text, &v); err != nil {
		t.Fatal(err)
	}
	out, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(string(out)))
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

func TestTheExamplesAreOfTheSchema(t *testing.T) {
	t.Parallel()
	s := schema(t, "")
	files, err := filepath.Glob("../../configs/destinations*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("%v, %v", files, err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Validate(asJSON(t, text)); err != nil {
			t.Errorf("%s: %v", file, err)
		}
		if got, err := registry.Load(file); err != nil || len(got.Problems) > 0 {
			t.Errorf("%s: %v %v", file, err, got)
		}
	}
	for _, reveal := range []registry.Secrets{registry.Revealed} {
		text, err := registry.FormOf(full(), reveal).JSON("")
		if err != nil {
			t.Fatal(err)
		}
		if err := schema(t, "#/$defs/entry").Validate(asJSON(t, text)); err != nil {
			t.Errorf("what is rendered is not of the schema: %v\n%s", err, text)
		}
	}
}

// values are tried in each place of an entry.
var values = []any{
	nil, true, 1, 0, -1, 0.5, 1.5, 64, "", "x", "a b", "a.b", "us", "eu", "auto", "v2", "phc_a", "phx_a", "phs_a", "phc_ä", strings.Repeat("k", 65),
	"90m", "3d", "-3d", "1h30m", "1.5h", ".5h", "90", "0", "d", "1000000000000000d", "5s", "https://posthog.example.com", "https://posthog.example.com/",
	"http://10.0.0.1:8000", "https://[::1]:8000", "https://u:p@x", "https://x/p", "https://x?q", "ftp://x", "posthog.example.com", "https://", "HTTPS://x",
	[]any{},
	[]any{"a"},
	[]any{""},
	[]any{nil},
	[]any{1},
	[]any{map[string]any{}},
	[]any{"email"},
	[]any{"email", "card"},
	[]any{"iban"},
	[]any{map[string]any{"name": "ticket", "pattern": `T-\d+`}},
	[]any{map[string]any{"name": "email", "pattern": "x"}},
	[]any{map[string]any{"name": "ticket"}},
	[]any{map[string]any{"pattern": "x"}},
	[]any{map[string]any{"name": "Ticket", "pattern": "x"}},
	[]any{map[string]any{"name": "t", "pattern": ""}},
	[]any{map[string]any{"name": "t", "pattern": "x", "flags": "i"}},
	map[string]any{},
	map[string]any{"a": 1},
	map[string]any{"include": []any{"a"}},
	map[string]any{"include": nil},
	map[string]any{"allow": []any{"a"}},
}

// only the reader can tell these: what is said of other keys, of files, and of
// what a pattern of the schema would be too long for.
var readersAlone = regexp.MustCompile(`^(hold_max: \S+ is less than|hold_max: not a time|region: |ca: no PEM|\w+_file: |privacy\.\w+_file: |\w+_env: the env|privacy\.\w+_env: the env|privacy\.user_hash_key: fewer|endpoint: (port|not an IPv6|empty port))`)

func TestTheSchemaAndTheReaderAgree(t *testing.T) {
	t.Parallel()
	s := schema(t, "")
	dir := t.TempDir()
	base := func() map[string]any {
		return map[string]any{"tenant": "acme", "name": "main", "api_key": "phc_a"}
	}
	n := 0
	check := func(what string, entry map[string]any) {
		t.Helper()
		n++
		doc := map[string]any{"destinations": []any{entry}}
		text, err := json.Marshal(doc)
		if err != nil {
			t.Fatal(err)
		}
		file := write(t, filepath.Join(dir, "d.yaml"), string(text))
		bySchema := s.Validate(asJSON(t, text))
		loaded, err := registry.Load(file)
		if err != nil {
			t.Fatal(err)
		}
		if (bySchema == nil) == (len(loaded.Problems) == 0) {
			return
		}
		if bySchema == nil && !slices.ContainsFunc(loaded.Problems, func(p *registry.Problem) bool { return !readersAlone.MatchString(p.Text) }) {
			return
		}
		t.Errorf("%s: the schema says %v, the reader %v", what, bySchema, loaded.Problems)
	}
	keys := slices.Sorted(maps.Keys(propertiesOf(t, "entry")))
	for _, key := range append(keys, "colour", "Tenant") {
		without := base()
		delete(without, key)
		check("without "+key, without)
		for _, v := range values {
			entry := base()
			entry[key] = v
			if strings.HasPrefix(key, "api_key_") {
				delete(entry, "api_key")
			}
			check(fmt.Sprintf("%s: %v", key, v), entry)
		}
	}
	for _, key := range append(slices.Sorted(maps.Keys(propertiesOf(t, "privacy"))), "colour") {
		for _, v := range values {
			entry := base()
			entry["privacy"] = map[string]any{key: v}
			check(fmt.Sprintf("privacy.%s: %v", key, v), entry)
		}
	}
	for what, entry := range map[string]map[string]any{
		"two keys":     {"tenant": "a", "api_key": "phc_a", "api_key_env": "HOME"},
		"two CAs":      {"tenant": "a", "api_key": "phc_a", "ca": "", "ca_file": "/x"},
		"two hashes":   {"tenant": "a", "api_key": "phc_a", "privacy": map[string]any{"user_hash_key": "0123456789abcdef", "user_hash_key_env": "X"}},
		"a long name":  {"tenant": "a", "name": strings.Repeat("n", 64), "api_key": "phc_a"},
		"a long one":   {"tenant": "a", "name": strings.Repeat("n", 65), "api_key": "phc_a"},
		"the default":  {"tenant": "_", "api_key": "phc_a"},
		"no default":   {"tenant": "a", "name": "_", "api_key": "phc_a"},
		"many filters": {"tenant": "a", "api_key": "phc_a", "privacy": map[string]any{"redact": slices.Repeat([]any{"email"}, 33)}},
	} {
		check(what, entry)
	}
	t.Logf("%d entries", n)
}

func propertiesOf(t *testing.T, def string) map[string]any {
	t.Helper()
	text, err := os.ReadFile(schemaFile)
	if err != nil {
		t.Fatal(err)
	}
	var s struct {
		Defs map[string]struct {
			Properties map[string]any `json:"properties"`
		} `json:"$defs"`
	}
	if err := json.Unmarshal(text, &s); err != nil {
		t.Fatal(err)
	}
	return s.Defs[def].Properties
}

func TestTheDocsTellOfEveryKey(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/destinations.md")
	if err != nil {
		t.Fatal(err)
	}
	for def, prefix := range map[string]string{"entry": "", "privacy": "privacy."} {
		for key := range propertiesOf(t, def) {
			if key == "privacy" || strings.HasSuffix(key, "_file") || strings.HasSuffix(key, "_env") {
				continue // told of with what they stand for
			}
			if !strings.Contains(string(text), "`"+prefix+key) {
				t.Errorf("docs/destinations.md does not tell of `%s%s`", prefix, key)
			}
		}
	}
}
