package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hogcast/hogcast/cmd/internal/clitest"
	"github.com/hogcast/hogcast/pkg/config"
	"github.com/hogcast/hogcast/pkg/embedded"
	"github.com/hogcast/hogcast/pkg/registry"
	"github.com/hogcast/hogcast/test/golden"
	"github.com/hogcast/hogcast/test/natstest"
)

func TestMain(m *testing.M) { clitest.Main(m, "hogcast", main) }

func runWith(t *testing.T, stdin string, args ...string) clitest.Outcome {
	t.Helper()
	return clitest.Run(t, run, stdin, args...)
}

func TestHelpIsTheGoldenOne(t *testing.T) {
	for _, command := range []string{
		"", "map", "setup", "doctor", "dev", "demo", "sandbox", "dead", "dead list", "dead show",
		"dead export", "dead drop", "purge", "replay", "replay start", "replay status", "replay pause", "replay resume", "replay cancel",
		"destinations", "destinations list", "destinations get", "destinations put", "destinations test", "destinations enable", "destinations disable",
		"destinations pause", "destinations resume", "destinations delete", "destinations export", "destinations apply", "destinations diff",
		"secrets", "secrets generate-key", "secrets rotate", "secrets check", "audit", "health", "guard release",
	} {
		args := strings.Fields(command + " --help")
		got := runWith(t, "", args...)
		if got.Code != config.ExitOK || command != "dead" && !strings.Contains(got.Out, "Examples:") {
			t.Errorf("%s: exit code %d, or no examples", command, got.Code)
		}
		golden.Check(t, "testdata/help/"+strings.ReplaceAll(strings.TrimSpace("hogcast "+command), " ", "-")+".golden", got.Out)
	}
}

const example = `{"id":"g1","tenant":"acme","created_at":"2026-01-02T03:04:05Z","model":"openai/gpt-4o","messages":[{"role":"user","content":"Recommend a product..."}],"user":"user_12345","session_id":"session_abc","trace":{"trace_name":"Product Recommendations","generation_name":"Generate Recommendation","feature":"shopping-assistant","ab_test_group":"variant_b"}}`

func TestMapShowsTheSpecificationsExample(t *testing.T) {
	t.Parallel()
	got := runWith(t, example, "map")
	if got.Code != config.ExitOK || got.Err != "" || strings.Count(got.Out, "\n") != 1 {
		t.Fatalf("got %+v", got)
	}
	for _, want := range []string{
		`"event":"$ai_generation"`, `"distinct_id":"user_12345"`, `"$ai_session_id":"session_abc"`, `"trace_name":"Product Recommendations"`,
		`"$ai_span_name":"Generate Recommendation"`, `"metadata_feature":"shopping-assistant"`, `"metadata_ab_test_group":"variant_b"`,
	} {
		if !strings.Contains(got.Out, want) {
			t.Errorf("no %s in %s", want, got.Out)
		}
	}
	for _, not := range []string{"$ai_trace_name", "metadata_trace_name", "metadata_generation_name"} {
		if strings.Contains(got.Out, not) {
			t.Errorf("%s in %s", not, got.Out)
		}
	}
}

func TestMapExitsByWhatItFound(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	records := file("records.ndjson", example+"\noops\n"+example+"\n")
	for name, tt := range map[string]struct {
		stdin string
		args  []string
		code  int
		lines int
		err   string
	}{
		"a bad record among good ones": {"", []string{"map", records}, 1, 2, "line 2: record: not JSON: broken at byte 0\n"},
		"filtered":                     {example, []string{"map", "--destination", file("off.yaml", "enabled: false\n")}, 0, 0, ""},
		"a private destination":        {example, []string{"map", "--destination", file("p.yaml", "destinations:\n- tenant: acme\n  privacy_mode: true\n")}, 0, 1, ""},
		"an unknown key":               {example, []string{"map", "--destination", file("bad.yaml", "tenant: a\ncolour: red\n")}, 2, 0, "bad.yaml:2: colour: unknown key"},
		"no such file":                 {"", []string{"map", filepath.Join(dir, "none")}, 1, 0, "no such file"},
		"an unknown flag":              {"", []string{"map", "--colour"}, 2, 0, "unknown flag --colour"},
		"nothing":                      {"", []string{"map"}, 0, 0, ""},
	} {
		got := runWith(t, tt.stdin, tt.args...)
		if got.Code != tt.code || strings.Count(got.Out, "\n") != tt.lines || !strings.Contains(got.Err, tt.err) || tt.err == "" && got.Err != "" {
			t.Errorf("%s: got %+v", name, got)
		}
		if name == "a private destination" && strings.Contains(got.Out, "Recommend a product") {
			t.Errorf("%s: content in %s", name, got.Out)
		}
	}
	if got := runWith(t, example, "map", "--pretty"); got.Code != 0 || !strings.Contains(got.Out, "\n  \"uuid\": ") {
		t.Errorf("--pretty: got %+v", got)
	}
}

func TestDemoDeliversTheSpecificationsExampleFirst(t *testing.T) {
	t.Parallel()
	got := runWith(t, "", "demo")
	if got.Code != config.ExitOK {
		t.Fatalf("got %+v", got)
	}
	first, second, found := strings.Cut(got.Out, "Event 2,")
	if !found || !strings.Contains(first, `"metadata_feature": "shopping-assistant"`) || strings.Contains(second, "shopping-assistant") {
		t.Errorf("the example is not the first event:\n%s", got.Out)
	}
}

func TestTheExampleOfDestinationsIsGood(t *testing.T) {
	t.Parallel()
	loaded, err := registry.Load("../../configs/destinations.example.yaml")
	if err != nil || len(loaded.Problems) > 0 || len(loaded.Destinations) != 2 {
		t.Errorf("%v %+v", err, loaded)
	}
}

func TestSetupSaysWhatItChangesAndThenNothing(t *testing.T) {
	t.Parallel()
	server := natstest.Start(t, embedded.Config{})
	args := []string{"setup", "--nats-url", server.ClientURL()}
	first := runWith(t, "", args...)
	golden.Check(t, "testdata/setup.golden", first.Out)
	if again := runWith(t, "", args...); first.Code != 0 || again.Code != 0 || again.Out != "nothing to change\n" {
		t.Errorf("got %+v, then %+v", first, again)
	}
	changed := runWith(t, "", append(args, "--tenant-quota", "5")...)
	if !strings.Contains(changed.Out, "stream HOGCAST_GENERATIONS: max_msgs_per_subject 10000000 → 5") {
		t.Errorf("got %+v", changed)
	}
	if got := runWith(t, "", "setup", "--nats-url", "nats://u:SECRET@127.0.0.1:1", "--timeout", "2s"); got.Code != 1 || strings.Contains(got.Err, "SECRET") {
		t.Errorf("got %+v", got)
	}
	if got := runWith(t, "", "setup", "--replicas", "2"); got.Code != 2 {
		t.Errorf("got %+v", got)
	}
}

func TestTheReferenceIsOfTheseFlags(t *testing.T) {
	golden.Check(t, "../../configs/hogcast.md", config.Reference(program()))
}
