package app_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/hogcast/hogcast/pkg/app"
)

// asked is what a path of the worker's says: "" once nobody answers.
func asked(t *testing.T, client *http.Client, url string) (int, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := client.Do(request)
	if err != nil {
		return 0, ""
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return 0, ""
	}
	return response.StatusCode, strings.TrimSpace(string(text))
}

// The last pulls stay open for two seconds after the signal: in them, too, the
// worker is one that goes. Seldom they end with the signal, and nobody is left
// to ask; then another worker tells.
func TestAWorkerThatIsToldToStopIsNotReadyAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "- {tenant: acme, api_key: phc_acme0000000000, endpoint: '%[1]s'}\n")
	for range 3 {
		if said := w.saysWhenTold(t); said == "draining" {
			return
		}
	}
	t.Error("it was ready until its end")
}

// saysWhenTold is the first answer of /readyz that is not ok after a worker was
// told to stop; "" where it was gone by then.
func (w *world) saysWhenTold(t *testing.T) string {
	t.Helper()
	config, addr := w.config, make(chan string, 1)
	config.Listen, config.Listening = "127.0.0.1:0", func(a string) { addr <- a }
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- app.RunWorker(ctx, config) }()
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	url := "http://" + <-addr + "/readyz"
	eventually(t, "readiness", func() bool { status, _ := asked(t, client, url); return status == http.StatusOK })
	cancel()
	status, text := asked(t, client, url)
	for status == http.StatusOK {
		status, text = asked(t, client, url)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
	return text
}
