package config

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestPrecedenceForEveryKind(t *testing.T) {
	t.Parallel()
	kinds := []struct {
		name, flag, env, yaml, key string
		read                       func(*runCmd) any
		want                       map[Source]any
	}{
		{
			"a string", "--listen=:1", "HOGCAST_LISTEN=:2", "listen: ':3'", "listen",
			func(c *runCmd) any { return c.Listen },
			map[Source]any{FromFlag: ":1", FromEnv: ":2", FromFile: ":3", FromDefault: ":8080"},
		},
		{
			"a bool", "--no-fast", "HOGCAST_FAST=true", "fast: yes", "fast",
			func(c *runCmd) any { return c.Fast },
			map[Source]any{FromFlag: false, FromEnv: true, FromFile: true, FromDefault: false},
		},
		{
			"a list", "--nats-url=a:1,b:1", "HOGCAST_NATS_URL=a:2,b:2", "nats: {url: ['a:3', 'b:3']}", "nats-url",
			func(c *runCmd) any { return c.NATS.URL },
			map[Source]any{
				FromFlag: []string{"a:1", "b:1"}, FromEnv: []string{"a:2", "b:2"},
				FromFile: []string{"a:3", "b:3"}, FromDefault: []string{"nats://127.0.0.1:4222"},
			},
		},
		{
			"a duration", "--wait=1s", "HOGCAST_WAIT=2s", "wait: 3s", "wait",
			func(c *runCmd) any { return c.Wait },
			map[Source]any{FromFlag: time.Second, FromEnv: 2 * time.Second, FromFile: 3 * time.Second, FromDefault: 10 * time.Second},
		},
		{
			"a size", "--window=1MiB", "HOGCAST_WINDOW=2MB", "window: 3KiB", "window",
			func(c *runCmd) any { return c.Window },
			map[Source]any{FromFlag: Size(1 << 20), FromEnv: Size(2e6), FromFile: Size(3072), FromDefault: Size(64 << 20)},
		},
		{
			"an integer", "--batch=1", "HOGCAST_BATCH=2", "batch: 3", "batch",
			func(c *runCmd) any { return c.Batch },
			map[Source]any{FromFlag: 1, FromEnv: 2, FromFile: 3, FromDefault: 100},
		},
		{
			"a secret", "--nats-token=one", "HOGCAST_NATS_TOKEN=two", "nats: {token: three}", "nats-token",
			func(c *runCmd) any { return c.NATS.Token.Reveal() },
			map[Source]any{FromFlag: "one", FromEnv: "two", FromFile: "three", FromDefault: ""},
		},
		{
			"a flag with an environment name of its own", "--key=one", "POSTHOG_API_KEY=two", "key: three", "key",
			func(c *runCmd) any { return c.Key.Reveal() },
			map[Source]any{FromFlag: "one", FromEnv: "two", FromFile: "three", FromDefault: ""},
		},
		{
			"a flag of the root", "--log-level=debug", "HOGCAST_LOG_LEVEL=warn", "log: {level: error}", "log-level",
			nil,
			map[Source]any{FromFlag: "debug", FromEnv: "warn", FromFile: "error", FromDefault: "info"},
		},
	}
	for _, k := range kinds {
		file := yamlFile(t, k.yaml)
		other := yamlFile(t, "# nothing\n")
		for mask := range 8 {
			args, env, want := []string{"run", "--config=" + other}, []string{"HOGCAST_UNUSED_PORT=1"}, FromDefault
			if mask&1 != 0 {
				args[1], want = "--config="+file, FromFile
			}
			if mask&2 != 0 {
				env, want = append(env, k.env), FromEnv
			}
			if mask&4 != 0 {
				args, want = append(args, k.flag), FromFlag
			}
			t.Run(k.name+" from "+string(want), func(t *testing.T) {
				t.Parallel()
				r := run(t, env, args...)
				if r.code != ExitOK || r.err != "" {
					t.Fatalf("got code %d, stderr %q", r.code, r.err)
				}
				got := any(r.cli.Log.Level)
				if k.read != nil {
					got = k.read(r.cli.got)
				}
				if diff := cmp.Diff(k.want[want], got); diff != "" {
					t.Errorf("-want +got:\n%s", diff)
				}
			})
		}
	}
}

func TestOneNameInManyForms(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"nested":                  "nats: {tls-ca: x}",
		"nested with underscores": "nats: {tls_ca: x}",
		"nested twice":            "nats: {tls: {ca: x}}",
		"flat with dashes":        "nats-tls-ca: x",
		"flat with underscores":   "nats_tls_ca: x",
		"joined in part":          "nats_tls: {ca: x}",
		"beside empty keys":       "nats: {tls_ca: x, user: , url: ~}\nlog:\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := run(t, nil, "run", "--config", yamlFile(t, text))
			if r.code != ExitOK || r.cli.got.NATS.TLSCA != "x" {
				t.Errorf("got code %d, stderr %q", r.code, r.err)
			}
			if got := r.cli.got.NATS.URL; len(got) != 1 {
				t.Errorf("nats-url: got %q, want the default", got)
			}
		})
	}
}

func TestListsKeepTheirEntries(t *testing.T) {
	t.Parallel()
	text := "allow: [\"10.0.0.0/8\", \"a,b\"]\nwaits: 1s,2m\npattern: [\"x,y\", z]\nlimit: 4\n"
	r := run(t, nil, "run", "--config", yamlFile(t, text))
	if r.code != ExitOK {
		t.Fatal(r.err)
	}
	type lists struct {
		Allow, Pattern []string
		Waits          []time.Duration
		Limit          int
	}
	want := lists{[]string{"10.0.0.0/8", "a,b"}, []string{"x,y", "z"}, []time.Duration{time.Second, 2 * time.Minute}, 4}
	c := r.cli.got
	if diff := cmp.Diff(want, lists{c.Allow, c.Pattern, c.Waits, *c.Limit}); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestConfigFileFromEnvironment(t *testing.T) {
	t.Parallel()
	file, other := yamlFile(t, "listen: file\n"), yamlFile(t, "listen: other\n")
	r := run(t, []string{"HOGCAST_CONFIG=" + file}, "run")
	if r.code != ExitOK || r.cli.got.Listen != "file" {
		t.Errorf("got code %d, stderr %q", r.code, r.err)
	}
	r = run(t, []string{"HOGCAST_CONFIG=" + file}, "run", "--config", other)
	if r.code != ExitOK || r.cli.got.Listen != "other" {
		t.Errorf("the flag is stronger: got code %d, stderr %q", r.code, r.err)
	}
}

func TestEmptyVariableIsNotSet(t *testing.T) {
	t.Parallel()
	r := run(t, []string{"HOGCAST_BATCH=", "HOGCAST_FAST="}, "run")
	if r.code != ExitOK || r.cli.got.Batch != 100 {
		t.Errorf("got code %d, stderr %q", r.code, r.err)
	}
}

func TestProcessEnvironmentIsNotRead(t *testing.T) {
	t.Setenv("HOGCAST_LISTEN", "of the process")
	t.Setenv("POSTHOG_API_KEY", "of the process")
	r := run(t, nil, "run")
	if r.cli.got.Listen != ":8080" || !r.cli.got.Key.Empty() {
		t.Errorf("got %q, want the injected environment alone", r.cli.got.Listen)
	}
}

func TestSourcesTellTheCommand(t *testing.T) {
	t.Parallel()
	if got, want := run(t, nil, "run").out, "url from default, given false\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	r := run(t, []string{"HOGCAST_NATS_URL=x:1"}, "run")
	if got, want := r.out, "url from env HOGCAST_NATS_URL, given true\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
