//go:build !linux

package main

import "syscall"

// dieWithParent does nothing here; the bars need Linux's /proc anyway.
func dieWithParent() *syscall.SysProcAttr { return nil }
