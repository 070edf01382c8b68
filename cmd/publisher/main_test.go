package main

import (
	"strings"
	"testing"

	"github.com/hogcast/hogcast/cmd/internal/clitest"
	"github.com/hogcast/hogcast/pkg/config"
	"github.com/hogcast/hogcast/pkg/embedded"
	"github.com/hogcast/hogcast/pkg/queue"
	"github.com/hogcast/hogcast/test/golden"
	"github.com/hogcast/hogcast/test/natstest"
)

func TestMain(m *testing.M) { clitest.Main(m, "publisher", main) }

func runWith(t *testing.T, stdin string, args ...string) clitest.Outcome {
	t.Helper()
	return clitest.Run(t, run, stdin, args...)
}

func TestHelpIsTheGoldenOne(t *testing.T) {
	golden.Check(t, "testdata/help/publisher.golden", runWith(t, "", "--help").Out)
	golden.Check(t, "testdata/help/publisher-send.golden", runWith(t, "", "send", "--help").Out)
}

func TestTheReferenceIsOfTheseFlags(t *testing.T) {
	golden.Check(t, "../../configs/publisher.md", config.Reference(program()))
}

func TestSendExitsByWhatWasAcknowledged(t *testing.T) {
	t.Parallel()
	server := natstest.Start(t, embedded.Config{})
	conn := natstest.Connect(t, server)
	const record = `{"id":"g1","created_at":"2026-01-02T03:04:05Z","model":"m"}`
	args := []string{"send", "--nats-url", server.ClientURL(), "--tenant", "acme", "--timeout", "10s"}
	if got := runWith(t, record, args...); got.Code != 1 || !strings.Contains(got.Err, "hogcast setup") {
		t.Errorf("without set-up: got %+v", got)
	}
	natstest.SetUp(t, conn, queue.DefaultParams())
	if got := runWith(t, record, args...); got.Code != 0 || !strings.Contains(got.Out, "1 records read, 1 acknowledged") {
		t.Errorf("a good record: got %+v", got)
	}
	big := strings.Replace(record, "}", `,"prompt":"`+strings.Repeat("x", 9_000_000)+`"}`, 1)
	if got := runWith(t, big+"\n"+record, args...); got.Code != 1 || !strings.Contains(got.Err, "line 1: ") || !strings.Contains(got.Err, "too large") || !strings.Contains(got.Out, "1 acknowledged (1 of them duplicates), 1 failed") {
		t.Errorf("one too large: got %d %q %.300q", got.Code, got.Out, got.Err)
	}
	for name, args := range map[string][]string{
		"unreachable": {"send", "--nats-url", "nats://u:SECRET@127.0.0.1:1", "--tenant", "acme"},
		"no file":     append(args, "none.ndjson"),
	} {
		if got := runWith(t, record, args...); got.Code != 1 || strings.Contains(got.Err, "SECRET") {
			t.Errorf("%s: got %+v", name, got)
		}
	}
}
