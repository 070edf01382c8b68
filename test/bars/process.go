package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// process is one child. What it says goes to a file.
type process struct {
	name   string
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	log    string
	exited chan struct{} // closed once it is gone
}

// startProcess runs a program with its output in dir/name.log. Stop it.
func startProcess(dir, name, program string, args ...string) (*process, error) {
	p := &process{name: name, log: filepath.Join(dir, name+".log"), exited: make(chan struct{})}
	output, err := os.Create(p.log)
	if err != nil {
		return nil, fmt.Errorf("starting %s: %w", name, err)
	}
	p.cmd = exec.Command(program, args...)
	p.cmd.Stdout, p.cmd.Stderr = output, output
	p.cmd.SysProcAttr = dieWithParent()
	if p.stdin, err = p.cmd.StdinPipe(); err == nil {
		err = p.cmd.Start()
	}
	if err != nil {
		_ = output.Close()
		return nil, fmt.Errorf("starting %s: %w", name, err)
	}
	go func() {
		defer close(p.exited)
		_ = p.cmd.Wait() // why it ended is in its log
		_ = output.Close()
	}()
	return p, nil
}

func (p *process) pid() int { return p.cmd.Process.Pid }

// alive is an error once the process is gone.
func (p *process) alive() error {
	select {
	case <-p.exited:
		return fmt.Errorf("%s ended; its last words: %s", p.name, p.lastWords())
	default:
		return nil
	}
}

func (p *process) lastWords() string {
	text, err := os.ReadFile(p.log)
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return lines[len(lines)-1]
}

// stopWithin bounds a worker's stop; its drain timeout is 20 s.
const stopWithin = 40 * time.Second

// stop tells the process to end and waits; what does not end is killed, and
// that is an error.
func (p *process) stop() error {
	_ = p.stdin.Close() // natsd and floor end by it, too
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("stopping %s: %w", p.name, err)
	}
	select {
	case <-p.exited:
		return nil
	case <-time.After(stopWithin):
		_ = p.cmd.Process.Kill()
		<-p.exited
		return fmt.Errorf("%s did not stop within %s", p.name, stopWithin)
	}
}
