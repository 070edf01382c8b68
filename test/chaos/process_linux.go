package main

import "syscall"

// childAttributes: a harness that is killed leaves no cluster behind, and a
// terminal's interrupt is the harness's alone.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
