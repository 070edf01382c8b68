package main

import (
	"testing"

	"github.com/hogcast/hogcast/cmd/internal/clitest"
)

func TestScripts(t *testing.T) {
	t.Parallel()
	clitest.Scripts(t, nil)
}
