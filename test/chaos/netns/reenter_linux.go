package netns

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// outsideEnv names the network namespace that Reenter was called in.
const outsideEnv = "CHAOS_OUTSIDE"

// namespace names the network namespace of a process; "" where it can't be told.
func namespace(process string) string {
	name, err := os.Readlink("/proc/" + process + "/ns/net")
	if err != nil {
		return ""
	}
	return name
}

// Inside reports whether this process was started by Reenter: its parent is in
// the namespace that is named, and itself it is in another. The variable alone
// proves nothing, and links must never be made in the machine's own namespace.
func Inside() bool {
	given, own := os.Getenv(outsideEnv), namespace("self")
	return given != "" && own != "" && own != given && namespace(strconv.Itoa(os.Getppid())) == given
}

// Missing says what is missing for hosts, and how to get it; nil where nothing
// is.
func Missing() error {
	var all []string
	for _, tool := range []struct{ name, pack string }{{"ip", "iproute2"}, {"nft", "nftables"}} {
		if _, err := exec.LookPath(tool.name); err != nil {
			all = append(all, fmt.Sprintf("there is no %s: apt-get install %s", tool.name, tool.pack))
		}
	}
	if os.Geteuid() != 0 {
		all = append(all, "it is not root: run it with sudo, or in a container with --privileged")
	} else if err := allowed(); len(all) == 0 && err != nil {
		all = append(all, fmt.Sprintf("the system allows no namespaces (%v): in a container it takes --privileged, or CAP_SYS_ADMIN and CAP_NET_ADMIN", err))
	}
	if len(all) == 0 {
		return nil
	}
	return fmt.Errorf("hosts in network namespaces can't be made here:\n  %s", strings.Join(all, "\n  "))
}

// allowed tries whether a process may have namespaces of its own.
func allowed() error {
	cmd := exec.Command("ip", "link")
	cmd.SysProcAttr = attributes()
	return cmd.Run()
}

func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{
		Unshareflags: unix.CLONE_NEWNET | unix.CLONE_NEWNS,
		Setpgid:      true, Pdeathsig: syscall.SIGKILL,
	}
}

// leaveWithin is what the process inside has to leave, once ctx has ended.
const leaveWithin = 30 * time.Second

// Reenter runs this program again, in a network and a mount namespace of its
// own, and returns its exit code. It dies with this one; when ctx ends it is
// asked to leave.
func Reenter(ctx context.Context, a Again) (code int, err error) {
	own := namespace("self")
	if own == "" {
		return 0, errors.New("entering namespaces: /proc does not tell the own one")
	}
	cmd := exec.CommandContext(ctx, "/proc/self/exe", a.Args...)
	cmd.Env = append(append(os.Environ(), a.Env...), outsideEnv+"="+own)
	cmd.Stdout, cmd.Stderr = a.Stdout, a.Stderr
	cmd.SysProcAttr = attributes()
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = leaveWithin
	err = cmd.Run()
	if cmd.ProcessState != nil && cmd.ProcessState.Exited() {
		return cmd.ProcessState.ExitCode(), nil
	}
	if errors.Is(err, unix.EPERM) {
		return 0, fmt.Errorf("entering namespaces: %w (it takes root)", err)
	}
	return 0, fmt.Errorf("in namespaces: %w", err)
}
