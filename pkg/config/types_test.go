package config

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"syscall"
	"testing"

	"go.uber.org/zap"
	"go.yaml.in/yaml/v3"
)

func TestSize(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]Size{
		"0": 0, "1": 1, "12B": 12, "64MiB": 64 << 20, "64mib": 64 << 20, "64Mi": 64 << 20, "480KB": 480_000, "1.5GiB": 3 << 29,
		"2 TB": 2e12, "1TiB": 1 << 40, "9223372036854775807": math.MaxInt64,
	} {
		var got Size
		if err := got.UnmarshalText([]byte(text)); err != nil || got != want {
			t.Errorf("%q: got %d, %v, want %d", text, got, err, want)
		}
		var again Size
		if err := again.UnmarshalText([]byte(got.String())); err != nil || again != got {
			t.Errorf("%q: %s reads back as %d, %v", text, got, again, err)
		}
	}
	for _, text := range []string{
		"", "MiB", "-1", "1..2", ".", "0.5", "1.0001KB", "3 bananas", "1M", "9223372036854775808", "1e3", "9000000TiB",
		strings.Repeat("9", 100), "1KiBB", "1 2",
	} {
		got := Size(-1)
		if err := got.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q: got %d, want an error", text, got)
		}
	}
	for size, want := range map[Size]string{0: "0B", 1: "1B", 1 << 20: "1MiB", 480_000: "480KB", 1_000_001: "1000001B"} {
		if got := size.String(); got != want {
			t.Errorf("%d: got %s, want %s", int64(size), got, want)
		}
	}
}

func FuzzSize(f *testing.F) {
	f.Add("64MiB")
	f.Fuzz(func(t *testing.T, text string) {
		var s, again Size
		if s.UnmarshalText([]byte(text)) != nil {
			return
		}
		if err := again.UnmarshalText([]byte(s.String())); err != nil || again != s || s < 0 {
			t.Errorf("%q: %d reads back as %d, %v", text, s, again, err)
		}
	})
}

func TestSecretShowsItselfToNobody(t *testing.T) {
	t.Parallel()
	s := struct{ S Secret }{NewSecret("hunter2")}
	asJSON, _ := json.Marshal(s)
	asYAML, _ := yaml.Marshal(s)
	for _, got := range []string{fmt.Sprint(s), fmt.Sprintf("%+v %#v %q %s", s, s, s.S, s.S), string(asJSON), string(asYAML)} {
		if strings.Contains(got, "hunter2") || !strings.Contains(got, redacted) {
			t.Errorf("got %s", got)
		}
	}
	if s.S.Reveal() != "hunter2" || s.S.Empty() || !(Secret{}).Empty() || (Secret{}).String() != "" {
		t.Error("the value is not kept")
	}
}

func TestLogger(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		log      Log
		terminal bool
		json     bool
	}{
		"auto on a terminal":    {Log{Level: "info", Format: "auto"}, true, false},
		"auto elsewhere":        {Log{Level: "info", Format: "auto"}, false, true},
		"json on a terminal":    {Log{Level: "info", Format: "json"}, true, true},
		"console elsewhere":     {Log{Level: "info", Format: "console"}, false, false},
		"the zero value":        {Log{}, false, true},
		"a level that is wrong": {Log{Level: "loud"}, false, true},
	} {
		var b bytes.Buffer
		log := NewLogger(c.log, &b, c.terminal).Named("worker")
		log.Debug("not this")
		for range 1000 {
			log.Info("again", zap.Int("n", 1))
		}
		lines := strings.Split(strings.TrimSpace(b.String()), "\n")
		if len(lines) != 1000 {
			t.Errorf("%s: got %d lines, want 1000: nothing is sampled", name, len(lines))
		}
		var line struct{ TS, Level, Msg, Logger string }
		if err := json.Unmarshal([]byte(lines[0]), &line); (err == nil) != c.json {
			t.Errorf("%s: got %s", name, lines[0])
		}
		if c.json && (line.Level != "info" || line.Msg != "again" || line.Logger != "worker" || !strings.HasSuffix(line.TS, "Z")) {
			t.Errorf("%s: got %s", name, lines[0])
		}
	}
}

func TestLogLevel(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	log := NewLogger(Log{Level: "error"}, &b, false)
	log.Warn("not this")
	log.Error("this")
	if got := b.String(); strings.Contains(got, "not this") || !strings.Contains(got, `"msg":"this"`) {
		t.Errorf("got %s", got)
	}
}

// Not parallel: signals are the process's.
func TestSignals(t *testing.T) {
	exits := make(chan int, 1)
	ctx, stop := SignalContext(t.Context(), func(code int) { exits <- code })
	defer stop()
	kill(t, syscall.SIGTERM)
	<-ctx.Done()
	if got, want := fmt.Sprint(context.Cause(ctx)), "received terminated"; got != want {
		t.Errorf("cause: got %q, want %q", got, want)
	}
	kill(t, syscall.SIGINT)
	if got := <-exits; got != ExitInterrupted {
		t.Errorf("got exit code %d, want 130", got)
	}
	stop()
	stop() // twice is once
}

func TestSignalContextStopsWithoutASignal(t *testing.T) {
	ctx, stop := SignalContext(t.Context(), func(int) { t.Error("exited") })
	stop()
	if ctx.Err() == nil {
		t.Error("the context goes on")
	}
}

func kill(t *testing.T, sig syscall.Signal) {
	t.Helper()
	if err := syscall.Kill(syscall.Getpid(), sig); err != nil {
		t.Fatal(err)
	}
}

func TestNearest(t *testing.T) {
	t.Parallel()
	known := map[string]bool{"nats-url": true, "nats-user": true, "window": true}
	for name, want := range map[string]string{
		"nats-ulr": "nats-url", "natsurl": "nats-url", "windows": "window", "zzzzzz": "", "": "", strings.Repeat("x", 1000): "",
	} {
		if got := nearest(name, known); got != want {
			t.Errorf("%q: got %q, want %q", name, got, want)
		}
	}
}
