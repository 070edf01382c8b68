package app_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hogcast/hogcast/pkg/app"
	"github.com/hogcast/hogcast/pkg/queue"
	"github.com/hogcast/hogcast/pkg/sandbox"
)

// dev is development mode, running.
type dev struct {
	app.Dev
	events chan sandbox.Taken
	stop   func()
}

func startDev(t *testing.T, data string) *dev {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	d := &dev{events: make(chan sandbox.Taken, 100)}
	ready, ended := make(chan app.Dev, 1), make(chan error, 1)
	go func() {
		ended <- app.RunDev(ctx, app.DevConfig{
			Data: data, OnEvent: func(taken sandbox.Taken) { d.events <- taken }, Ready: func(d app.Dev) { ready <- d },
		})
	}()
	select {
	case d.Dev = <-ready:
	case err := <-ended:
		cancel()
		t.Fatalf("development mode ended: %v", errors.Join(err, ctx.Err()))
	}
	d.stop = func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("development mode: %v", err)
		}
	}
	return d
}

func (d *dev) publish(t *testing.T, id string) {
	t.Helper()
	body := fmt.Sprintf(`{"id":%q,"tenant":%q,"created_at":"2026-01-02T03:04:05Z","model":"m"}`, id, app.DevTenant)
	err := d.Conn.Publish(t.Context(), queue.Message{Subject: queue.GenerationSubject(app.DevTenant), ID: id, Body: []byte(body)})
	if err != nil {
		t.Fatal(err)
	}
}

func (d *dev) waiting(t *testing.T) uint64 {
	t.Helper()
	n, err := queue.Waiting(t.Context(), d.Conn, queue.StreamGenerations)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestDevelopmentModeKeepsItsDataBetweenRuns(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	file := filepath.Join(data, "destinations.yaml")
	// Nobody listens on the discard port: what is published must wait.
	edited := "# mine\ndestinations:\n  - {tenant: demo, api_key: phc_mine, endpoint: 'http://127.0.0.1:9'}\n"
	if err := os.WriteFile(file, []byte(edited), 0o600); err != nil {
		t.Fatal(err)
	}
	first := startDev(t, data)
	first.publish(t, "kept-1")
	first.publish(t, "kept-2")
	if got := first.waiting(t); got != 2 {
		t.Errorf("%d records wait, want 2", got)
	}
	first.stop()
	if got, err := os.ReadFile(file); err != nil || string(got) != edited {
		t.Errorf("the edited destinations were touched: %v\n%s", err, cmp.Diff(edited, string(got)))
	}

	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	second := startDev(t, data)
	defer second.stop()
	for range 2 {
		select {
		case taken := <-second.events:
			if !strings.Contains(string(taken.Properties), `"$ai_span_id":"kept-`) {
				t.Errorf("got %s", taken.Properties)
			}
		case <-time.After(90 * time.Second):
			// A hand-back that the stopping server did not take in any more
			// comes when its lease runs out, after 60 s.
			t.Fatal("what was published in the first run did not arrive in the second")
		}
	}
	eventually(t, "the queue is empty", func() bool { return second.waiting(t) == 0 })
}

func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(20 * time.Second); !holds(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("not in time: %s", what)
		}
	}
}
