package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/hogcast/hogcast/test/chaos/netns"
)

// binaries are the real programs, built once for all runs.
type binaries struct {
	root  string // of the module
	dir   string
	given bool // somebody else removes them
}

// build builds them; race has the workers look for data races.
func build(ctx context.Context, race bool) (*binaries, error) {
	if dir := os.Getenv(binEnv); dir != "" && netns.Inside() {
		return &binaries{dir: dir, given: true}, nil
	}
	mod, err := exec.CommandContext(ctx, "go", "env", "GOMOD").Output()
	if err != nil {
		return nil, fmt.Errorf("finding the module: %w", err)
	}
	b := &binaries{root: filepath.Dir(strings.TrimSpace(string(mod)))}
	if b.dir, err = os.MkdirTemp("", "chaos-bin-"); err != nil {
		return nil, fmt.Errorf("building: %w", err)
	}
	args := []string{"build"}
	if race {
		args = append(args, "-race")
	}
	args = append(args, "-o", b.dir+"/", "./cmd/worker", "./cmd/hogcast")
	for _, args := range [][]string{args, {"build", "-o", b.dir + "/", "./test/chaos/natsd"}} {
		cmd := exec.CommandContext(ctx, "go", args...)
		cmd.Dir = b.root
		if out, err := cmd.CombinedOutput(); err != nil {
			return nil, errors.Join(fmt.Errorf("building: %w\n%s", err, out), os.RemoveAll(b.dir))
		}
	}
	return b, nil
}

func (b *binaries) path(name string) string { return filepath.Join(b.dir, name) }

func (b *binaries) remove() {
	if !b.given {
		_ = os.RemoveAll(b.dir)
	}
}

// commit names what was built; a `+` after it says that the checkout has
// changes beside the list of runs.
func (b *binaries) commit(ctx context.Context) string {
	if given := os.Getenv(commitEnv); given != "" {
		return given
	}
	git := func(args ...string) (string, error) {
		cmd := exec.CommandContext(ctx, "git", args...)
		cmd.Dir = b.root
		out, err := cmd.Output()
		return strings.TrimSpace(string(out)), err
	}
	hash, err := git("rev-parse", "--short", "HEAD")
	if err != nil {
		return "unknown"
	}
	if changes, err := git("status", "--porcelain", "--", ":!docs/chaos.md"); err != nil || changes != "" {
		return hash + "+"
	}
	return hash
}
