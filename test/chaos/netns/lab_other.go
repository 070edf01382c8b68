//go:build !linux

package netns

import (
	"context"
	"errors"
)

var errLinux = errors.New("hosts in network namespaces take Linux: run it in a virtual machine, or leave -net out")

// Lab is the hosts; there are none here.
type Lab struct{ Layout }

// Open makes no hosts.
func Open(Layout) (*Lab, error) { return nil, errLinux }

// Inside is false.
func Inside() bool { return false }

// Missing says that Linux is.
func Missing() error { return errLinux }

// Reenter can't.
func Reenter(context.Context, Again) (int, error) { return 0, errLinux }

// On can't.
func (*Lab) On(int, func() error) error { return errLinux }

// Apply can't.
func (*Lab) Apply([]Drop) (func() error, error) { return nil, errLinux }

// Close does nothing.
func (*Lab) Close() error { return nil }

// Disk can't.
func Disk(string, int64) error { return errLinux }

// Eject can't.
func Eject(string) error { return errLinux }
