package admin_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/hogcast/hogcast/pkg/admin"
	"github.com/hogcast/hogcast/pkg/registry"
)

func TestApplyOfOneTenantLooksAtItAlone(t *testing.T) {
	t.Parallel()
	acme := func(o *office) string {
		return fmt.Sprintf("- {tenant: acme, name: main, api_key: phc_acme, endpoint: '%s'}\n", o.posthog.URL())
	}
	for name, c := range map[string]struct {
		beside string
		fails  string // "": nothing
	}{
		"another's unknown key":       {"- {tenant: beta, api_key: phc_b, privacy_mod: true}\n", ""},
		"another's duplicate":         {"- {tenant: beta, api_key: phc_b}\n- {tenant: beta, api_key: phc_b}\n", ""},
		"its own":                     {"- {tenant: acme, name: other, sampling_rate: 7, api_key: phc_b}\n", "sampling_rate"},
		"one that may be its own":     {"- {tennant: beta, api_key: phc_b}\n", "tennant: unknown key"},
		"another's, and one of whose": {"- {tenant: beta, api_key: phx_b}\n- 5\n", "not a mapping"},
	} {
		o := newOffice(t)
		o.put(t, o.destination("old"))
		o.said()
		loaded, err := registry.ParseUpdates("file", []byte("destinations:\n"+acme(o)+c.beside))
		if err != nil {
			t.Fatal(err)
		}
		found, err := o.Apply(t.Context(), admin.ApplyParams{Loaded: loaded, Tenant: "acme", Prune: true})
		said := o.said()
		if failed := errors.Is(err, admin.ErrSome); failed != (c.fails != "") || !strings.Contains(said, c.fails) || strings.Contains(said, "beta") || found.Create != 1 {
			t.Errorf("%s: %+v, %v\n%s", name, found, err, said)
		}
		if pruned := found.Delete == 1; pruned != (c.fails == "") {
			t.Errorf("%s: pruned %t\n%s", name, pruned, said)
		}
	}
}

func TestAFileWithoutTheTenantPrunesNothingOfIt(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	o.put(t, o.destination("main"))
	loaded, err := registry.ParseUpdates("file", []byte("destinations:\n- {tenant: beta, api_key: phc_b}\n"))
	if err != nil {
		t.Fatal(err)
	}
	_, err = o.Apply(t.Context(), admin.ApplyParams{Loaded: loaded, Tenant: "acme", Prune: true})
	if err == nil || !strings.Contains(err.Error(), "no destination of tenant acme") {
		t.Errorf("got %v", err)
	}
	if all, err := o.Store.List(t.Context(), ""); err != nil || len(all) != 1 {
		t.Errorf("%d destinations are left, %v", len(all), err)
	}
}
