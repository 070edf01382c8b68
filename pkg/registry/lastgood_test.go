package registry_test

import (
	"context"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/hogcast/hogcast/pkg/destination"
	"github.com/hogcast/hogcast/pkg/registry"
)

func TestAFilesBadEntryLeavesItsLastGoodVersionInForce(t *testing.T) {
	t.Parallel()
	file := write(t, filepath.Join(t.TempDir(), "d.yaml"), "destinations:\n- {tenant: a, api_key: phc_a}\n- {tenant: b, api_key: phc_b}\n- {tenant: c, api_key: phc_c}\n")
	core, logs := observer.New(zap.WarnLevel)
	var changed []destination.ID
	files, err := registry.OpenFiles(registry.FilesParams{
		Path: file, Logger: zap.New(core), OnChange: func(_ *destination.Set, ids []destination.ID) { changed = append(changed, ids...) },
	})
	if err != nil {
		t.Fatal(err)
	}
	before := files.Current()
	for name, c := range map[string]struct {
		text             string
		inForce, private string // tenants
	}{
		"a typo in it":            {"- {tenant: a, api_key: phc_a}\n- {tenant: b, api_key: phc_x, privacy_mod: true}\n- {tenant: c, api_key: phc_c}", "a b c", "b"},
		"a typo in its tenant":    {"- {tenant: a, api_key: phc_a}\n- {tennant: b, api_key: phc_x}\n- {tenant: c, api_key: phc_c}", "a b c", "a b c d"},
		"a typo in its name":      {"- {tenant: a, api_key: phc_a}\n- {tenant: b, name: 'x y', api_key: phc_b}\n- {tenant: c, api_key: phc_c}", "a b c", "b"},
		"all are bad":             {"- {tenant: a, api_key: phx_a}\n- {tenant: b}\n- {tenant: c, api_key: ''}", "a b c", "a b c"},
		"one is bad, one is gone": {"- {tenant: a, api_key: phc_a}\n- {tenant: b}", "a b", "b"},
		"bad from the beginning":  {"- {tenant: a, api_key: phc_a}\n- {tenant: b, api_key: phc_b}\n- {tenant: c, api_key: phc_c}\n- {tenant: d, api_key: phx_d}", "a b c", "d"},
		"a duplicate":             {"- {tenant: a, api_key: phc_a}\n- {tenant: a, api_key: phc_b}\n- {tenant: b, api_key: phc_b}\n- {tenant: c, api_key: phc_c}", "a b c", "a"},
	} {
		write(t, file, "destinations:\n"+c.text+"\n")
		if err := files.Listed(t.Context()); err != nil {
			t.Fatal(err)
		}
		var inForce, private []string
		for _, tenant := range []string{"a", "b", "c", "d"} {
			id := destination.ID{Tenant: tenant, Name: "default"}
			if len(files.Current().Of(tenant)) > 0 && !standsIn(files.Current(), id) {
				inForce = append(inForce, tenant)
			}
			if files.Current().AnyPrivate(tenant) {
				private = append(private, tenant)
			}
		}
		if got := strings.Join(inForce, " "); got != c.inForce {
			t.Errorf("%s: in force %q, want %q", name, got, c.inForce)
		}
		if got := strings.Join(private, " "); got != c.private {
			t.Errorf("%s: private %q, want %q", name, got, c.private)
		}
		if len(files.Problems()) == 0 || logs.Len() == 0 {
			t.Errorf("%s: nobody is told", name)
		}
		write(t, file, "destinations:\n- {tenant: a, api_key: phc_a}\n- {tenant: b, api_key: phc_b}\n- {tenant: c, api_key: phc_c}\n")
		if err := files.Listed(t.Context()); err != nil {
			t.Fatal(err)
		}
		if files.Current().AnyPrivate("b") || len(files.Problems()) > 0 || files.Current().Len() != 3 {
			t.Errorf("%s: not mended", name)
		}
	}
	main := destination.ID{Tenant: "a", Name: "default"}
	if files.Current().Get(main) != before.Get(main) {
		t.Error("what has not changed is another")
	}
	if slices.Contains(changed, main) {
		t.Errorf("told of what has not changed: %v", changed)
	}
}

func TestDefaultsComeFromFilesToo(t *testing.T) {
	t.Parallel()
	file := write(t, filepath.Join(t.TempDir(), "d.yaml"), "destinations:\n- {tenant: _, name: main, api_key: phc_a}\n")
	for _, on := range []bool{false, true} {
		files, err := registry.OpenFiles(registry.FilesParams{Path: file, Defaults: on})
		if err != nil {
			t.Fatal(err)
		}
		if got := len(files.Current().Of("acme")); got != 0 != on {
			t.Errorf("defaults %t: %d destinations", on, got)
		}
	}
}

func TestTheFilesRunUntilTheyAreStopped(t *testing.T) {
	t.Parallel()
	file := write(t, filepath.Join(t.TempDir(), "d.yaml"), "destinations:\n- {tenant: a, api_key: phc_a}\n")
	files, err := registry.OpenFiles(registry.FilesParams{Path: file})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	files.Run(ctx)
}
