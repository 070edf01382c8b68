// Package hogcast_test holds the repository as a whole to its architecture.
package hogcast_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/hogcast/hogcast/"

// layers tells each package's layer; imports go strictly down. Packages beside
// the stack may be imported by layers 4 and up, and by tests.
var layers = map[string]int{
	"rawjson": -1, "seal": -1,
	"record": 0, "event": 0, "destination": 0, "envelope": 0, "outcome": 0,
	"mapping": 1, "privacy": 1, "routing": 1, "health": 1, "guard": 1, "doctor": 1,
	"queue": 2, "audit": 2, "posthog": 2,
	"registry": 3, "ingest": 3, "intake": 3, "delivery": 3, "deadletter": 3, "fleet": 3, "held": 3,
	"pipeline": 4, "admin": 4, "replay": 4, "purge": 4, "scrub": 4,
	"app": 5,
}

var beside = []string{"config", "telemetry", "embedded", "sandbox"}

// factImports: facts import no other package of ours but these.
var factImports = []string{"record", "rawjson"}

// imports lists what a package's files that are no tests import.
func imports(t *testing.T, dir string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		for _, spec := range parsed.Imports {
			name, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, name)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

func packages(t *testing.T) []string {
	t.Helper()
	entries, err := os.ReadDir("pkg")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		if e.IsDir() {
			names = append(names, e.Name())
		}
	}
	return names
}

func TestImportsGoStrictlyDownTheLayers(t *testing.T) {
	t.Parallel()
	for _, name := range packages(t) {
		layer, inStack := layers[name]
		if !inStack && !slices.Contains(beside, name) {
			t.Errorf("pkg/%s has no layer; give it one here and in ARCHITECTURE.md", name)
			continue
		}
		for _, imported := range imports(t, filepath.Join("pkg", name)) {
			of, ours := strings.CutPrefix(imported, module+"pkg/")
			if !ours {
				continue
			}
			below, stacked := layers[of]
			switch {
			case !inStack && of != "outcome":
				t.Errorf("pkg/%s stands beside the stack and imports pkg/%s", name, of)
			case inStack && layer == 0 && !slices.Contains(factImports, of):
				t.Errorf("pkg/%s holds facts and imports pkg/%s", name, of)
			case inStack && layer > 0 && stacked && below >= layer:
				t.Errorf("pkg/%s (layer %d) imports pkg/%s (layer %d)", name, layer, of, below)
			case inStack && !stacked && layer < 4:
				t.Errorf("pkg/%s (layer %d) imports pkg/%s, which stands beside the stack", name, layer, of)
			}
		}
	}
}

func TestDecisionsArePure(t *testing.T) {
	t.Parallel()
	impure := []string{"context", "io", "net", "net/http", "os", "math/rand", "math/rand/v2", "crypto/rand", "sync"}
	for name, layer := range layers {
		if layer != 1 {
			continue
		}
		for _, imported := range imports(t, filepath.Join("pkg", name)) {
			if slices.Contains(impure, imported) {
				t.Errorf("pkg/%s decides, and imports %s", name, imported)
			}
		}
	}
}

// goFiles calls use with the text of each Go file.
func goFiles(t *testing.T, use func(file, text string)) {
	t.Helper()
	err := filepath.WalkDir(".", func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || path.Ext(file) != ".go" {
			return err
		}
		text, err := os.ReadFile(file)
		use(filepath.ToSlash(file), string(text))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestOnlyOnePlaceSettles(t *testing.T) {
	t.Parallel()
	settles := regexp.MustCompile(`\.(Ack|Nak|NakWithDelay|Term|TermWithReason|InProgress|DoubleAck)\(`)
	verdict := regexp.MustCompile(`queue\.Ack\(\)`) // names a verdict, settles nothing
	goFiles(t, func(file, text string) {
		if file == "pkg/queue/settle.go" || strings.HasSuffix(file, "_test.go") {
			return
		}
		if found := settles.FindString(verdict.ReplaceAllString(text, "")); found != "" {
			t.Errorf("%s calls %s…); only pkg/queue/settle.go settles", file, found)
		}
	})
}

func TestEveryPackageWithTestsLooksForLeaks(t *testing.T) {
	t.Parallel()
	leakTested := map[string]bool{}
	tested := map[string]bool{}
	goFiles(t, func(file, text string) {
		if strings.HasPrefix(file, "pkg/") && strings.HasSuffix(file, "_test.go") {
			tested[path.Dir(file)] = true
			leakTested[path.Dir(file)] = leakTested[path.Dir(file)] || strings.Contains(text, "goleak.VerifyTestMain")
		}
	})
	for _, name := range packages(t) {
		dir := "pkg/" + name
		if !tested[dir] {
			t.Errorf("%s has no tests", dir)
		} else if !leakTested[dir] {
			t.Errorf("%s has no TestMain with goleak", dir)
		}
	}
}

func TestArchitectureNamesEveryPackage(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("ARCHITECTURE.md")
	if err != nil {
		t.Fatal(err)
	}
	named := map[string]bool{}
	for _, m := range regexp.MustCompile("`pkg/([a-z]+)`").FindAllStringSubmatch(string(text), -1) {
		named[m[1]] = true
	}
	have := packages(t)
	for _, name := range have {
		if !named[name] {
			t.Errorf("ARCHITECTURE.md does not tell of pkg/%s", name)
		}
	}
	for name := range named {
		if !slices.Contains(have, name) {
			t.Errorf("ARCHITECTURE.md tells of pkg/%s, which there is not", name)
		}
	}
}
