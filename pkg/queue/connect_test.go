package queue_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/hogcast/hogcast/pkg/embedded"
	"github.com/hogcast/hogcast/pkg/queue"
	"github.com/hogcast/hogcast/test/natstest"
)

const secret = "s3cret"

func TestNoErrorOfConnectingHoldsAPassword(t *testing.T) {
	t.Parallel()
	for _, urls := range [][]string{
		{"nats://user:" + secret + "@host:99x99"},
		{"nats://user:" + secret + "@127.0.0.1:1"},
		{"user:" + secret + "@127.0.0.1:1"},
		{"nats://127.0.0.1:1,nats://user:" + secret + "@127.0.0.1:2"},
		{"nats://" + secret + "@127.0.0.1:1"},
		{"nats://user:" + secret + "%zz@host"},
		{":" + secret},
	} {
		c, err := queue.Connect(t.Context(), queue.ConnectConfig{URLs: urls})
		if err == nil {
			c.Close()
			t.Errorf("%q: connected", urls)
			continue
		}
		if strings.Contains(err.Error(), secret) {
			t.Errorf("error holds the password: %v", err)
		}
		if shown := queue.RedactURLs(urls); strings.Contains(shown, secret) {
			t.Errorf("redacted, yet holds the password: %s", shown)
		}
	}
}

func TestConnectWaitsForANATSThatComesLater(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := natstest.Start(t, embedded.Config{StoreDir: dir})
	url, port := s.ClientURL(), portOf(t, s)
	s.Stop()

	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if c, err := queue.Connect(ctx, queue.ConnectConfig{URLs: []string{url}, Wait: true}); err == nil {
		c.Close()
		t.Fatal("connected to a server that is not there")
	}
	connected := make(chan error, 1)
	go func() {
		c, err := queue.Connect(t.Context(), queue.ConnectConfig{URLs: []string{url}, Wait: true})
		if err == nil {
			c.Close()
		}
		connected <- err
	}()
	natstest.Start(t, embedded.Config{StoreDir: dir, Port: port})
	if err := receive(t, connected, "connected"); err != nil {
		t.Error(err)
	}
}

func TestALostConnectionIsToldOnceAndComesBack(t *testing.T) {
	t.Parallel()
	core, logs := observer.New(zap.InfoLevel)
	dir := t.TempDir()
	s := natstest.Start(t, embedded.Config{StoreDir: dir})
	port := portOf(t, s)
	c := natstest.ConnectAs(t, queue.ConnectConfig{URLs: []string{s.ClientURL()}, Logger: zap.New(core)})
	s.Stop()
	natstest.Eventually(t, "lost", func() bool { return !c.Connected() })
	natstest.Start(t, embedded.Config{StoreDir: dir, Port: port})
	natstest.Eventually(t, "back", func() bool { return logs.FilterMessage("nats is back").Len() == 1 })
	if got := logs.FilterMessage("nats lost; reconnecting").Len(); got != 1 {
		t.Errorf("the loss was told %d times, want 1", got)
	}
}

func TestApplyContextFillsWhatIsEmpty(t *testing.T) {
	home := contexts(t, map[string]string{
		"full": `{"url":"nats://a:1,nats://b:2","user":"u","password":"p","ca":"~/ca.pem","jetstream_domain":"hub","inbox_prefix":"_I"}`,
	})
	got := queue.ConnectConfig{}
	if err := got.ApplyContext("full"); err != nil {
		t.Fatal(err)
	}
	want := queue.ConnectConfig{
		URLs: []string{"nats://a:1", "nats://b:2"}, User: "u", Password: "p",
		TLSCA: filepath.Join(home, "ca.pem"), Domain: "hub", Inbox: "_I",
	}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(queue.ConnectConfig{}, "Logger")); diff != "" {
		t.Errorf("from nothing (-want +got):\n%s", diff)
	}

	got = queue.ConnectConfig{URLs: []string{"nats://mine"}, Creds: "mine.creds", Domain: "mine"}
	if err := got.ApplyContext("full"); err != nil {
		t.Fatal(err)
	}
	if got.URLs[0] != "nats://mine" || got.Domain != "mine" || got.Creds != "mine.creds" {
		t.Errorf("the context overrode what was said: %+v", got)
	}
	if got.User != "" || got.Password != "" {
		t.Error("credentials were taken from two places")
	}
}

func TestApplyContextRefusesWhatItCannotUse(t *testing.T) {
	contexts(t, map[string]string{
		"nsc":    `{"url":"nats://a","nsc":"nsc://op/acc/user"}`,
		"broken": `{"password":"` + secret + `"`,
	})
	for name, want := range map[string]string{
		"nsc": "nsc is not supported", "broken": "not JSON", "absent": "absent", "../up": "not a name", "": "not a name",
	} {
		err := (&queue.ConnectConfig{}).ApplyContext(name)
		mentions(t, err, want)
		if err != nil && strings.Contains(err.Error(), secret) {
			t.Errorf("error holds the password: %v", err)
		}
	}
}

func contexts(t *testing.T, files map[string]string) (home string) {
	t.Helper()
	home = t.TempDir()
	t.Setenv("HOME", home)
	t.Setenv("XDG_CONFIG_HOME", "")
	folder := filepath.Join(home, ".config", "nats", "context")
	if err := os.MkdirAll(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(folder, name+".json"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return home
}
