package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/hogcast/hogcast/pkg/config"
)

// noNames are no names of tenants or destinations: in a subject, a filter, a key
// or a file's name they would mean others' too, or something else.
var noNames = []string{
	"*", ">", "a*", "a>", "a.*", "a.>", "*.*", "a.b.c", "a b", " a", "a ", "a\tb", "a\nb", "a\r\nb", "a\x00b", "a\x1bb", "a\x7fb",
	".", "..", "a..b", "a/b", "../a", "-a", "_a", "__", "ä", "\u202ea", "a\u200bb", "$KV", strings.Repeat("a", 65),
}

// doors are all places where the command takes the name of a tenant or a
// destination; NAME stands for it. No NATS is there: whoever lets a name in
// fails otherwise than by its usage.
var doors = []string{
	"health --tenant=NAME",
	"guard release --destination=NAME.main",
	"guard release --destination=acme.NAME",
	"dead list --tenant=NAME", "dead list --destination=NAME",
	"dead export --tenant=NAME", "dead export --destination=NAME",
	"dead drop --tenant=NAME", "dead drop --destination=NAME",
	"replay --tenant=NAME", "replay --destination=NAME",
	"replay --tenant=acme --destination=main --to=NAME --destinations=destinations.yaml",
	"audit --tenant=NAME", "audit --tenant=acme --destination=NAME", "audit --destination=acme.NAME",
	"destinations list --tenant=NAME",
	"destinations get -- NAME", "destinations get acme.NAME", "destinations get NAME.main",
	"destinations put acme.NAME --api-key=phc_x", "destinations put NAME.main --api-key=phc_x",
	"destinations test NAME.main", "destinations enable NAME.main", "destinations disable NAME.main",
	"destinations pause NAME.main", "destinations resume NAME.main",
	"destinations delete NAME.main", "destinations delete acme.main --move-to=NAME",
	"destinations export --tenant=NAME", "destinations apply --tenant=NAME destinations.yaml", "destinations diff --tenant=NAME destinations.yaml",
	"purge --tenant=NAME",
	"scrub start NAME.main", "scrub start acme.NAME",
}

func TestWhatIsNoNameIsRefusedAtEveryDoor(t *testing.T) {
	file := filepath.Join(t.TempDir(), "destinations.yaml")
	if err := os.WriteFile(file, []byte("destinations:\n- {tenant: acme, name: main, api_key: phc_x0000000000}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, door := range doors {
		var letIn []string
		for _, name := range noNames {
			args := strings.Fields(door)
			for i := range args {
				args[i] = strings.ReplaceAll(strings.ReplaceAll(args[i], "destinations.yaml", file), "NAME", name)
			}
			if i := slices.IndexFunc(args, func(a string) bool { return strings.HasPrefix(a, "-a") }); i > 0 && args[i-1] != "--" {
				continue // a flag
			}
			got := runWith(t, "", append(args, "--nats-url=nats://127.0.0.1:1")...)
			if got.Code != config.ExitUsage {
				letIn = append(letIn, name)
			}
			if strings.ContainsAny(got.Err, "\x00\x1b\x7f\r\t") {
				t.Errorf("%s: %q: the error has it raw: %q", door, name, got.Err)
			}
		}
		if len(letIn) > 0 {
			t.Errorf("%s lets in: %q", door, letIn)
		}
	}
}

func TestADestinationsFileTakesNoOtherNames(t *testing.T) {
	for _, key := range []string{"tenant", "name"} {
		for _, name := range noNames {
			entry := map[string]string{"tenant": "acme", "name": "main"}
			entry[key] = name
			file := filepath.Join(t.TempDir(), "d.json")
			text := "{\"destinations\": [{\"tenant\": " + quoted(entry["tenant"]) + ", \"name\": " + quoted(entry["name"]) + ", \"api_key\": \"phc_x0000000000\"}]}"
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			got := runWith(t, `{"id":"g"}`, "map", "--destination", file)
			if got.Code == config.ExitOK || got.Out != "" {
				t.Errorf("%s %q: exit code %d, %s", key, name, got.Code, got.Err)
			}
		}
	}
}

// quoted is a string of JSON.
func quoted(s string) string {
	data, _ := json.Marshal(s)
	return string(data)
}
