package main

import (
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/hogcast/hogcast/cmd/internal/clitest"
	"github.com/hogcast/hogcast/pkg/queue"
)

func TestScripts(t *testing.T) {
	t.Parallel()
	clitest.Scripts(t, map[string]clitest.Command{"waiting": waiting, "big": big})
}

// waiting N: so many records are in the queue.
func waiting(ts *testscript.TestScript, _ bool, args []string) {
	want := args[0]
	got := clitest.Waiting(ts, queue.StreamGenerations)
	if got != want {
		ts.Fatalf("%s records are in the queue, want %s", got, want)
	}
}

// big FILE: three records, the second of 9 MB.
func big(ts *testscript.TestScript, _ bool, args []string) {
	f := clitest.Create(ts, args[0])
	const small = `{"id":"%","created_at":"2026-01-02T03:04:05Z","model":"m"}` + "\n"
	large := strings.Replace(small, `"m"`, `"m","input":"`+strings.Repeat("x", 9_000_000)+`"`, 1)
	for i, line := range []string{small, large, small} {
		_, err := f.WriteString(strings.Replace(line, "%", "big-"+string(rune('1'+i)), 1))
		ts.Check(err)
	}
}
