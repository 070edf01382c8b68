package app_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/hogcast/hogcast/pkg/app"
)

func get(t *testing.T, url string) (int, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(body)
}

func TestProfilesAreServedOnTheAdminPortAloneAndGoWithTheWorker(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "- {tenant: acme, api_key: phc_acme0000000000, endpoint: '%[1]s'}\n")
	metrics, admin := make(chan string, 1), make(chan string, 1)
	w.config.Listen, w.config.AdminListen = "127.0.0.1:0", "localhost:0"
	w.config.Listening = func(addr string) { metrics <- addr }
	w.config.AdminListening = func(addr string) { admin <- addr }
	stop := w.run(t)
	public, private := "http://"+<-metrics, "http://"+<-admin

	for path, want := range map[string]string{
		"/debug/pprof/":                  "heap",
		"/debug/pprof/heap?debug=1":      "heap profile",
		"/debug/pprof/goroutine?debug=2": "goroutine",
		"/debug/pprof/symbol":            "num_symbols",
		"/debug/pprof/profile?seconds=1": "",
	} {
		if code, body := get(t, private+path); code != http.StatusOK || !strings.Contains(body, want) {
			t.Errorf("%s: %d, without %q", path, code, want)
		}
		if code, _ := get(t, public+path); code != http.StatusNotFound {
			t.Errorf("%s is served on the port of the metrics: %d", path, code)
		}
	}
	for _, path := range []string{"/debug/pprof/cmdline", "/metrics", "/"} {
		if code, _ := get(t, private+path); code != http.StatusNotFound {
			t.Errorf("%s is served on the admin port: %d", path, code)
		}
	}
	stop()
	dialer := net.Dialer{Timeout: time.Second}
	if conn, err := dialer.DialContext(t.Context(), "tcp", strings.TrimPrefix(private, "http://")); err == nil {
		_ = conn.Close()
		t.Error("the admin port is open after the worker has stopped")
	}
}

func TestAWorkerThatIsToldToStopDoesNotWaitForAProfile(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "- {tenant: acme, api_key: phc_acme0000000000, endpoint: '%[1]s'}\n")
	admin := make(chan string, 1)
	w.config.AdminListen, w.config.AdminListening = "127.0.0.1:0", func(addr string) { admin <- addr }
	stop := w.run(t)
	began, ended := make(chan struct{}), make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+<-admin+"/debug/pprof/trace?seconds=60", nil)
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(ended)
		client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
		response, err := client.Do(request) // answers when the trace begins
		close(began)
		if err != nil {
			return
		}
		_, _ = io.Copy(io.Discard, response.Body)
		_ = response.Body.Close()
	}()
	<-began
	at := time.Now()
	stop()
	if took := time.Since(at); took > 10*time.Second {
		t.Errorf("stopping took %s", took)
	}
	<-ended
}

func TestAnAdminPortThatOthersReachIsRefusedUnlessSaid(t *testing.T) {
	t.Parallel()
	for addr, ok := range map[string]bool{
		"":                        true,
		"127.0.0.1:6060":          true,
		"127.8.8.8:6060":          true,
		"[::1]:6060":              true,
		"localhost:6060":          true,
		"[::ffff:127.0.0.1]:6060": true,
		":6060":                   false,
		"0.0.0.0:6060":            false,
		"[::]:6060":               false,
		"10.0.0.1:6060":           false,
		"example.com:1":           false,
		"127.0.0.1":               false,
		"6060":                    false,
	} {
		c := app.WorkerConfig{Destinations: "d.yaml", AdminListen: addr}
		if err := c.Validate(); (err == nil) != ok {
			t.Errorf("%q: %v", addr, err)
		}
	}
	c := app.WorkerConfig{Destinations: "d.yaml", AdminListen: ":6060", AdminAllowRemote: true}
	if err := c.Validate(); err != nil {
		t.Error(err)
	}
	c.Listen = ":6060"
	if err := c.Validate(); err == nil {
		t.Error("profiles on the address of the metrics were taken")
	}
}
