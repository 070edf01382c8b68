package main

import (
	"context"

	"github.com/hogcast/hogcast/test/chaos/netns"
)

// binEnv and commitEnv tell the harness within namespaces what was built, and
// of which commit: there is no network to build anything.
const (
	binEnv    = "CHAOS_BIN"
	commitEnv = "CHAOS_COMMIT"
)

// reenter builds the programs and runs the harness again in namespaces of its
// own; it returns that one's exit code.
func reenter(ctx context.Context, race bool, again netns.Again) (int, error) {
	if err := netns.Missing(); err != nil {
		return 0, err
	}
	bin, err := build(ctx, race)
	if err != nil {
		return 0, err
	}
	defer bin.remove()
	again.Env = append(again.Env, binEnv+"="+bin.dir, commitEnv+"="+bin.commit(ctx))
	return netns.Reenter(ctx, again)
}
