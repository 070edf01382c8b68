package config

import (
	"strings"
	"testing"

	"github.com/alecthomas/kong"
)

func TestBadFiles(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ text, want string }{
		"an unknown key in a section":          {"log:\n  level: info\nnats:\n  ulr: x\n", ":4: unknown key nats.ulr; did you mean nats.url?"},
		"an unknown key at the top":            {"\nlisten: x\nlisten_adr: x\nwindw: 1\n", ":3: unknown key listen_adr (and 1 more)"},
		"letters changed round":                {"windwo: 1\n", ":1: unknown key windwo; did you mean window?"},
		"an unknown flat key":                  {"nats_tls_cat: x\n", ":1: unknown key nats_tls_cat; did you mean nats.tls_ca?"},
		"an unknown section":                   {"natz:\n  url: x\n", ":1: unknown key natz; did you mean nats?"},
		"a key that resembles nothing":         {"zzzzzzzzzz: 1\n", ":1: unknown key zzzzzzzzzz\n"},
		"a key of the command line alone":      {"local: x\n", ":1: unknown key local"},
		"the file's own name":                  {"config: x\n", ":1: unknown key config"},
		"print-config":                         {"print-config: true\n", ":1: unknown key print-config"},
		"a key with control characters":        {"\"a\\nb\": 1\n", `:1: unknown key "a\nb"`},
		"a wrong duration":                     {"listen: x\nwait: soon\n", ":2: wait: expected duration but got \"soon\""},
		"a wrong duration in a list":           {"waits:\n- 1s\n- soon\n", ":2: waits: expected duration but got \"soon\""},
		"a wrong integer":                      {"batch: many\n", ":1: batch: expected a valid"},
		"a fraction for an integer":            {"batch: 1.5\n", ":1: batch: expected a valid"},
		"a wrong bool":                         {"fast: perhaps\n", ":1: fast: bool value must be"},
		"a wrong size":                         {"window: 3 bananas\n", ":1: window: expected a size such as 64MiB"},
		"a wrong choice":                       {"log:\n  level: loud\n", ":2: log.level: must be one of debug, info, warn, error but got \"loud\""},
		"a list for one value":                 {"listen:\n- a\n- b\n", ":2: listen: one value is wanted, not a list"},
		"a mapping for a value":                {"wait: {a: b}\n", ":1: wait: a value is wanted, not a mapping"},
		"a mapping in a list":                  {"allow: [{a: b}]\n", ":1: allow: a list of plain values is wanted"},
		"a value for a section":                {"nats: nats://x\n", ":1: nats: a section of keys, not a value"},
		"a list for a section":                 {"nats: [a]\n", ":1: nats: a section of keys, not a value"},
		"one key twice":                        {"listen: a\nlisten: b\n", ":2: listen: set before, on line 1"},
		"one key in two forms":                 {"nats: {url: a}\nnats_url: b\n", ":2: nats_url: set before, on line 1"},
		"a list at the top":                    {"- a\n", ":1: not a mapping of keys to values"},
		"a word at the top":                    {"hello\n", ":1: not a mapping of keys to values"},
		"a key that is a list":                 {"? [a]\n: b\n", ":1: a key that is no plain word"},
		"an alias":                             {"listen: &a x\nnats:\n  user: *a\n", ":3: nats.user: aliases are not supported"},
		"two documents":                        {"listen: a\n---\nlisten: b\n", ": a second document"},
		"bad indentation":                      {"nats:\n  url: a\n user: b\n", "not YAML: "},
		"a tab":                                {"nats:\n\turl: a\n", ":2: not YAML: "},
		"an open bracket":                      {"allow: [a\n", "not YAML: "},
		"a mask of a printed configuration":    {"nats: {token: \"[redacted]\"}\n", ":1: nats.token: is the mask of a printed configuration"},
		"a backslash at the end of an entry":   {"allow: ['a\\', b]\n", ":1: allow: an entry can't end in a backslash"},
		"an unknown anchor, which could be it": {"nats: {token: *hunter2}\n", "not YAML: unknown anchor … referenced"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := yamlFile(t, c.text)
			r := run(t, nil, "run", "--config", path)
			if r.code != ExitUsage || r.cli.got != nil {
				t.Errorf("got code %d, ran %t, want 2 and no run", r.code, r.cli.got != nil)
			}
			contains(t, r.err, "error: "+path, c.want, "\nrun \"sample run --help\" for usage\n")
			if n := strings.Count(r.err, "\n"); n != 2 || strings.Contains(r.err, "hunter2") {
				t.Errorf("got %d lines, want 2 and no secret: %q", n, r.err)
			}
		})
	}
}

func TestFileThatCannotBeRead(t *testing.T) {
	t.Parallel()
	r := run(t, nil, "run", "--config", "no/such.yaml")
	contains(t, r.err, "error: reading configuration: open no/such.yaml")
	big := yamlFile(t, "# "+strings.Repeat("x", maxFile))
	r2 := run(t, nil, "run", "--config", big)
	contains(t, r2.err, "is larger than 1MiB")
	if r.code != ExitUsage || r2.code != ExitUsage {
		t.Errorf("got codes %d and %d, want 2", r.code, r2.code)
	}
}

func TestFilesThatSayNothing(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "# a comment\n", "---\n", "~\n", "{}\n", "nats:\n"} {
		if r := run(t, nil, "run", "--config", yamlFile(t, text)); r.code != ExitOK {
			t.Errorf("%q: got code %d, stderr %q", text, r.code, r.err)
		}
	}
}

func TestMapFlagsAreRefused(t *testing.T) {
	t.Parallel()
	k, err := kong.New(&struct{ Labels map[string]string }{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := newSchema(k.Model); err == nil {
		t.Error("got no error, want one")
	}
}

func FuzzFile(f *testing.F) {
	for _, text := range []string{
		"nats: {url: [a, b], tls: {ca: x}}\nlog:\n  level: info\n", "a: &a [*a]\n", "<<: {a: b}\n", "? {a: b}\n: c\n",
		"window: 1KiB\nwaits: [1s, 2s]\nfast: yes\n", "- - - a\n", "---\n---\n", "\xff\xfe", "a: !!binary x\n", "log: {level: *x}\n",
		"limit: 3\nratio: 1e400\nbatch: 0x10\n", "nats_url: |\n  a\n  b\n",
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		ps, err := newParser(program(&sample{}), System{}.withDefaults())
		if err != nil {
			t.Fatal(err)
		}
		got, err := parseFile("f.yaml", data, ps.schema)
		if got == nil {
			t.Fatal("no file beside the error")
		}
		if err != nil && (!strings.HasPrefix(err.Error(), "f.yaml:") || strings.Contains(err.Error(), "\n")) {
			t.Errorf("error without its place, or on several lines: %q", err)
		}
		ps.file = got
		for flag := range ps.schema.settings {
			if _, err := ps.Resolve(nil, nil, flag); err != nil {
				_ = ps.report(err, ExitUsage)
			}
		}
	})
}
