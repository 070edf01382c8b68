package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// programs are the paths of what runs as processes of its own.
type programs struct{ worker, hogcast, natsd, floor string }

// build builds them into dir: worker and hogcast from the checkout in source,
// which may be another one than the harness's own.
func build(ctx context.Context, source, dir string) (programs, error) {
	p := programs{
		worker: filepath.Join(dir, "worker"), hogcast: filepath.Join(dir, "hogcast"),
		natsd: filepath.Join(dir, "natsd"), floor: filepath.Join(dir, "floor"),
	}
	for _, target := range []struct{ from, pkg, to string }{
		{source, "./cmd/worker", p.worker},
		{source, "./cmd/hogcast", p.hogcast},
		{".", "./test/bars/natsd", p.natsd},
		{".", "./test/bars/floor", p.floor},
	} {
		cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", target.to, target.pkg)
		cmd.Dir, cmd.Stderr = target.from, os.Stderr
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if err := cmd.Run(); err != nil {
			return p, fmt.Errorf("building %s: %w", target.pkg, err)
		}
	}
	return p, nil
}

// commit names what is measured; "unknown" where git can't tell.
func commit(ctx context.Context, source string) string {
	git := func(args ...string) string {
		out, err := exec.CommandContext(ctx, "git", append([]string{"-C", source}, args...)...).Output()
		if err != nil {
			return ""
		}
		return strings.TrimSpace(string(out))
	}
	name := git("rev-parse", "--short", "HEAD")
	switch {
	case name == "":
		return "unknown"
	case git("status", "--porcelain", "--untracked-files=no", "--", "*.go", "go.mod") != "":
		return name + "+changes"
	}
	return name
}
