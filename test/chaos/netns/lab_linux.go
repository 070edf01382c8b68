package netns

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"

	"golang.org/x/sys/unix"
)

// Lab is the hosts. Its namespaces are held by open files alone, without names.
type Lab struct {
	Layout
	self   *os.File   // the namespace that this process is in
	hosts  []*os.File // those of the hosts
	tables atomic.Int64
}

// Open makes the hosts. It must be called within Reenter.
func Open(l Layout) (*Lab, error) {
	if !Inside() {
		return nil, errors.New("making hosts: not in a network namespace of its own")
	}
	if l.Hosts < 1 || l.Hosts > MaxHosts || l.Services > MaxHosts {
		return nil, fmt.Errorf("making hosts: %d hosts and %d services, at most %d of each", l.Hosts, l.Services, MaxHosts)
	}
	lab := &Lab{Layout: l}
	if err := lab.make(); err != nil {
		return nil, errors.Join(fmt.Errorf("making hosts: %w", err), lab.Close())
	}
	return lab, nil
}

func (l *Lab) make() (err error) {
	if l.self, err = current(); err != nil {
		return err
	}
	if err := ip(l.middle()); err != nil {
		return err
	}
	for i := range l.Hosts {
		if err := l.add(i); err != nil {
			return fmt.Errorf("host %d: %w", i, err)
		}
	}
	return nil
}

// add makes host i.
func (l *Lab) add(i int) error {
	var host *os.File
	err := l.elsewhere(func() (err error) {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("making a network namespace: %w", err)
		}
		host, err = current()
		return err
	})
	if err != nil {
		return err
	}
	l.hosts = append(l.hosts, host)
	if err := ip(l.plug(i, fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), host.Fd()))); err != nil {
		return err
	}
	return l.On(i, func() error { return ip(l.within(i)) })
}

// current opens the namespace of this thread.
func current() (*os.File, error) {
	f, err := os.Open(fmt.Sprintf("/proc/self/task/%d/ns/net", unix.Gettid()))
	if err != nil {
		return nil, fmt.Errorf("opening a network namespace: %w", err)
	}
	return f, nil
}

// On calls f on a thread that is in host i, or Outside: sockets that it makes
// and processes that it starts are there.
func (l *Lab) On(i int, f func() error) error {
	if i == Outside {
		return f()
	}
	return l.elsewhere(func() error {
		if err := unix.Setns(int(l.hosts[i].Fd()), unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("entering host %d: %w", i, err)
		}
		return f()
	})
}

// elsewhere calls f, which may change the thread's namespace, and comes back.
// A thread that can't come back is given up, by never unlocking it.
func (l *Lab) elsewhere(f func() error) error {
	runtime.LockOSThread()
	failed := f()
	if err := unix.Setns(int(l.self.Fd()), unix.CLONE_NEWNET); err != nil {
		return errors.Join(failed, fmt.Errorf("coming back from a host: %w", err))
	}
	runtime.UnlockOSThread()
	return failed
}

// Apply loses packets until the returned function is called.
func (l *Lab) Apply(drops []Drop) (end func() error, err error) {
	table := fmt.Sprintf("lost%d", l.tables.Add(1))
	for n, d := range drops {
		if err := l.On(d.At, func() error { return nft(d.rules(table)) }); err != nil {
			return nil, errors.Join(err, l.lift(table, drops[:n]))
		}
	}
	return func() error { return l.lift(table, drops) }, nil
}

func (l *Lab) lift(table string, drops []Drop) error {
	var all []error
	for _, d := range drops {
		all = append(all, l.On(d.At, func() error { return nft(lift(table)) }))
	}
	return errors.Join(all...)
}

// Close gives the hosts up; they are gone when their last process is.
func (l *Lab) Close() error {
	var all []error
	for _, f := range append(l.hosts, l.self) {
		if f != nil {
			all = append(all, f.Close())
		}
	}
	return errors.Join(all...)
}

// Disk mounts a file system of so many bytes on a folder.
func Disk(folder string, size int64) error {
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return fmt.Errorf("making a disk: %w", err)
	}
	options := fmt.Sprintf("size=%d,mode=0700", size)
	if err := unix.Mount("chaos", folder, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, options); err != nil {
		return fmt.Errorf("making a disk of %d bytes at %s: %w", size, folder, err)
	}
	return nil
}

// Eject takes a disk away with all that is on it.
func Eject(folder string) error {
	if err := unix.Unmount(folder, unix.MNT_DETACH); err != nil {
		return fmt.Errorf("taking the disk at %s away: %w", folder, err)
	}
	return nil
}

func ip(commands string) error  { return feed(commands, "ip", "-batch", "-") }
func nft(commands string) error { return feed(commands, "nft", "-f", "-") }

// feed runs a program with commands as its input.
func feed(commands, name string, args ...string) error {
	cmd := exec.Command(name, args...)
	cmd.Stdin = strings.NewReader(commands)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s\n%s", name, err, bytes.TrimSpace(out), commands)
	}
	return nil
}
