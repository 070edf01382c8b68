package clitest

import (
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/hogcast/hogcast/pkg/embedded"
	"github.com/hogcast/hogcast/pkg/queue"
)

// Command is a command of scripts.
type Command = func(ts *testscript.TestScript, neg bool, args []string)

// patience bounds every wait of a script.
const patience = 30 * time.Second

// Scripts runs testdata/script/*.txtar. Beside testscript's own commands there
// are:
//
//	code N PROGRAM [ARG...]     like exec, and the exit code must be N
//	nats [setup [QUOTA]]        starts a NATS, URL in $NATS_URL and its address
//	                            in $NATS_ADDR; sets it up, with a tenant's quota
//	port NAME...                puts a free port into each variable
//	ready ADDR                  waits until /readyz says ok
//	await FILE PATTERN          waits until a line of the file matches
//	term PROGRAM                sends SIGTERM to a program in the background
//
// and what the caller adds.
func Scripts(t *testing.T, more map[string]Command) {
	t.Helper()
	commands := map[string]Command{
		"code": code, "nats": startNATS, "port": freePort, "ready": ready, "await": await, "term": term,
	}
	for name, command := range more {
		commands[name] = command
	}
	testscript.Run(t, testscript.Params{
		Dir: filepath.Join("testdata", "script"), Cmds: commands, RequireExplicitExec: true, RequireUniqueNames: true,
	})
}

func usage(ts *testscript.TestScript, neg, ok bool, text string) {
	if neg || !ok {
		ts.Fatalf("usage: %s", text)
	}
}

func code(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, len(args) >= 2, "code N PROGRAM [ARG...]")
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	err = ts.Exec(args[1], args[2:]...)
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		got, err = exit.ExitCode(), nil
	}
	ts.Check(err)
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

func startNATS(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, len(args) <= 2 && (len(args) == 0 || args[0] == "setup"), "nats [setup [QUOTA]]")
	dir := ts.MkAbs(".nats")
	server, err := embedded.Start(embedded.Config{StoreDir: dir})
	ts.Check(err)
	ts.Defer(server.Stop)
	ts.Setenv("NATS_URL", server.ClientURL())
	ts.Setenv("NATS_ADDR", server.ClientURL()[len("nats://"):])
	if len(args) == 0 {
		return
	}
	params := queue.DefaultParams()
	if len(args) == 2 {
		params.TenantQuota, err = strconv.ParseInt(args[1], 10, 64)
		ts.Check(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	conn, err := queue.Connect(ctx, queue.ConnectConfig{URLs: []string{server.ClientURL()}})
	ts.Check(err)
	defer conn.Close()
	_, err = queue.Setup(ctx, conn, params)
	ts.Check(err)
}

// freePort finds ports that are free now; each is held until all are found.
func freePort(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, len(args) > 0, "port NAME...")
	for _, name := range args {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		ts.Check(err)
		defer func() { _ = l.Close() }()
		_, port, err := net.SplitHostPort(l.Addr().String())
		ts.Check(err)
		ts.Setenv(name, port)
	}
}

func ready(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, len(args) == 1, "ready ADDR")
	client := &http.Client{Timeout: time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	poll(ts, "http://"+args[0]+"/readyz never said ok", func() bool {
		response, err := client.Get("http://" + args[0] + "/readyz")
		if err != nil {
			return false
		}
		_ = response.Body.Close()
		return response.StatusCode == http.StatusOK
	})
}

func await(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, len(args) == 2, "await FILE PATTERN")
	pattern, err := regexp.Compile("(?m)" + args[1])
	ts.Check(err)
	file := ts.MkAbs(args[0])
	poll(ts, args[0]+" never had "+args[1], func() bool {
		text, err := os.ReadFile(file)
		return err == nil && pattern.Match(text)
	})
}

func poll(ts *testscript.TestScript, failure string, ok func() bool) {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(patience); !ok(); <-tick.C {
		if time.Now().After(deadline) {
			ts.Fatalf("%s", failure)
		}
	}
}

func term(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, len(args) == 1, "term PROGRAM")
	for _, cmd := range ts.BackgroundCmds() {
		if filepath.Base(cmd.Path) == args[0] {
			ts.Check(cmd.Process.Signal(syscall.SIGTERM))
			return
		}
	}
	ts.Fatalf("no %s in the background", args[0])
}
