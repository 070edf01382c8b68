//go:build linux

package netns_test

import (
	"bytes"
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hogcast/hogcast/test/chaos/netns"
)

// links are the machine's, as this process sees them.
func links(t *testing.T) string {
	t.Helper()
	all, err := net.Interfaces()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, l := range all {
		names = append(names, l.Name)
	}
	return strings.Join(names, " ")
}

// TestALabIsMadeUsedAndGone runs this binary again within namespaces, where
// the tests called TestInside have what they need.
func TestALabIsMadeUsedAndGone(t *testing.T) {
	t.Parallel()
	if err := netns.Missing(); err != nil {
		t.Skip(err)
	}
	before := links(t)
	var out bytes.Buffer
	again := netns.Again{Args: []string{"-test.run=^TestInside", "-test.v"}, Stdout: &out, Stderr: &out}
	code, err := netns.Reenter(t.Context(), again)
	if code != 0 || err != nil {
		t.Fatalf("exit code %d, %v\n%s", code, err, out.String())
	}
	if !strings.Contains(out.String(), "--- PASS: TestInsideLinksAreCut") {
		t.Errorf("what it should have done within is not there:\n%s", out.String())
	}
	if after := links(t); after != before {
		t.Errorf("links before: %s, after: %s", before, after)
	}
}

func TestALabIsNotMadeOutside(t *testing.T) {
	t.Parallel()
	if _, err := netns.Open(netns.Layout{Hosts: 1}); err == nil {
		t.Error("the machine's own network was given hosts")
	}
}

func TestNobodyIsInsideByAVariableAlone(t *testing.T) {
	t.Setenv("CHAOS_OUTSIDE", "net:[1]")
	if netns.Inside() {
		t.Error("a process that Reenter has not started is inside")
	}
}

func inside(t *testing.T) *netns.Lab {
	t.Helper()
	if !netns.Inside() {
		t.Skip("run by TestALabIsMadeUsedAndGone")
	}
	lab, err := netns.Open(netns.Layout{Hosts: 3, Services: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := lab.Close(); err != nil {
			t.Error(err)
		}
	})
	return lab
}

// listen accepts whoever comes, at a place; it returns the address.
func listen(t *testing.T, lab *netns.Lab, at int, address string) string {
	t.Helper()
	var l net.Listener
	err := lab.On(at, func() (err error) {
		l, err = new(net.ListenConfig).Listen(t.Context(), "tcp", net.JoinHostPort(address, "0"))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_ = c.Close()
		}
	}()
	t.Cleanup(func() { _ = l.Close(); <-done })
	return l.Addr().String()
}

func TestInsideLinksAreCut(t *testing.T) {
	lab := inside(t)
	reach := func(from int, to string) bool {
		d := netns.Dialer{Lab: lab, Host: from, Dialer: net.Dialer{Timeout: 400 * time.Millisecond}}
		c, err := d.Dial("tcp", to)
		if err == nil {
			_ = c.Close()
		}
		return err == nil
	}
	first, second := listen(t, lab, 0, lab.Host(0).String()), listen(t, lab, 1, lab.Host(1).String())
	posthog := listen(t, lab, netns.Outside, lab.Service(0).String())
	all := func() []bool {
		return []bool{reach(0, first), reach(2, first), reach(0, second), reach(2, second), reach(0, posthog), reach(2, posthog), reach(netns.Outside, first)}
	}
	const toFirst, fromFirst, firstOut = 1, 2, 4
	// A cable carries something within a second or so.
	whole := []bool{true, true, true, true, true, true, true}
	for deadline := time.Now().Add(10 * time.Second); !slices.Equal(all(), whole) && time.Now().Before(deadline); {
	}
	for _, c := range []struct {
		name  string
		drops []netns.Drop
		cut   []int
	}{
		{"nothing", nil, nil},
		{"partition", lab.Partition(0), []int{toFirst, fromFirst}},
		// A handshake takes both directions: either loss cuts new connections.
		{"deaf", lab.Deaf(0), []int{toFirst, fromFirst}},
		{"mute", lab.Mute(0), []int{toFirst, fromFirst}},
		{"split", lab.Split(0, false), []int{firstOut}},
		{"split and told", lab.Split(0, true), []int{firstOut}},
	} {
		want := slices.Clone(whole)
		if got := all(); !slices.Equal(got, want) {
			t.Fatalf("before %s: got %v", c.name, got)
		}
		lift, err := lab.Apply(c.drops)
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range c.cut {
			want[i] = false
		}
		if got := all(); !slices.Equal(got, want) {
			t.Errorf("%s: got %v, want %v", c.name, got, want)
		}
		if err := lift(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestInsideADiskIsFullAndGone(t *testing.T) {
	if !netns.Inside() {
		t.Skip("run by TestALabIsMadeUsedAndGone")
	}
	folder := filepath.Join(t.TempDir(), "disk")
	if err := netns.Disk(folder, 1<<20); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(folder, "ballast")
	if err := os.WriteFile(file, make([]byte, 2<<20), 0o600); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("writing more than there is room for: %v", err)
	}
	if err := netns.Eject(folder); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(file); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("what was on the disk: %v", err)
	}
}

func TestWhoLeavesIsAskedTo(t *testing.T) {
	t.Parallel()
	if err := netns.Missing(); err != nil {
		t.Skip(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if code, err := netns.Reenter(ctx, netns.Again{Args: []string{"-test.run=^TestNothing$"}}); err == nil {
		t.Errorf("it was started although there was no time left: %d", code)
	}
}
