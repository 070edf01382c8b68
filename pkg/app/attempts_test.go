package app_test

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"testing"

	"go.uber.org/zap"

	"github.com/hogcast/hogcast/pkg/config"
	"github.com/hogcast/hogcast/pkg/queue"
	"github.com/hogcast/hogcast/pkg/sandbox"
	"github.com/hogcast/hogcast/pkg/telemetry"
)

// logged is a program's own log, as it is written.
type logged struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// attempts are the lines of requests.
func (l *logged) attempts(t *testing.T) (lines []map[string]any) {
	t.Helper()
	for line := range strings.Lines(l.String()) {
		fields := map[string]any{}
		if err := json.Unmarshal([]byte(line), &fields); err != nil {
			t.Fatalf("not JSON: %s", line)
		}
		if fields["logger"] == "attempt" {
			lines = append(lines, fields)
		}
	}
	return lines
}

func (l *logged) logger(level string) *zap.Logger {
	return config.NewLogger(config.Log{Level: level, Format: "json"}, l, false)
}

// attemptKeys are on each line of a request; people search by them.
var attemptKeys = []string{
	"ts", "level", "msg", "logger", "tenant", "destination", "attempt", "outcome", "duration_ms", "error", "events", "bytes", "status", "path",
}

func TestEachRequestIsOneWideLineWithoutContentOrSecrets(t *testing.T) {
	t.Parallel()
	w, c, log := newWorld(t, twoTenants), newCollector(t), &logged{}
	w.config.Logger = log.logger("debug")
	w.config.Traces = telemetry.TraceConfig{Endpoint: c.URL, Headers: "x-api-key=otlp-secret"}
	w.posthog.Always(sandbox.Match{APIKey: "phc_acme0000000000"}, sandbox.Status(401))
	defer w.run(t)()
	w.publishTraced(t, "beta", "traced", "01")
	w.publishTraced(t, "acme", "refused", "01")
	eventually(t, "both have ended", func() bool { return w.posthog.Count() == 1 && w.waiting(t, queue.StreamHeld) == 1 })
	seen := map[string]bool{}
	for _, line := range log.attempts(t) {
		for _, key := range append(slices.Clone(attemptKeys), "trace_id") {
			if _, ok := line[key]; !ok {
				t.Errorf("a line has no %s: %v", key, line)
			}
		}
		if line["outcome"] == "unauthorized" && (line["level"] != "warn" || line["status"] != 401.0 || line["tenant"] != "acme") {
			t.Errorf("the refused: %v", line)
		}
		seen[line["outcome"].(string)] = true //nolint:forcetypeassert // it is there: else an error above
	}
	if !seen["ok"] || !seen["unauthorized"] {
		t.Errorf("lines of %v", seen)
	}
	for _, secret := range []string{secretPrompt, "phc_acme", "phc_beta", "otlp-secret"} {
		if strings.Contains(log.String(), secret) {
			t.Errorf("the log holds %q", secret)
		}
	}
}

func TestTheSameErrorAgainIsCountedNotTold(t *testing.T) {
	t.Parallel()
	w, log := newWorld(t, twoTenants), &logged{}
	w.config.Logger = log.logger("info")
	w.posthog.Always(sandbox.Match{APIKey: "phc_acme0000000000"}, sandbox.Status(503))
	defer w.run(t)()
	w.publish(t, "acme", 300)
	eventually(t, "they are held", func() bool { return w.waiting(t, queue.StreamHeld) == 300 })
	told := 0
	for _, line := range log.attempts(t) {
		if line["outcome"] == "server_error" {
			told++
		}
	}
	if told != 1 {
		t.Errorf("the same error was told %d times, want once", told)
	}
	w.posthog.Clear(sandbox.Match{APIKey: "phc_acme0000000000"})
	eventually(t, "they are delivered", func() bool { return w.posthog.Count() == 300 })
	for _, line := range log.attempts(t) {
		if line["msg"] == "taken again" {
			if line["repeated"].(float64) < 1 || line["attempt"].(float64) < 3 { //nolint:forcetypeassert // numbers, as fields writes them
				t.Errorf("it does not tell how often it failed: %v", line)
			}
			return
		}
	}
	t.Error("nothing tells that it is taken again")
}
