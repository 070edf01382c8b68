package clitest

import (
	"context"
	"errors"
	"maps"
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
//	livez ADDR, ready ADDR      waits until /livez or /readyz says ok
//	await N FILE PATTERN        waits until the file has N matches, or more
//	term PROGRAM                sends SIGTERM to a program in the background
//
// and what the caller adds.
func Scripts(t *testing.T, more map[string]Command) {
	t.Helper()
	commands := map[string]Command{
		"code": code, "nats": startNATS, "port": freePort, "livez": probe("livez"), "ready": probe("readyz"), "await": await, "term": term,
	}
	maps.Copy(commands, more)
	testscript.Run(t, testscript.Params{
		Dir: filepath.Join("testdata", "script"), Cmds: commands, RequireExplicitExec: true, RequireUniqueNames: true,
		Setup: func(env *testscript.Env) error {
			// The race detector holds each process up for a second at its end.
			env.Setenv("GORACE", "atexit_sleep_ms=10")
			return nil
		},
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
	dir, err := os.MkdirTemp(ts.MkAbs("."), "nats-*") // a script may start several
	ts.Check(err)
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

func probe(path string) Command {
	client := &http.Client{Timeout: time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	return func(ts *testscript.TestScript, neg bool, args []string) {
		usage(ts, neg, len(args) == 1, "livez|ready ADDR")
		url := "http://" + args[0] + "/" + path
		poll(ts, url+" never said ok", func() bool {
			response, err := client.Get(url)
			if err != nil {
				return false
			}
			_ = response.Body.Close()
			return response.StatusCode == http.StatusOK
		})
	}
}

func await(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, len(args) == 3, "await N FILE PATTERN")
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	pattern, err := regexp.Compile("(?m)" + args[2])
	ts.Check(err)
	file := ts.MkAbs(args[1])
	poll(ts, args[1]+" never had enough of "+args[2], func() bool {
		text, err := os.ReadFile(file)
		return err == nil && len(pattern.FindAllIndex(text, want)) == want
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

// Create creates a file of the script's that is closed at its end.
func Create(ts *testscript.TestScript, name string) *os.File {
	f, err := os.Create(ts.MkAbs(name))
	ts.Check(err)
	ts.Defer(func() { _ = f.Close() })
	return f
}

// Waiting is how many messages a stream of the script's NATS holds.
func Waiting(ts *testscript.TestScript, stream string) string {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	conn, err := queue.Connect(ctx, queue.ConnectConfig{URLs: []string{ts.Getenv("NATS_URL")}})
	ts.Check(err)
	defer conn.Close()
	n, err := queue.Waiting(ctx, conn, stream)
	ts.Check(err)
	return strconv.FormatUint(n, 10)
}
