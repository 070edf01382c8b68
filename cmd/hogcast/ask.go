package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/hogcast/hogcast/pkg/config"
)

// ask asks on a terminal; anything but yes is an error.
func ask(ctx context.Context, system *config.System, question string) error {
	return askFor(ctx, system, question, "yes")
}

// askFor asks for an answer; any other is an error. Its goroutine waits for a
// line as long as the process lives, when ctx ends before one is typed.
func askFor(ctx context.Context, system *config.System, question, want string) error {
	fmt.Fprint(system.Stderr, question)
	answers := make(chan string, 1)
	go func() {
		line, _ := bufio.NewReader(system.Stdin).ReadString('\n') // nothing is no yes
		answers <- line
	}()
	select {
	case answer := <-answers:
		if strings.TrimSpace(answer) != want {
			return errors.New("not confirmed; nothing was deleted")
		}
		return nil
	case <-ctx.Done():
		fmt.Fprintln(system.Stderr)
		return fmt.Errorf("nothing was deleted: %w", context.Cause(ctx))
	}
}
