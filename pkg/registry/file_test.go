package registry_test

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/hogcast/hogcast/pkg/destination"
	"github.com/hogcast/hogcast/pkg/registry"
)

func write(t *testing.T, path, text string) string {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func load(t *testing.T, text string) (*registry.Loaded, error) {
	t.Helper()
	return registry.Load(write(t, filepath.Join(t.TempDir(), "d.yaml"), text))
}

func TestADestinationHasItsDefaults(t *testing.T) {
	t.Parallel()
	got, err := load(t, "destinations:\n- tenant: acme\n  api_key: phc_a\n")
	if err != nil || len(got.Problems) > 0 || len(got.Destinations) != 1 {
		t.Fatalf("%v %+v", err, got)
	}
	d := got.Destinations[0]
	if d.Name != "default" || !d.Enabled || d.Paused || d.Endpoint != destination.EndpointUS || d.Protocol != destination.Auto || d.SamplingRate != 1 || d.PrivacyMode || d.APIKey.Reveal() != "phc_a" {
		t.Errorf("got %+v", d)
	}
}

func TestLimitsAreRead(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]time.Duration{"90m": 90 * time.Minute, "72h": 72 * time.Hour, "3d": 72 * time.Hour, "1h30m": 90 * time.Minute} {
		got, err := load(t, "destinations:\n- {tenant: acme, api_key: phc_a, max_rate: 0.5, max_concurrency: 4, hold_max: "+text+"}\n")
		if err != nil || len(got.Problems) > 0 || len(got.Destinations) != 1 {
			t.Fatalf("%s: %v %+v", text, err, got)
		}
		if d := got.Destinations[0]; d.MaxRate != 0.5 || d.MaxConcurrency != 4 || d.HoldMax != want {
			t.Errorf("%s: got %+v", text, d)
		}
	}
}

func TestAProblemCondemnsItsEntryAloneAndIsLocated(t *testing.T) {
	t.Parallel()
	for entry, want := range map[string]string{
		"tenant: a.b\n  api_key: phc_a":              ":4: tenant:",
		"api_key: phc_a":                             ":4: tenant: missing",
		"tenant: a\n  name: 'x y'\n  api_key: phc_a": ":5: name:",
		"tenant: a":                                                           ":4: api_key: missing",
		"tenant: a\n  api_key: ''":                                            ":5: api_key: empty",
		"tenant: a\n  api_key: phx_SECRET":                                    ":5: api_key: a personal",
		"tenant: a\n  api_key: 'phc_ SECRET'":                                 ":5: api_key: holds a space",
		"tenant: a\n  api_key: phc_a\n  api_key_env: X":                       ":6: api_key: given in more",
		"tenant: a\n  api_key_env: HOGCAST_TEST_NOT_THERE":                    ":5: api_key_env:",
		"tenant: a\n  api_key_file: /does/not/exist":                          ":5: api_key_file:",
		"tenant: a\n  api_key: phc_a\n  endpoint: x.example":                  ":6: endpoint: no scheme",
		"tenant: a\n  api_key: phc_a\n  endpoint: https://u:SECRET@x.example": ":6: endpoint: holds user info",
		"tenant: a\n  api_key: phc_a\n  endpoint: https://x.example/p":        ":6: endpoint: holds a path",
		"tenant: a\n  api_key: phc_a\n  colour: red":                          ":6: colour: unknown key",
		"tenant: a\n  api_key: phc_a\n  enabled: perhaps":                     ":6: enabled: not true or false",
		"tenant: a\n  api_key: phc_a\n  sampling_rate: 2":                     ":6: sampling_rate:",
		"tenant: a\n  api_key: phc_a\n  sampling_rate: SECRET":                ":6: sampling_rate: not a number",
		"tenant: a\n  api_key: phc_a\n  sampling_rate: .nan":                  ":6: sampling_rate:",
		"tenant: a\n  api_key: phc_a\n  protocol: v2":                         ":6: protocol:",
		"tenant: a\n  api_key: phc_a\n  api_keys: {inclde: [x]}":              ":6: api_keys.inclde: unknown key",
		"tenant: a\n  api_key: phc_a\n  api_keys: {include: {}}":              ":6: api_keys.include: not a list",
		"tenant: a\n  tenant: b\n  api_key: phc_a":                            ":5: tenant: given twice",
		"tenant: a\n  api_key: phc_a\n  max_rate: -1":                         ":6: max_rate:",
		"tenant: a\n  api_key: phc_a\n  max_rate: SECRET":                     ":6: max_rate: not a number of events",
		"tenant: a\n  api_key: phc_a\n  max_concurrency: 1.5":                 ":6: max_concurrency: not a number",
		"tenant: a\n  api_key: phc_a\n  hold_max: 30s":                        ":6: hold_max: 30s is less than 1m0s",
		"tenant: a\n  api_key: phc_a\n  hold_max: 3":                          ":6: hold_max: not a time",
		"tenant: a\n  api_key: phc_a\n  hold_max: 1000000d":                   ":6: hold_max: not a time",
		"tenant: a\n  api_key: phc_a\n  hold_max: -3d":                        ":6: hold_max: not a time",
		"tenant: a\n  api_key: phc_a\n  hold_max: {}":                         ":6: hold_max: not a time",
		"tenant: a\n  api_key: phc_a\n  hold_max:":                            ":6: hold_max: not a time",
		"just a string": ":4: destination: not a mapping",
		"tenant: good\n  name: one\n  api_key: phc_b": ":4: name: tenant \"good\" has a destination \"one\" already",
	} {
		got, err := load(t, "destinations:\n- {tenant: good, name: one, api_key: phc_a}\n\n- "+entry+"\n- {tenant: good, name: two, api_key: phc_a}\n")
		if err != nil {
			t.Errorf("%s: %v", entry, err)
			continue
		}
		if len(got.Destinations) != 2 {
			t.Errorf("%s: %d destinations are left, want the 2 good ones", entry, len(got.Destinations))
		}
		if len(got.Problems) == 0 || !strings.Contains(got.Problems[0].Error(), want) {
			t.Errorf("%s: got %v, want %q", entry, got.Problems, want)
		}
		for _, p := range got.Problems {
			if strings.Contains(p.Error(), "SECRET") {
				t.Errorf("%s: the problem repeats a secret: %v", entry, p)
			}
		}
	}
}

func TestWhatIsNoDestinationsFileIsAnError(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "\t- x", "- a\n- b", "destination: []", "destinations: 5", "a: [b", "destinations: []\n---\ndestinations: []"} {
		if got, err := load(t, text); err == nil {
			t.Errorf("%q: got %+v", text, got)
		}
	}
	if _, err := registry.Load(filepath.Join(t.TempDir(), "none.yaml")); err == nil {
		t.Error("a file that is not there was read")
	}
	if _, err := registry.Load(t.TempDir()); err == nil {
		t.Error("an empty folder was read")
	}
}

func TestWhatIsNoRegularFileIsRefusedAndNotWaitedFor(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "a.yaml"), "destinations: [{tenant: a, api_key: phc_a}]")
	pipe := filepath.Join(dir, "b.yaml")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Skip(err)
	}
	_, loadErr := registry.Load(dir)
	_, openErr := registry.OpenFiles(registry.FilesParams{Path: pipe})
	for _, err := range []error{loadErr, openErr} {
		if err == nil || !strings.Contains(err.Error(), "b.yaml is no regular file") {
			t.Errorf("got %v", err)
		}
	}
}

func TestAFileWithoutEndIsReadUpToTheLimitOnly(t *testing.T) {
	t.Parallel()
	if _, err := registry.LoadUpdates("/dev/zero"); err == nil || !strings.Contains(err.Error(), "more than") {
		t.Errorf("got %v", err)
	}
}

func TestAFolderIsReadWhole(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "a.yaml"), "destinations: [{tenant: a, api_key: phc_a}]")
	write(t, filepath.Join(dir, "b.yml"), "destinations: [{tenant: b, api_key: phc_b}, {tenant: a, api_key: phc_c}]")
	write(t, filepath.Join(dir, "c.txt"), "not yaml: [")
	got, err := registry.Load(dir)
	if err != nil || len(got.Destinations) != 2 || len(got.Problems) != 1 {
		t.Fatalf("%v %+v", err, got)
	}
}

func TestKeysComeFromFilesAndTheEnvironment(t *testing.T) {
	key := write(t, filepath.Join(t.TempDir(), "key"), "phc_from_file\n")
	t.Setenv("HOGCAST_TEST_KEY", "phc_from_env")
	got, err := load(t, "destinations:\n- {tenant: a, api_key_file: "+key+"}\n- {tenant: b, api_key_env: HOGCAST_TEST_KEY}\n")
	if err != nil || len(got.Destinations) != 2 {
		t.Fatalf("%v %+v", err, got)
	}
	if a, b := got.Destinations[0].APIKey.Reveal(), got.Destinations[1].APIKey.Reveal(); a != "phc_from_file" || b != "phc_from_env" {
		t.Errorf("got %q and %q", a, b)
	}
}

func TestRulesAloneNeedNoTenantAndNoKey(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"privacy_mode: true\n", "destinations:\n- privacy_mode: true\n", "tenant: a\napi_key_env: HOGCAST_TEST_NOT_THERE\nprivacy_mode: true\n"} {
		d, err := registry.LoadRules(write(t, filepath.Join(t.TempDir(), "d.yaml"), text))
		if err != nil || !d.PrivacyMode || d.Name != "default" {
			t.Errorf("%q: %v %+v", text, err, d)
		}
	}
	for _, text := range []string{"", "privacy: true\n", "destinations: []\n", "destinations: [{}, {}]\n"} {
		if _, err := registry.LoadRules(write(t, filepath.Join(t.TempDir(), "d.yaml"), text)); err == nil {
			t.Errorf("%q was taken", text)
		}
	}
}

// await polls with a deadline.
func await(t *testing.T, what string, holds func() bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(10 * time.Second)
	for !holds() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("%s did not come", what)
		}
	}
}

func TestAChangeIsInForceSoonAndABrokenOneIsNot(t *testing.T) {
	t.Parallel()
	file := write(t, filepath.Join(t.TempDir(), "d.yaml"), "destinations: [{tenant: a, api_key: phc_a}]")
	core, logs := observer.New(zap.ErrorLevel)
	changes := make(chan []destination.ID, 10)
	files, err := registry.OpenFiles(registry.FilesParams{
		Path: file, Logger: zap.New(core),
		OnChange: func(_ *destination.Set, changed []destination.ID) { changes <- changed },
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); files.Run(ctx) }()
	defer func() { cancel(); <-done }()

	write(t, file, "destinations: [{tenant: a, api_key: phc_a}, {tenant: b, api_key: phc_b}]")
	await(t, "the change", func() bool { return files.Current().Len() == 2 })
	for i, broken := range []func(){
		func() { write(t, file, "destinations: [") },
		func() { write(t, file, "") },
		func() { write(t, file, "destinations: []") },
		func() { _ = os.Remove(file) },
	} {
		broken()
		await(t, "an error in the log", func() bool { return logs.Len() > i })
		if n := files.Current().Len(); n != 2 {
			t.Fatalf("%d destinations are in force, want the last good 2", n)
		}
	}
	write(t, file, "destinations: [{tenant: c, api_key: phc_c}]")
	await(t, "the mended file", func() bool { return len(files.Current().Of("c")) == 1 })
	for _, want := range [][]string{{"b"}, {"c", "a", "b"}} {
		var got []string
		for _, id := range <-changes {
			got = append(got, id.Tenant)
		}
		if !slices.Equal(got, want) {
			t.Errorf("told of %v, want %v", got, want)
		}
	}
	if len(changes) > 0 {
		t.Errorf("told of %d more: what is not in force is no change", len(changes))
	}
}
