// Package clitest tests the commands as they are typed: scripts
// (testdata/script/*.txtar) run them as processes of their own. It is for the
// tests of cmd/ alone.
//
// The servers that a script starts end with the script.
package clitest

import (
	"fmt"
	"os"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"go.uber.org/goleak"
)

// Main is for TestMain: it runs the tests, with the program under its name in
// the scripts' PATH, and looks for leaked goroutines. It does not return.
func Main(m *testing.M, name string, program func()) {
	// Help is set to the terminal's width, which a shell may export.
	if err := os.Unsetenv("COLUMNS"); err != nil {
		panic(err)
	}
	testscript.Main(leakChecked{m}, map[string]func(){name: program})
}

// leakChecked does what goleak.VerifyTestMain does. That one exits the process
// itself, and testscript has to clean up after the tests.
type leakChecked struct{ m *testing.M }

// Run implements testscript.TestingM.
func (c leakChecked) Run() int {
	code := c.m.Run()
	if code != 0 {
		return code
	}
	if err := goleak.Find(); err != nil {
		fmt.Fprintf(os.Stderr, "goleak: %v\n", err)
		return 1
	}
	return 0
}
