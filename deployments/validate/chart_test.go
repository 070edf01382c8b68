package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"sigs.k8s.io/yaml"
)

func TestTheGracePeriodIsTheSleepTheDrainAndTenSeconds(t *testing.T) {
	t.Parallel()
	for values, want := range map[string]int64{
		"":                                          35,
		"worker: {drainTimeout: 1m30s}":             105,
		"worker: {drainTimeout: 1500ms}":            17,
		"worker: {config: {drain_timeout: 40s}}":    55,
		"worker: {config: {drain-timeout: 41s}}":    56,
		"worker: {config: {drain: {timeout: 42s}}}": 57,
		"worker: {drainTimeout: 24h}":               86415,
		"preStopSleepSeconds: 0":                    30,
		"{preStopSleepSeconds: 20, worker: {drainTimeout: 1h0.5s}}": 3631,
		"terminationGracePeriodSeconds: 300":                        300,
	} {
		p := with(t, values).worker(t)
		if got := *p.spec.TerminationGracePeriodSeconds; got != want {
			t.Errorf("%q: got %d, want %d", values, got, want)
		}
	}
}

func TestAPreStopSleepOfNothingIsLeftOut(t *testing.T) {
	t.Parallel()
	if p := with(t, "preStopSleepSeconds: 0").worker(t); p.spec.Containers[0].Lifecycle != nil {
		t.Error("it is there; older Kubernetes refuses a sleep of 0")
	}
	if got := with(t, "").worker(t).spec.Containers[0].Lifecycle.PreStop.Sleep.Seconds; got != 5 {
		t.Errorf("default: got %d", got)
	}
}

func TestGoIsToldOfItsLimits(t *testing.T) {
	t.Parallel()
	for values, want := range map[string][2]string{
		"": {"483183820", "2"},
		"resources: {requests: {cpu: 3, memory: 1G}, limits: {memory: 1G}}":                     {"900000000", "6"},
		"resources: {requests: {cpu: 1500m, memory: 1.5Gi}, limits: {cpu: 2500m, memory: 2Gi}}": {"1932735283", "3"},
		"resources: {requests: {memory: 536870912}, limits: {memory: 536870912}}":               {"483183820", "2"},
		"resources: {limits: {cpu: 1500m}}":                                                     {"483183820", "2"},
		"resources: {requests: {cpu: 0.1}, limits: {cpu: 0.1}}":                                 {"483183820", "1"},
		"resources: null":                             {"", ""},
		"{goMaxProcs: 7, goMemLimitPercent: 50}":      {"268435456", "7"},
		"goMemLimitPercent: 0":                        {"", "2"},
		"resources: {limits: {memory: null}}":         {"", "2"},
		"extraEnvs: [{name: GOMAXPROCS, value: '9'}]": {"483183820", "9"},
	} {
		p := with(t, values).worker(t)
		if got := [2]string{p.env("GOMEMLIMIT"), p.env("GOMAXPROCS")}; got != want {
			t.Errorf("%q: got %q, want %q", values, got, want)
		}
	}
}

func TestWhatScalesTheWorkersOwnsTheirNumber(t *testing.T) {
	t.Parallel()
	for values, want := range map[string]any{
		"":                float64(2),
		"replicaCount: 0": float64(0),
		"autoscaling: {enabled: true, type: hpa}":  nil,
		"autoscaling: {enabled: true, type: keda}": nil,
	} {
		if got := with(t, values).find(t, "Deployment", "hogcast-worker").at("spec", "replicas"); got != want {
			t.Errorf("%q: got %v, want %v", values, got, want)
		}
	}
}

func TestNoWorkerIsTakenAwayBeforeAnotherIsReady(t *testing.T) {
	t.Parallel()
	out := with(t, "")
	if got := out.find(t, "Deployment", "hogcast-worker").at("spec", "strategy", "rollingUpdate", "maxUnavailable"); got != float64(0) {
		t.Errorf("maxUnavailable: got %v", got)
	}
	pdb := out.find(t, "PodDisruptionBudget", "hogcast-worker")
	if pdb.at("spec", "maxUnavailable") != float64(1) || pdb.str("spec", "unhealthyPodEvictionPolicy") != "AlwaysAllow" {
		t.Errorf("the budget is %v", pdb.at("spec"))
	}
}

func TestAChangeOfConfigurationStartsPodsAnewAndOneOfDestinationsDoesNot(t *testing.T) {
	t.Parallel()
	sums := func(values string) map[string]string { return with(t, values).worker(t).meta.Annotations }
	base := "{destinations: {from: values, values: [{tenant: a}]}, nats: {auth: {type: token, values: {token: a}}}}"
	was := sums(base)
	if got := sums(strings.Replace(base, "tenant: a", "tenant: b", 1)); got["checksum/config"] != was["checksum/config"] {
		t.Error("another destination starts pods anew; workers reload them")
	}
	if got := sums(strings.Replace(base, "token: a", "token: b", 1)); got["checksum/nats"] == was["checksum/nats"] {
		t.Error("another token starts no pods anew")
	}
	if got := sums("{worker: {window: 32MiB}, " + base[1:]); got["checksum/config"] == was["checksum/config"] {
		t.Error("another window starts no pods anew")
	}
}

func TestAVersionOfTheChartAloneStartsNoPodsAnew(t *testing.T) {
	t.Parallel()
	for key := range with(t, "").worker(t).meta.Labels {
		if key == "helm.sh/chart" || key == "app.kubernetes.io/version" {
			t.Errorf("pods have the label %s", key)
		}
	}
}

func TestEverySelectorFindsItsPodsAndNoOthers(t *testing.T) {
	t.Parallel()
	for name, values := range sets(t) {
		out, err := render(chartDir(root), release{values: values})
		if err != nil {
			t.Fatal(err)
		}
		components := map[string]map[string]string{}
		for _, o := range out.objects {
			if p, ok, err := podOf(o); ok && err == nil {
				components[p.meta.Labels["app.kubernetes.io/component"]] = p.meta.Labels
				if o.kind() == "Pod" || o.kind() == "Job" {
					continue
				}
				var selector map[string]string
				if err := o.into(&selector, "spec", "selector", "matchLabels"); err != nil || !subset(selector, p.meta.Labels) {
					t.Errorf("%s: %s selects %v, its pods are %v", name, o.id(), selector, p.meta.Labels)
				}
			}
		}
		for _, o := range out.objects {
			var selector map[string]string
			switch o.kind() {
			case "Service":
				_ = o.into(&selector, "spec", "selector") // an empty one is an error below
			case "PodDisruptionBudget", "PodMonitor":
				_ = o.into(&selector, "spec", "selector", "matchLabels") // likewise
			case "NetworkPolicy":
				_ = o.into(&selector, "spec", "podSelector", "matchLabels") // likewise
			default:
				continue
			}
			of := o.str("metadata", "labels", "app.kubernetes.io/component")
			for component, labels := range components {
				if got := len(selector) > 0 && subset(selector, labels); got != (component == of) {
					t.Errorf("%s: %s of %s selects the pods of %s: %t", name, o.id(), of, component, got)
				}
			}
		}
	}
}

func subset(some, all map[string]string) bool {
	for k, v := range some {
		if all[k] != v {
			return false
		}
	}
	return true
}

func TestEveryVolumeThatIsMountedIsThereAndViceVersa(t *testing.T) {
	t.Parallel()
	for name, values := range sets(t) {
		out, err := render(chartDir(root), release{values: values})
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range out.objects {
			p, ok, err := podOf(o)
			if !ok || err != nil {
				continue
			}
			volumes, mounts := map[string]bool{}, map[string]bool{}
			for _, v := range p.spec.Volumes {
				volumes[v.Name] = true
				if ref := localSource(v); ref != "" && strings.HasPrefix(ref, "ConfigMap/hogcast-worker") && !out.has("ConfigMap", "hogcast-worker") {
					t.Errorf("%s: %s mounts %s, which is not there", name, o.id(), ref)
				}
			}
			for _, c := range p.spec.Containers {
				for _, m := range c.VolumeMounts {
					mounts[m.Name] = true
					if !m.ReadOnly {
						t.Errorf("%s: %s mounts %s to write to", name, o.id(), m.Name)
					}
				}
			}
			for v := range volumes {
				if !mounts[v] {
					t.Errorf("%s: %s: the volume %s is not mounted", name, o.id(), v)
				}
			}
			for m := range mounts {
				if !volumes[m] {
					t.Errorf("%s: %s: the mount %s has no volume", name, o.id(), m)
				}
			}
		}
	}
}

func localSource(v corev1.Volume) string {
	switch {
	case v.ConfigMap != nil:
		return "ConfigMap/" + v.ConfigMap.Name
	case v.Secret != nil:
		return "Secret/" + v.Secret.SecretName
	}
	return ""
}

func TestSecretsStandNowhereButInSecrets(t *testing.T) {
	t.Parallel()
	const canary = "canary-7f3a"
	for _, values := range []string{
		"nats: {auth: {type: token, values: {token: " + canary + "}}}",
		"nats: {auth: {type: userPassword, values: {user: u, password: " + canary + "}}}",
		"nats: {auth: {type: creds, values: {creds: " + canary + "}}}",
		"nats: {auth: {type: nkey, values: {nkey: " + canary + "}}}",
		"destinations: {from: values, values: [{tenant: a, api_key: " + canary + "}]}",
	} {
		out := with(t, values)
		found := false
		for _, o := range out.objects {
			if !strings.Contains(o.text, canary) {
				continue
			}
			if found = true; o.kind() != "Secret" {
				t.Errorf("%s holds it", o.id())
			}
		}
		if !found || strings.Contains(out.notes, canary) {
			t.Errorf("%s: found in a Secret %t, in the notes %t", values, found, strings.Contains(out.notes, canary))
		}
	}
}

func TestTheSetUpRunsBeforeWhatNeedsIt(t *testing.T) {
	t.Parallel()
	out := with(t, "setup: {replicas: 5, shards: 4, storageBytes: 100GiB, extraArgs: [--timeout=1m]}")
	job := out.find(t, "Job", "hogcast-setup")
	if got := job.str("metadata", "annotations", "helm.sh/hook"); got != "pre-install,pre-upgrade" {
		t.Errorf("hook: got %q", got)
	}
	p, _, err := podOf(job)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := p.spec.Containers[0].Args, []string{"setup", "--replicas=5", "--shards=4", "--storage-bytes=100GiB", "--timeout=1m"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	// Before an install nothing of the release is there: what the hook needs is a hook, too, and comes first.
	for _, o := range out.objects {
		if o.name() == "hogcast-setup" && o.kind() != "Job" && o.str("metadata", "annotations", "helm.sh/hook-weight") != "-10" {
			t.Errorf("%s is not there before the hook", o.id())
		}
	}
	if p.spec.ServiceAccountName != "hogcast-setup" || !out.has("ServiceAccount", "hogcast-setup") {
		t.Errorf("its account is %s", p.spec.ServiceAccountName)
	}
}

func TestTheSetUpIsAJobWhereTheReleaseMakesTheSecretItNeeds(t *testing.T) {
	t.Parallel()
	name := func(values string) string {
		for _, o := range with(t, values).objects {
			if o.kind() == "Job" {
				if o.at("metadata", "annotations") != nil {
					t.Errorf("%s is a hook", o.id())
				}
				return o.name()
			}
		}
		t.Fatal("no Job")
		return ""
	}
	token := "nats: {auth: {type: token, values: {token: a}}}"
	first := name("{" + token + "}")
	if !strings.HasPrefix(first, "hogcast-setup-") {
		t.Errorf("its name is %s", first)
	}
	if name("{"+token+", replicaCount: 7}") != first {
		t.Error("a change that is not its own gives it another name")
	}
	if name("{"+token+", setup: {replicas: 1}}") == first || name("{"+token+", image: {tag: 9.9.9}}") == first {
		t.Error("its template changes and its name does not, though a Job can't be changed")
	}
}

func TestTheTestHookRunsTheDoctor(t *testing.T) {
	t.Parallel()
	o := with(t, "test: {extraArgs: [--json], monitoringURLs: ['http://a:8222', 'http://b:8222', 'https://c']}").find(t, "Pod", "hogcast-doctor")
	var args, command []string
	p, _, err := podOf(o)
	if err != nil {
		t.Fatal(err)
	}
	command, args = p.spec.Containers[0].Command, p.spec.Containers[0].Args
	if o.str("metadata", "annotations", "helm.sh/hook-delete-policy") != "before-hook-creation" {
		t.Error("it is gone before `helm test --logs` reads its log")
	}
	if o.str("metadata", "annotations", "helm.sh/hook") != "test" || command[0] != "hogcast" || !slices.Equal(args, []string{
		"doctor", "--worker-config=/etc/hogcast/config/worker.yaml", "--monitoring-url=http://a:8222,http://b:8222,https://c", "--json",
	}) {
		t.Errorf("%q %q, %v", command, args, o.at("metadata", "annotations"))
	}
}

// egress are the rules of the workers' policy.
func egress(t *testing.T, values string) []networkingv1.NetworkPolicyEgressRule {
	t.Helper()
	var spec networkingv1.NetworkPolicySpec
	if err := with(t, values).find(t, "NetworkPolicy", "hogcast-worker").into(&spec, "spec"); err != nil {
		t.Fatal(err)
	}
	return spec.Egress
}

func TestThePolicyLetsOutToPublicAddressesAlone(t *testing.T) {
	t.Parallel()
	rules := egress(t, "worker: {egressAllow: [10.1.2.3, 10.2.0.0/16, 'fd00::1']}")
	var open, allowed []string
	for _, rule := range rules {
		for _, to := range rule.To {
			if to.IPBlock == nil {
				continue
			}
			switch {
			case strings.HasSuffix(to.IPBlock.CIDR, "/0"):
				open = append(open, to.IPBlock.CIDR)
				if len(rule.Ports) != 1 || rule.Ports[0].Port.IntValue() != 443 {
					t.Errorf("ports: %v", rule.Ports)
				}
				for _, private := range map[string][]string{
					"0.0.0.0/0": {"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "100.64.0.0/10", "127.0.0.0/8"},
					"::/0":      {"fc00::/7", "fe80::/10"},
				}[to.IPBlock.CIDR] {
					if !slices.Contains(to.IPBlock.Except, private) {
						t.Errorf("%s does not leave out %s", to.IPBlock.CIDR, private)
					}
				}
			case len(rule.Ports) == 0:
				allowed = append(allowed, to.IPBlock.CIDR)
			}
		}
	}
	if !slices.Equal(open, []string{"0.0.0.0/0", "::/0"}) || !slices.Equal(allowed, []string{"10.1.2.3/32", "10.2.0.0/16", "fd00::1/128"}) {
		t.Errorf("open: %v; allowed: %v", open, allowed)
	}
}

func TestThePolicyKnowsNATSsPorts(t *testing.T) {
	t.Parallel()
	for values, want := range map[string][]int{
		"":                      {4222},
		"nats: {url: nats://a}": {4222},
		"nats: {url: 'tls://u@a:4443,nats://b:4222'}":                      {4443, 4222},
		"nats: {url: ['nats://[::1]:7', 'wss://h/x']}":                     {7, 443},
		"nats: {url: 'ws://h,ws://h:8080,tls://h'}":                        {80, 8080, 4222},
		"{nats: {url: 'nats://a:1'}, networkPolicy: {nats: {ports: [9]}}}": {9},
	} {
		var got []int
		for _, port := range egress(t, values)[1].Ports {
			got = append(got, port.Port.IntValue())
		}
		if !slices.Equal(got, want) {
			t.Errorf("%q: got %v, want %v", values, got, want)
		}
	}
}

func TestAnAlertCanBeLeftOutAndLabelled(t *testing.T) {
	t.Parallel()
	alerts := func(values string) map[string]map[string]any {
		out := map[string]map[string]any{}
		groups, _ := with(t, values).find(t, "PrometheusRule", "hogcast").at("spec", "groups").([]any)
		for _, g := range groups {
			rules, _ := object{content: g.(map[string]any)}.at("rules").([]any)
			for _, r := range rules {
				rule, _ := r.(map[string]any)
				if name, ok := rule["alert"].(string); ok {
					out[name] = rule
				}
			}
		}
		return out
	}
	have := alerts("prometheusRule: {enabled: true, alertLabels: {team: x}}")
	files, _ := filepath.Glob(filepath.Join(chartDir(root), "files/prometheus/*.yaml")) // no pattern is wrong here
	if len(files) == 0 {
		t.Skip("no alerts yet")
	}
	if len(have) == 0 {
		t.Fatal("no alerts")
	}
	for name, rule := range have {
		if (object{content: rule}).str("labels", "team") != "x" {
			t.Errorf("%s has not the label", name)
		}
		less := alerts("prometheusRule: {enabled: true, disabled: [" + name + "]}")
		if _, still := less[name]; still || len(less) != len(have)-1 {
			t.Errorf("%s is not left out alone", name)
		}
		break
	}
}

func TestTheAlertsKnowTheReleasesAutoscaler(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{"fleet": `horizontalpodautoscaler=~"fleet-worker"`, "hogcast-eu": `horizontalpodautoscaler=~".*hogcast.*"`} {
		out := with(t, "{fullnameOverride: "+name+", prometheusRule: {enabled: true}, autoscaling: {enabled: true}}")
		if got := out.find(t, "ScaledObject", name+"-worker").str("spec", "advanced", "horizontalPodAutoscalerConfig", "name"); got != name+"-worker" {
			t.Errorf("the autoscaler is called %s", got)
		}
		if text := out.find(t, "PrometheusRule", name).text; !strings.Contains(text, want) {
			t.Errorf("%s: no alert asks for %s", name, want)
		}
	}
}

func TestDashboardsComeOutAsTheyAre(t *testing.T) {
	t.Parallel()
	files, _ := filepath.Glob(filepath.Join(chartDir(root), "files/grafana/*.json")) // no pattern is wrong here
	out := with(t, "dashboards: {enabled: true}")
	for _, file := range files {
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		name := strings.TrimSuffix(filepath.Base(file), ".json")
		got := out.find(t, "ConfigMap", "hogcast-"+strings.TrimPrefix(name, "hogcast-"))
		if text := got.str("data", filepath.Base(file)); strings.TrimSpace(text) != strings.TrimSpace(string(want)) || !json.Valid([]byte(text)) {
			t.Errorf("%s is changed by the chart", name)
		}
	}
}

func TestTheConfigurationIsYAMLThatKeepsTheUsersWord(t *testing.T) {
	t.Parallel()
	out := with(t, "worker: {window: 32MiB, config: {window: 48MiB, main-lane-max: 9s, otlp: {headers: x}}}")
	config := map[string]any{}
	text := out.find(t, "ConfigMap", "hogcast-worker").str("data", "worker.yaml")
	if err := yaml.UnmarshalStrict([]byte(text), &config); err != nil {
		t.Fatal(err)
	}
	if config["window"] != "48MiB" || config["main-lane-max"] != "9s" || config["main_lane_max"] != nil || !bytes.Contains([]byte(text), []byte("headers: x")) {
		t.Errorf("got\n%s", text)
	}
}
