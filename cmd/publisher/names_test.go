package main

import (
	"strings"
	"testing"

	"github.com/hogcast/hogcast/pkg/config"
	"github.com/hogcast/hogcast/pkg/embedded"
	"github.com/hogcast/hogcast/test/natstest"
)

func TestWhatIsNoTenantsNameIsRefusedBeforeAnythingIsSent(t *testing.T) {
	nats := natstest.Start(t, embedded.Config{})
	const record = `{"id":"g1","created_at":"2026-01-02T03:04:05Z","model":"m"}` + "\n"
	for _, name := range []string{
		"", "*", ">", "a*", "a.b", "a.>", "a b", " a", "a ", "a\tb", "a\nb", "a\x00b", "a\x7fb", "..", "a/b", "-a", "_", "_a", "ä", "\u202ea", strings.Repeat("a", 65),
	} {
		got := runWith(t, record, "send", "--nats-url", nats.ClientURL(), "--tenant="+name)
		if got.Code != config.ExitUsage || got.Out != "" {
			t.Errorf("%q: exit code %d, %s%s", name, got.Code, got.Out, got.Err)
		}
		if strings.ContainsAny(got.Err, "\x00\x7f\t") {
			t.Errorf("%q: the error has it raw: %q", name, got.Err)
		}
	}
}
