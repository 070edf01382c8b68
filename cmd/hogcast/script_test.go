package main

import (
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/hogcast/hogcast/cmd/internal/clitest"
	"github.com/hogcast/hogcast/pkg/deadletter"
	"github.com/hogcast/hogcast/pkg/envelope"
	reasons "github.com/hogcast/hogcast/pkg/outcome"
	"github.com/hogcast/hogcast/pkg/queue"
)

func TestScripts(t *testing.T) {
	t.Parallel()
	clitest.Scripts(t, map[string]clitest.Command{
		"programs": programs, "records": records, "destinations": destinations, "arrived": arrived, "waiting": waiting, "letters": letters, "until": until, "stored": stored,
		"listening": listening, "kvput": kvput, "absent": absent, "expand": expand, "join": join,
	})
}

// programs: builds worker and publisher into the script's PATH.
func programs(ts *testscript.TestScript, _ bool, _ []string) {
	bin := ts.MkAbs("bin")
	build := exec.Command("go", "build", "-o", bin+string(filepath.Separator), "../worker", "../publisher")
	if out, err := build.CombinedOutput(); err != nil {
		ts.Fatalf("%v: %s", err, out)
	}
	ts.Setenv("PATH", bin+string(filepath.ListSeparator)+ts.Getenv("PATH"))
}

// records FILE FROM TO: so many records, by number.
func records(ts *testscript.TestScript, _ bool, args []string) {
	f := clitest.Create(ts, args[0])
	for _, id := range ids(ts, args[1], args[2]) {
		_, err := f.WriteString(`{"id":"` + id + `","created_at":"2026-01-02T03:04:05Z","model":"m","user":"u",` +
			`"messages":[{"role":"user","content":"content-canary ` + id + `"}]}` + "\n")
		ts.Check(err)
	}
}

// destinations FILE ADDR: tenant acme's PostHog is at that address.
func destinations(ts *testscript.TestScript, _ bool, args []string) {
	_, err := clitest.Create(ts, args[0]).WriteString("destinations:\n  - {tenant: acme, api_key: phc_canary, endpoint: 'http://" + args[1] + "'}\n")
	ts.Check(err)
}

// arrived FILE FROM TO: the recording has exactly these records, and their
// content.
func arrived(ts *testscript.TestScript, _ bool, args []string) {
	data, err := os.ReadFile(ts.MkAbs(args[0]))
	ts.Check(err)
	lines := strings.Count(string(data), "\n")
	want := ids(ts, args[1], args[2])
	for _, id := range want {
		if n := strings.Count(string(data), `"content-canary `+id+`"`); n != 1 {
			ts.Fatalf("the content of %s is there %d times", id, n)
		}
	}
	if lines != len(want) {
		ts.Fatalf("%d events, want %d", lines, len(want))
	}
}

// waiting STREAM N: the stream holds so many messages.
func waiting(ts *testscript.TestScript, _ bool, args []string) {
	stream := map[string]string{"generations": queue.StreamGenerations, "dead": queue.StreamDead, "held": queue.StreamHeld}[args[0]]
	if got := clitest.Waiting(ts, stream); got != args[1] {
		ts.Fatalf("%s are in %s, want %s", got, stream, args[1])
	}
}

// letters TENANT DESTINATION REASON FROM TO: buries these records, by number.
func letters(ts *testscript.TestScript, _ bool, args []string) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	conn, err := queue.Connect(ctx, queue.ConnectConfig{URLs: []string{ts.Getenv("NATS_URL")}})
	ts.Check(err)
	defer conn.Close()
	writer := deadletter.NewWriter(conn, int(conn.NATS.MaxPayload()))
	for i, id := range ids(ts, args[3], args[4]) {
		e := envelope.Envelope{
			Source:   envelope.Source{Stream: args[0] + args[1] + args[2], Sequence: uint64(i), Time: time.Now()}, //nolint:gosec // small
			RecordID: id, Detail: "rejected " + strconv.Itoa(i), Status: 400, Attempts: 1,
			Body: []byte(`{"id":"` + id + `","tenant":"` + args[0] + `","created_at":"2026-01-02T03:04:05Z","model":"m",` +
				`"messages":[{"role":"user","content":"content-canary ` + id + `"}]}`),
		}
		_, err := writer.Write(ctx, deadletter.Letter{
			Tenant: args[0], Destination: strings.TrimPrefix(args[1], "_"), Reason: reasons.DeadReason(args[2]), Envelope: e,
		})
		ts.Check(err)
	}
}

// until PATTERN VARIABLE PROGRAM [ARG...]: runs the program until its output
// matches, and puts the match, or its first group, into the variable.
func until(ts *testscript.TestScript, _ bool, args []string) {
	pattern, err := regexp.Compile("(?m)" + args[0])
	ts.Check(err)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); <-tick.C {
		ts.Check(ts.Exec(args[2], args[3:]...))
		if m := pattern.FindStringSubmatch(ts.ReadFile("stdout")); m != nil {
			ts.Setenv(args[1], m[len(m)-1])
			return
		}
	}
	ts.Fatalf("%s never said %s", args[2], args[0])
}

// listening ADDR: waits until somebody listens there.
func listening(ts *testscript.TestScript, _ bool, args []string) {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); <-tick.C {
		if c, err := net.Dial("tcp", args[0]); err == nil {
			ts.Check(c.Close())
			return
		}
	}
	ts.Fatalf("nobody listens at %s", args[0])
}

// kvput BUCKET KEY VALUE: writes a key by other means than hogcast's.
func kvput(ts *testscript.TestScript, _ bool, args []string) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	conn, err := queue.Connect(ctx, queue.ConnectConfig{URLs: []string{ts.Getenv("NATS_URL")}})
	ts.Check(err)
	defer conn.Close()
	bucket, err := conn.Bucket(ctx, args[0])
	ts.Check(err)
	ts.Check(bucket.Set(ctx, args[1], []byte(args[2])))
}

// expand FILE...: puts the script's variables into the files.
func expand(ts *testscript.TestScript, _ bool, args []string) {
	for _, file := range args {
		text := os.Expand(ts.ReadFile(file), ts.Getenv)
		ts.Check(os.WriteFile(ts.MkAbs(file), []byte(text), 0o600))
	}
}

// join FILE PART...: writes the parts into the file, in their order.
func join(ts *testscript.TestScript, _ bool, args []string) {
	var all strings.Builder
	for _, part := range args[1:] {
		all.WriteString(ts.ReadFile(part))
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(all.String()), 0o600))
}

// absent TEXT FILE...: no file of the script's, NATS's among them, holds the
// text, but for those that are named.
func absent(ts *testscript.TestScript, _ bool, args []string) {
	ts.Check(filepath.WalkDir(ts.MkAbs("."), func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() || slices.Contains(args[1:], entry.Name()) {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if strings.Contains(string(data), args[0]) {
			ts.Fatalf("%s holds %s", path, args[0])
		}
		return nil
	}))
}

// ids are those of the records from one number to another.
func ids(ts *testscript.TestScript, from, to string) []string {
	first, err := strconv.Atoi(from)
	ts.Check(err)
	last, err := strconv.Atoi(to)
	ts.Check(err)
	var all []string
	for n := first; n <= last; n++ {
		all = append(all, "record-"+strconv.Itoa(n))
	}
	return all
}

// stored TENANT generations|held RECORD: publishes a record, or holds it for the
// tenant's destination "main".
func stored(ts *testscript.TestScript, _ bool, args []string) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	conn, err := queue.Connect(ctx, queue.ConnectConfig{URLs: []string{ts.Getenv("NATS_URL")}})
	ts.Check(err)
	defer conn.Close()
	m := queue.Message{Subject: queue.GenerationSubject(args[0]), ID: strings.Join(args, "/"), Body: []byte(args[2])}
	if args[1] == "held" {
		e := envelope.Envelope{Body: m.Body}
		m.Subject, m.Header = queue.HeldSubject(args[0], "main"), e.Headers()
	}
	ts.Check(conn.Publish(ctx, m))
}
