package observability_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"
)

// prometheus is a real one, with our rules, that scrapes some addresses.
type prometheus struct {
	url string
}

// startPrometheus runs the program from PATH, or HOGCAST_PROMETHEUS.
func startPrometheus(t *testing.T, targets ...string) *prometheus {
	t.Helper()
	program := os.Getenv("HOGCAST_PROMETHEUS")
	if program == "" {
		program = "prometheus"
	}
	dir := t.TempDir()
	config := map[string]any{
		"global":     map[string]any{"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
		"rule_files": []string{absolute(t, root+"deployments/prometheus/rules.yaml")},
		"scrape_configs": []any{map[string]any{
			"job_name":       "hogcast",
			"static_configs": []any{map[string]any{"targets": targets, "labels": map[string]string{"namespace": "llm"}}},
		}},
	}
	text, err := json.Marshal(config) // which is YAML, too
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "prometheus.yml")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	addr := freeAddress(t)
	var log bytes.Buffer
	cmd := exec.CommandContext(t.Context(), program, "--config.file="+file, "--storage.tsdb.path="+filepath.Join(dir, "data"), "--web.listen-address="+addr)
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatalf("%v; apt-get install prometheus, or name one with HOGCAST_PROMETHEUS", err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		_ = cmd.Wait()
		if t.Failed() {
			t.Log(log.String())
		}
	})
	p := &prometheus{"http://" + addr}
	within(t, 20*time.Second, "prometheus is ready", func() bool {
		res, err := http.Get(p.url + "/-/ready") //nolint:noctx // a test's own server
		if err != nil {
			return false
		}
		_ = res.Body.Close()
		return res.StatusCode == http.StatusOK
	})
	return p
}

func absolute(t *testing.T, path string) string {
	t.Helper()
	full, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	return full
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

// ask calls the HTTP API; an answer that is no success is an error.
func (p *prometheus) ask(path string, params url.Values, into any) error {
	res, err := http.Get(p.url + "/api/v1/" + path + "?" + params.Encode()) //nolint:noctx // a test's own server
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	var answer struct {
		Status string          `json:"status"`
		Error  string          `json:"error"`
		Data   json.RawMessage `json:"data"`
	}
	if err := json.NewDecoder(res.Body).Decode(&answer); err != nil {
		return err
	}
	if answer.Status != "success" {
		return fmt.Errorf("%s: %s", res.Status, answer.Error)
	}
	return json.Unmarshal(answer.Data, into)
}

// sample is one series of an answer, with its last value or with all.
type sample struct {
	Labels map[string]string `json:"metric"`
	Last   [2]any            `json:"value"`
	All    [][2]any          `json:"values"`
}

// number reads a value, which the API writes as text.
func number(v [2]any) float64 {
	text, _ := v[1].(string)
	n, _ := strconv.ParseFloat(text, 64)
	return n
}

// query asks for the value now.
func (p *prometheus) query(expr string) ([]sample, error) {
	var data struct {
		Type   string   `json:"resultType"`
		Result []sample `json:"result"`
	}
	err := p.ask("query", url.Values{"query": {expr}}, &data)
	return data.Result, err
}

// history asks for the values since a time, every two seconds.
func (p *prometheus) history(expr string, since time.Time) ([]sample, error) {
	var data struct {
		Result []sample `json:"result"`
	}
	err := p.ask("query_range", url.Values{
		"query": {expr}, "step": {"2"},
		"start": {strconv.FormatInt(since.Unix(), 10)}, "end": {strconv.FormatInt(time.Now().Unix(), 10)},
	}, &data)
	return data.Result, err
}

// value is the one value of an expression.
func (p *prometheus) value(t *testing.T, expr string) float64 {
	t.Helper()
	got, err := p.query(expr)
	if err != nil || len(got) != 1 {
		t.Fatalf("%s: %v, %d series", expr, err, len(got))
	}
	return number(got[0].Last)
}

// states are the states of the alerts: inactive, pending or firing; a rule that
// can't be evaluated is an error of the test.
func (p *prometheus) states(t *testing.T) map[string]string {
	t.Helper()
	var data struct {
		Groups []struct {
			Rules []struct {
				Name   string `json:"name"`
				Health string `json:"health"`
				Error  string `json:"lastError"`
				State  string `json:"state"`
			} `json:"rules"`
		} `json:"groups"`
	}
	if err := p.ask("rules", nil, &data); err != nil {
		t.Fatal(err)
	}
	states := map[string]string{}
	for _, g := range data.Groups {
		for _, r := range g.Rules {
			if r.Health != "ok" {
				t.Errorf("rule %s is %s: %s", r.Name, r.Health, r.Error)
			}
			states[r.Name] = r.State
		}
	}
	return states
}

// within asks until it is so, or fails the test.
func within(t *testing.T, limit time.Duration, what string, so func() bool) {
	t.Helper()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(limit); !so(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("not within %s: %s", limit, what)
		}
	}
}
