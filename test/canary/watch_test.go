package canary_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/nats-io/nats.go"
)

// canary is what must not be seen. It is the local part of an address, so that a
// destination that redacts e-mail has to redact it.
const canary = "canary7f3a"

// watch notes what leaves the process, and where a canary is in it.
type watch struct {
	mu    sync.Mutex
	armed map[string]bool // tenants whose records must not be seen now
	seen  map[string]int  // exits, and how often something left by them
	leaks []string
}

// arm has a tenant's canaries count from now on.
func (w *watch) arm(tenants ...string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, tenant := range tenants {
		w.armed[tenant] = true
	}
}

// look looks at what leaves by an exit. A canary is followed by the name of its
// tenant: canary7f3a-<tenant>. API keys leave by requests to PostHog alone.
func (w *watch) look(exit string, data ...[]byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.seen[exit]++
	for _, d := range data {
		if exit != "http" && keyPattern.Match(d) {
			w.leaks = append(w.leaks, fmt.Sprintf("%s: an API key: %.600q", exit, d))
		}
		for _, found := range canaries(d) {
			if w.armed[found] && len(w.leaks) < 20 {
				w.leaks = append(w.leaks, fmt.Sprintf("%s: a canary of %s: %.600q", exit, found, d))
			}
		}
	}
}

func (w *watch) count(exit string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.seen[exit]
}

func (w *watch) report(t *testing.T) {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, leak := range w.leaks {
		t.Error(leak)
	}
}

var (
	canaryOf = regexp.MustCompile(canary + `(?:-|%2[dD])([a-z]+)`)
	// keyPattern finds the destinations' keys; see modeKey and its kin.
	keyPattern = regexp.MustCompile(`phc_[a-z]{4,6}0{9,}`)
	hexEscape  = regexp.MustCompile(`\\+u([0-9a-fA-F]{4})`)
)

// canaries lists the tenants whose canaries are in data, escapes of any depth
// considered.
func canaries(data []byte) (tenants []string) {
	plain := hexEscape.ReplaceAllFunc(data, func(escape []byte) []byte {
		n, _ := strconv.ParseUint(string(escape[len(escape)-4:]), 16, 16)
		return []byte(string(rune(n)))
	})
	for _, text := range [][]byte{data, plain} {
		for _, found := range canaryOf.FindAllSubmatch(text, -1) {
			tenants = append(tenants, string(found[1]))
		}
	}
	return tenants
}

// tap passes requests on and looks at them first, as they are on the wire and
// inflated.
func (w *watch) tap(to http.Handler) http.Handler {
	return http.HandlerFunc(func(res http.ResponseWriter, req *http.Request) {
		body, err := io.ReadAll(req.Body)
		if err != nil {
			http.Error(res, "unreadable", http.StatusBadRequest)
			return
		}
		var head bytes.Buffer
		_ = req.Header.Write(&head)
		w.look("http", []byte(req.URL.String()), head.Bytes(), body, inflate(req.Header.Get("Content-Encoding"), body))
		req.Body = io.NopCloser(bytes.NewReader(body))
		to.ServeHTTP(res, req)
	})
}

func inflate(encoding string, body []byte) []byte {
	var r io.Reader
	switch encoding {
	case "zstd":
		z, err := zstd.NewReader(bytes.NewReader(body), zstd.WithDecoderConcurrency(1))
		if err != nil {
			return nil
		}
		defer z.Close()
		r = z
	case "gzip":
		z, err := gzip.NewReader(bytes.NewReader(body))
		if err != nil {
			return nil
		}
		r = z
	default:
		return nil
	}
	plain, err := io.ReadAll(r)
	if err != nil {
		return nil
	}
	return plain
}

// published looks at a message on its way to NATS. What comes in, and what the
// server hands out again, are no exits of ours.
func (w *watch) published(m *nats.Msg) {
	again := strings.HasPrefix(m.Reply, "$JS.ACK.") || strings.HasPrefix(m.Subject, "_INBOX.")
	if again || strings.HasPrefix(m.Subject, "hogcast.generations.") {
		return
	}
	exit, _, _ := strings.Cut(strings.TrimPrefix(m.Subject, "hogcast."), ".")
	w.look(exit, []byte(m.Subject), []byte(fmt.Sprint(m.Header)), m.Data, inflate(m.Header.Get("Hogcast-Encoding"), m.Data))
}

// Write implements io.Writer for the log.
func (w *watch) Write(line []byte) (int, error) {
	w.look("log", line)
	if bytes.Contains(line, []byte("destinations in force")) {
		w.look("reload")
	}
	return len(line), nil
}

// eventually polls with a deadline.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(40 * time.Second); !holds(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("not in time: %s", what)
		}
	}
}
