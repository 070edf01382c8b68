package main

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hogcast/hogcast/cmd/internal/clitest"
	"github.com/hogcast/hogcast/pkg/config"
	"github.com/hogcast/hogcast/pkg/embedded"
	"github.com/hogcast/hogcast/pkg/queue"
)

var update = flag.Bool("update", false, "write the golden files anew")

func TestMain(m *testing.M) { clitest.Main(m, "publisher", main) }

// outcome is how a run ended, as its user sees it.
type outcome struct {
	code     int
	out, err string
}

func runWith(t *testing.T, stdin string, args ...string) outcome {
	t.Helper()
	var out, errs bytes.Buffer
	code := run(t.Context(), config.System{Args: args, Stdin: strings.NewReader(stdin), Stdout: &out, Stderr: &errs})
	return outcome{code, out.String(), errs.String()}
}

func golden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.MkdirAll(filepath.Dir(file), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got; mend with -update):\n%s", file, diff)
	}
}

func TestHelpIsTheGoldenOne(t *testing.T) {
	golden(t, "testdata/help/publisher.golden", runWith(t, "", "--help").out)
	golden(t, "testdata/help/publisher-send.golden", runWith(t, "", "send", "--help").out)
}

func TestTheReferenceIsOfTheseFlags(t *testing.T) {
	golden(t, "../../configs/publisher.md", config.Reference(program()))
}

func TestSendExitsByWhatWasAcknowledged(t *testing.T) {
	t.Parallel()
	server, err := embedded.Start(embedded.Config{StoreDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Stop)
	conn, err := queue.Connect(t.Context(), queue.ConnectConfig{URLs: []string{server.ClientURL()}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	const record = `{"id":"g1","created_at":"2026-01-02T03:04:05Z","model":"m"}`
	args := []string{"send", "--nats-url", server.ClientURL(), "--tenant", "acme", "--timeout", "10s"}
	if got := runWith(t, record, args...); got.code != 1 || !strings.Contains(got.err, "hogcast setup") {
		t.Errorf("without set-up: got %+v", got)
	}
	if _, err := queue.Setup(t.Context(), conn, queue.DefaultParams()); err != nil {
		t.Fatal(err)
	}
	if got := runWith(t, record, args...); got.code != 0 || !strings.Contains(got.out, "1 records read, 1 acknowledged") {
		t.Errorf("a good record: got %+v", got)
	}
	big := strings.Replace(record, "}", `,"prompt":"`+strings.Repeat("x", 9_000_000)+`"}`, 1)
	if got := runWith(t, big+"\n"+record, args...); got.code != 1 || !strings.Contains(got.err, "line 1: ") || !strings.Contains(got.err, "too large") || !strings.Contains(got.out, "1 acknowledged (1 of them duplicates), 1 failed") {
		t.Errorf("one too large: got %d %q %.300q", got.code, got.out, got.err)
	}
	for name, args := range map[string][]string{
		"unreachable": {"send", "--nats-url", "nats://u:SECRET@127.0.0.1:1", "--tenant", "acme"},
		"no file":     append(args, "none.ndjson"),
	} {
		if got := runWith(t, record, args...); got.code != 1 || strings.Contains(got.err, "SECRET") {
			t.Errorf("%s: got %+v", name, got)
		}
	}
}
