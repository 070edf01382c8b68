//go:build !linux

package main

import "syscall"

// childAttributes: a terminal's interrupt is the harness's alone.
func childAttributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
