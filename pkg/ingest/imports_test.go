package ingest_test

import (
	"go/parser"
	"go/token"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

func TestImportsAreTheStandardLibraryNATSAndRecordAlone(t *testing.T) {
	t.Parallel()
	allowed := map[string]bool{
		"github.com/nats-io/nats.go":            true,
		"github.com/nats-io/nats.go/jetstream":  true,
		"github.com/hogcast/hogcast/pkg/record": true,
	}
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range parsed.Imports {
			seen++
			path, err := strconv.Unquote(i.Path.Value)
			if err != nil {
				t.Fatal(err)
			}
			first, _, _ := strings.Cut(path, "/")
			if strings.Contains(first, ".") && !allowed[path] {
				t.Errorf("%s imports %s; gateways would carry it", file, path)
			}
		}
	}
	if seen == 0 {
		t.Error("no import found: nothing was tested")
	}
}
