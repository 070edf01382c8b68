package observability_test

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

func TestRulesAskForMetricsThatThereAre(t *testing.T) {
	t.Parallel()
	metrics := known(t)
	for _, r := range rules(t, false) {
		for _, problem := range check(metrics, r.Expr) {
			t.Errorf("%s: %s", r.name(), problem)
		}
	}
}

// TestTheCheckerFindsWhatIsWrong: a check that finds nothing proves nothing.
func TestTheCheckerFindsWhatIsWrong(t *testing.T) {
	t.Parallel()
	metrics := known(t)
	for expr, want := range map[string]string{
		`rate(hogcast_nothing_total[5m])`:                    "no metric hogcast_nothing_total",
		`rate(hogcast_attempts_total{reason="ok"}[5m])`:      "has no label reason",
		`sum by (tenant) (rate(hogcast_attempts_total[5m]))`: "a label tenant",
		`hogcast_attempts_total`:                             "not asked for its rate",
		`sum(hogcast_attempts_total)`:                        "not asked for its rate",
		`rate(hogcast_workers[5m])`:                          "is a gauge",
		`hogcast_workers[5m]`:                                "a range that nothing takes",
		`rate(hogcast_delivery_delay_seconds[5m])`:           "no metric hogcast_delivery_delay_seconds",
		`histogram_quantile(0.9, sum by (le, tenant) (rate(hogcast_attempt_events_bucket[5m])))`:   "a label tenant",
		`max by (stream) (hogcast_stream_messages) and on (reason) hogcast_workers`:                "a label reason",
		`sum(rate(hogcast_attempt_events_bucket{le="1", cause="ok"}[5m]))`:                         "has no label cause",
		`namespace:hogcast_lag_records:sum{stream="a"}`:                                            "has no label stream",
		`hogcast_workers * on (namespace) group_left (version) hogcast_build_info`:                 "",
		`histogram_quantile(0.9, sum by (le) (rate(hogcast_attempt_duration_seconds_bucket[5m])))`: "",
	} {
		got := strings.Join(check(metrics, expr), "; ")
		if want == "" && got != "" || want != "" && !strings.Contains(got, want) {
			t.Errorf("%s: got %q, want %q", expr, got, want)
		}
	}
}

func TestEachAlertSaysWhatItIsAndWhereToLook(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, a := range rules(t, true) {
		if seen[a.Alert] {
			t.Errorf("%s is there twice", a.Alert)
		}
		seen[a.Alert] = true
		if !strings.HasPrefix(a.Alert, "Hogcast") {
			t.Errorf("%s does not begin with Hogcast", a.Alert)
		}
		if !slices.Contains([]string{"critical", "warning", "info"}, a.Labels["severity"]) {
			t.Errorf("%s: severity %q", a.Alert, a.Labels["severity"])
		}
		for _, text := range []string{"summary", "description"} {
			if !strings.HasSuffix(a.Annotations[text], ".") {
				t.Errorf("%s: its %s is no sentence: %q", a.Alert, text, a.Annotations[text])
			}
		}
		want := "https://github.com/hogcast/hogcast/blob/main/docs/runbooks.md#" + strings.ToLower(a.Alert)
		if a.Annotations["runbook_url"] != want {
			t.Errorf("%s: its runbook is at %s, want %s", a.Alert, a.Annotations["runbook_url"], want)
		}
	}
}

func TestEachAlertHasItsSectionInTheRunbooks(t *testing.T) {
	t.Parallel()
	sections := map[string]string{}
	for _, part := range strings.Split(read(t, "docs/runbooks.md"), "\n## ")[1:] {
		name, text, _ := strings.Cut(part, "\n")
		sections[name] = text
	}
	for _, a := range rules(t, true) {
		text, ok := sections[a.Alert]
		if !ok {
			t.Errorf("docs/runbooks.md has no section %s", a.Alert)
		}
		for _, part := range []string{"**What it means.**", "**How to look.**", "**How to mend.**"} {
			if !strings.Contains(text, part) {
				t.Errorf("%s: its section has no %s", a.Alert, part)
			}
		}
		delete(sections, a.Alert)
	}
	for name := range sections {
		if strings.HasPrefix(name, "Hogcast") {
			t.Errorf("docs/runbooks.md has a section %s, which is no alert", name)
		}
	}
}

func TestTheRunbooksNameCommandsAndFlagsThatThereAre(t *testing.T) {
	t.Parallel()
	for _, m := range regexp.MustCompile("(?m)(?:`|^)hogcast ([a-z]+)(?: ([a-z]+))?([^`\n]*)").FindAllStringSubmatch(read(t, "docs/runbooks.md"), -1) {
		help := helpOf(m[1], m[2])
		if help == "" {
			t.Errorf("there is no command hogcast %s %s", m[1], m[2])
		}
		for _, flag := range regexp.MustCompile(`--[a-z-]+`).FindAllString(m[3], -1) {
			if !strings.Contains(help, flag) {
				t.Errorf("hogcast %s %s has no flag %s", m[1], m[2], flag)
			}
		}
	}
}

// helpOf is the golden help of a command; "" where there is none.
func helpOf(command, sub string) string {
	for _, name := range []string{command + "-" + sub, command + "-start", command} {
		if text, err := os.ReadFile(root + "cmd/hogcast/testdata/help/hogcast-" + name + ".golden"); err == nil {
			return string(text)
		}
	}
	all, _ := os.ReadFile(root + "cmd/hogcast/testdata/help/hogcast.golden")
	return regexp.MustCompile(`(?m)^  ` + strings.TrimSpace(command+" "+sub) + ` .*$`).FindString(string(all))
}

func TestEachAlertHasACaseInWhichItFiresAndOneInWhichItDoesNot(t *testing.T) {
	t.Parallel()
	var file struct {
		Tests []struct {
			Exprs []struct {
				Expr string `yaml:"expr"`
				Want []any  `yaml:"exp_samples"`
			} `yaml:"promql_expr_test"`
		} `yaml:"tests"`
	}
	if err := yaml.Unmarshal([]byte(read(t, "deployments/prometheus/rules_test.yaml")), &file); err != nil {
		t.Fatal(err)
	}
	name := regexp.MustCompile(`alertname="(\w+)"`)
	fires, quiet := map[string]bool{}, map[string]bool{}
	for _, test := range file.Tests {
		for _, e := range test.Exprs {
			of := name.FindStringSubmatch(e.Expr)[1]
			fires[of] = fires[of] || len(e.Want) > 0
			quiet[of] = quiet[of] || len(e.Want) == 0
		}
	}
	for _, a := range rules(t, true) {
		if !fires[a.Alert] || !quiet[a.Alert] {
			t.Errorf("%s: a case in which it fires: %v; in which it does not: %v", a.Alert, fires[a.Alert], quiet[a.Alert])
		}
	}
}

func TestTheDocumentsQueriesAskForMetricsThatThereAre(t *testing.T) {
	t.Parallel()
	metrics := known(t)
	found := regexp.MustCompile("(?m)^\\| [^|]+ \\| `([^`]+)` \\|$").FindAllStringSubmatch(read(t, "docs/observability.md"), -1)
	if len(found) < 5 {
		t.Fatalf("%d queries", len(found))
	}
	for _, m := range found {
		for _, problem := range check(metrics, m[1]) {
			t.Errorf("%s: %s", m[1], problem)
		}
	}
}
