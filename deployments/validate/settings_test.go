package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// worker.config takes every spelling that the worker takes; a setting that
// stands twice in its file would stop it at the start.
func TestWhateverTheSpellingASettingStandsOnce(t *testing.T) {
	t.Parallel()
	dir, err := built()
	if err != nil {
		t.Fatal(err)
	}
	for config, want := range map[string]string{
		"drain: {timeout: 61s}":                   "drain_timeout: 1m1s",
		"drain-timeout: 62s":                      "drain_timeout: 1m2s",
		"log_level: debug":                        "level: debug",
		"log: {level: debug}":                     "format: json",
		"{log: {level: debug}, log_format: auto}": "format: auto",
		"egress: {allow: [10.1.0.0/16]}":          "allow: [10.1.0.0/16]",
		"main: {lane: {max: 3s}}":                 "main_lane_max: 3s",
		"window: 50331648":                        "window: 48MiB",
		"window: null":                            "window: 64MiB",
	} {
		t.Run(config, func(t *testing.T) {
			t.Parallel()
			text := with(t, "worker: {egressAllow: [10.0.0.0/8], config: "+braced(config)+"}").find(t, "ConfigMap", "hogcast-worker").str("data", "worker.yaml")
			file := filepath.Join(t.TempDir(), "worker.yaml")
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			cmd := exec.Command(filepath.Join(dir, "worker"), "--config="+file, "--print-config")
			cmd.Env = []string{"HOME=" + t.TempDir()}
			printed, err := cmd.CombinedOutput()
			if err != nil || !strings.Contains(string(printed), want) {
				t.Errorf("%v, want …%s…:\n%s\nof\n%s", err, want, printed, text)
			}
		})
	}
}

func braced(config string) string {
	if strings.HasPrefix(config, "{") {
		return config
	}
	return "{" + config + "}"
}

func TestThePortIsWhereTheWorkerListens(t *testing.T) {
	t.Parallel()
	for values, want := range map[string]int32{
		"":                                      8080,
		"port: 9000":                            9000,
		"worker: {config: {listen: '[::]:81'}}": 81,
		"worker: {config: {listen: ':82'}}":     82,
		"worker: {config: {listen: '0.0.0.0:83'}}": 83,
	} {
		out := with(t, values+"\nservice: {enabled: true}")
		if got := out.worker(t).spec.Containers[0].Ports[0].ContainerPort; got != want {
			t.Errorf("%q: the container has port %d, want %d", values, got, want)
		}
		ports, _ := out.find(t, "Service", "hogcast-worker").at("spec", "ports").([]any)
		if got := ports[0].(map[string]any)["port"]; got != float64(want) {
			t.Errorf("%q: the Service has port %v, want %d", values, got, want)
		}
	}
}

// What opens the network policy is what is in force.
func TestThePolicyFollowsTheWorkersSettings(t *testing.T) {
	t.Parallel()
	for values, want := range map[string]string{
		"worker: {config: {egress_allow: '10.1.0.0/16, fd00::1'}}":           "10.1.0.0/16 fd00::1/128",
		"worker: {config: {egress: {allow: [10.2.0.0/16]}}}":                 "10.2.0.0/16",
		"worker: {config: {egress_proxy: 'http://u:p@proxy.corp:3128'}}":     "3128",
		"worker: {config: {egress: {proxy: 'https://proxy.corp'}}}":          "443",
		"worker: {config: {otlp_endpoint: 'http://otel:4318/x'}}":            "4318",
		"worker: {traces: {enabled: true, endpoint: 'http://otel.example'}}": "80",
	} {
		var got []string
		for _, rule := range egress(t, values)[3:] {
			for _, to := range rule.To {
				got = append(got, to.IPBlock.CIDR)
			}
			for _, port := range rule.Ports {
				got = append(got, port.Port.String())
			}
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%q: got %q, want %q", values, got, want)
		}
	}
}

func TestNumbersStandAsTheyAreMeant(t *testing.T) {
	t.Parallel()
	out := with(t, `
setup: {mode: job, storageBytes: 107374182400, ttlSecondsAfterFinished: 2592000, activeDeadlineSeconds: 2000000}
minReadySeconds: 1000000
progressDeadlineSeconds: 2000000
worker: {window: 67108864}`)
	exponent := regexp.MustCompile(`[0-9]e\+[0-9]|%!`)
	for _, o := range out.objects {
		if at := exponent.FindString(o.text); at != "" {
			t.Errorf("%s has %s:\n%s", o.id(), at, o.text)
		}
	}
	if !strings.Contains(out.text(), "--storage-bytes=107374182400") {
		t.Error("storageBytes is not the number")
	}
}

// Kubernetes refuses a rollingUpdate beside Recreate, which the default has.
func TestRecreateTakesNoRollingUpdate(t *testing.T) {
	t.Parallel()
	strategy := with(t, "strategy: {type: Recreate}").find(t, "Deployment", "hogcast-worker").at("spec", "strategy")
	if m, ok := strategy.(map[string]any); !ok || len(m) != 1 || m["type"] != "Recreate" {
		t.Errorf("got %v", strategy)
	}
}

func TestTheSetUpThatIsNoHookWaitsForNATS(t *testing.T) {
	t.Parallel()
	for values, want := range map[string]float64{
		"setup: {mode: hook}":                           280,
		"setup: {mode: job}":                            3600,
		"setup: {mode: job, activeDeadlineSeconds: 60}": 60,
	} {
		for _, o := range with(t, values).objects {
			if o.kind() == "Job" && o.at("spec", "activeDeadlineSeconds") != want {
				t.Errorf("%q: got %v, want %v", values, o.at("spec", "activeDeadlineSeconds"), want)
			}
		}
	}
}
