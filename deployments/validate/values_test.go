package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// What is wrong has to be said with the value's name and what to do.
func TestWrongValuesGiveErrorsThatMend(t *testing.T) {
	t.Parallel()
	for values, want := range map[string]string{
		"replicas: 3":                               "replicas",
		"worker: {windwo: 1MiB}":                    "windwo",
		"worker: {window: much}":                    "window",
		"worker: {drainTimeout: 20}":                "drainTimeout",
		"worker: {drainTimeout: soon}":              "drainTimeout",
		"worker: {egressAllow: [posthog.internal]}": "egressAllow",
		"worker: {log: {level: loud}}":              "level",
		"image: {tag: latest}":                      "image.tag: latest is no version",
		"image: {digest: sha256:12}":                "digest",
		"setup: {replicas: 2}":                      "replicas",
		"setup: {shards: 0}":                        "shards",
		"replicaCount: -1":                          "replicaCount",
		"port: 99999":                               "port",
		"nats: {url: ''}":                           "nats.url: missing",
		"nats: {auth: {type: password}}":            "type",
		"nats: {auth: {type: creds}}":               "type creds takes exactly one of existingSecret, values and externalSecret; 0 are given",
		"nats: {auth: {existingSecret: a}}":         "nats.auth.type: none, and yet there is a Secret",
		"nats: {auth: {type: token, existingSecret: a, values: {token: b}}}":            "exactly one of existingSecret, values and externalSecret; 2 are given",
		"nats: {auth: {type: token, values: {user: b}}}":                                "nats.auth.values.token: missing",
		"nats: {auth: {type: userPassword, values: {user: b}}}":                         "nats.auth.values.password: missing",
		"nats: {tls: {ca: {secret: a, configMap: b}}}":                                  "nats.tls.ca: configMap and secret are both given",
		"nats: {auth: {type: token, values: {token: b}}, tls: {}}\nsetup: {mode: hook}": "setup.mode: hook runs before the release's own Secret",
		"destinations: {from: configMap}":                                               "destinations.existing: missing",
		"destinations: {from: secret}":                                                  "destinations.existing: missing",
		"destinations: {from: values}":                                                  "destinations.values: empty",
		"destinations: {values: [{tenant: a}]}":                                         "destinations.values: given, but destinations.from is kv",
		"destinations: {from: values, values: [{name: a}]}":                             "tenant",
		"destinations: {externalSecret: {data: [{}]}}":                                  "destinations.externalSecret: given; it goes with `from: secret`",
		"destinations: {from: secret, externalSecret: {data: [{}]}}":                    "externalSecrets.secretStoreRef.name: missing",
		"keyRing: {existingSecret: a, externalSecret: {data: [{}]}}":                    "keyRing: existingSecret and externalSecret are both given",
		"worker: {traces: {enabled: true}}":                                             "worker.traces.endpoint: missing",
		"worker: {window: 300MiB}":                                                      "worker.window: 314572800 bytes is more than 40 % of resources.limits.memory, 536870912",
		"terminationGracePeriodSeconds: 20":                                             "terminationGracePeriodSeconds: 20 is less than preStopSleepSeconds + worker.drainTimeout + 10 s, 35",
		"resources: {requests: {cpu: lots}}":                                            "cpu",
		"resources: {limts: {cpu: 1}}":                                                  "limts",
		"autoscaling: {enabled: true, minReplicas: 5, maxReplicas: 3}":                  "autoscaling.minReplicas: 5 is more than maxReplicas, 3",
		"autoscaling: {enabled: true, keda: {lagThreshold: 1000}}":                      "autoscaling.keda.lagThreshold: 1000 is less than what one worker may have in hand, 43691",
		"autoscaling: {enabled: true, keda: {trigger: prometheus}}":                     "autoscaling.keda.prometheus.serverAddress: missing",
		"publisher: {enabled: true}":                                                    "publisher.enabled: hogcast 0.1.0 has no such server yet",
		"console: {enabled: true}":                                                      "console.enabled: hogcast 0.1.0 has no such server yet",
		"publisher: {enabled: true, args: [x], ingress: {enabled: true}}":               "publisher.ingress.hosts: missing",
		"publisher: {enabled: true, args: [x], httpRoute: {enabled: true}}":             "publisher.httpRoute.parentRefs: missing",
		"networkPolicy: {https: {ports: ['443']}}":                                      "ports",
		"extraEnvs: {A: b}":                                                             "extraEnvs",
		"podDisruptionBudget: {maxUnavailable: some}":                                   "maxUnavailable",
		"fullnameOverride: My_Release":                                                  "fullnameOverride",
		"namespaceOverride: a.b":                                                        "namespaceOverride",
		"commonLabels: {team: a b}":                                                     "commonLabels",
		"image: {repository: 'a/b:1'}":                                                  "image.repository: a/b:1 has a tag; that goes into image.tag",
		"resources: {limits: {memory: 512m}}":                                           "512m is thousandths of a byte; write M or Mi",
		"resources: {requests: {memory: 512m}}":                                         "512m is thousandths of a byte; write M or Mi",
		"resources: {limits: {memory: 256Mi}}":                                          "resources.requests.memory: 512Mi is more than limits.memory, 256Mi",
		"resources: {limits: {cpu: 0.2}}":                                               "resources.requests.cpu: 250m is more than limits.cpu, 0.2",
		"setup: {resources: {requests: {memory: 1Gi}}}":                                 "setup.resources.requests.memory: 1Gi is more than limits.memory, 128Mi",
		"test: {resources: {limits: {cpu: 10m}}}":                                       "test.resources.requests.cpu: 50m is more than limits.cpu, 10m",
		"{publisher: {enabled: true, args: [x], resources: {limits: {memory: 9Mi}}}}":   "publisher.resources.requests.memory: 256Mi is more than",
		"worker: {drainTimeout: 0s}":                                                    "worker.drainTimeout: 0s leaves no time",
		"worker: {config: {drain: {timeout: 0s}}}":                                      "worker.drainTimeout: 0s leaves no time",
		"{resources: {limits: {memory: 128Mi}}, worker: {window: 45MiB}}":               "is less than worker.window and the 88 MiB",
		"strategy: {rollingUpdate: {maxUnavailable: 0, maxSurge: 0%}}":                  "maxUnavailable and maxSurge are both 0",
		"worker: {config: {listen: '127.0.0.1:8080'}}":                                  "worker.config: listen: 127.0.0.1:8080 is not where probes",
		"worker: {config: {listen: '-'}}":                                               "worker.config: listen: -",
		"worker: {config: {drain: {timeout: 40}}}":                                      "worker.drainTimeout: \"40\" is no duration",
		"worker: {config: {nats: {url: 'nats://x'}}}":                                   "worker.config: nats_url: set-up and doctor connect, too",
		"extraEnvs: [{name: HOGCAST_DRAIN_TIMEOUT, value: 60s}]":                        "extraEnvs: HOGCAST_DRAIN_TIMEOUT would be overlooked by what the chart computes from it; set worker.drainTimeout",
		"extraEnvs: [{name: HOGCAST_EGRESS_ALLOW, value: 10.0.0.0/8}]":                  "set worker.egressAllow",
		"extraArgs: [--window=1GiB]":                                                    "extraArgs: --window would be overlooked",
		"extraArgs: [--listen, ':9']":                                                   "set port",
		"{autoscaling: {enabled: true, keda: {extraTriggers: [{type: cron, metadata: {}}]}}, setup: {shards: 2}}": "would overlook the trigger cron",
	} {
		t.Run(values, func(t *testing.T) {
			t.Parallel()
			_, err := tryWith(t, values)
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("got %v, want …%s…", err, want)
			}
		})
	}
}

type schemaNode struct {
	Ref        string                `json:"$ref"`
	Type       any                   `json:"type"`
	Properties map[string]schemaNode `json:"properties"`
	Additional any                   `json:"additionalProperties"`
	Items      *schemaNode           `json:"items"`

	Definitions map[string]schemaNode `json:"definitions"`
}

func readSchema(t *testing.T) schemaNode {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(chartDir(root), "values.schema.json"))
	if err != nil {
		t.Fatal(err)
	}
	var schema schemaNode
	if err := json.Unmarshal(text, &schema); err != nil {
		t.Fatal(err)
	}
	return schema
}

// A value without a schema is taken in any spelling; one in the schema alone is
// documented nowhere.
func TestTheSchemaAndTheValuesNameTheSameKeys(t *testing.T) {
	t.Parallel()
	schema := readSchema(t)
	values, err := readValues(filepath.Join(chartDir(root), "values.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var compare func(path string, node schemaNode, value any)
	compare = func(path string, node schemaNode, value any) {
		if name, ok := strings.CutPrefix(node.Ref, "#/definitions/"); ok {
			if len(schema.Definitions[name].Properties) > 0 && name != "externalSecret" {
				return // a type with keys that have no default
			}
			node = schema.Definitions[name]
		}
		m, isMap := value.(map[string]any)
		if !isMap || node.Properties == nil {
			return
		}
		if node.Additional != false {
			t.Errorf("%s takes unknown keys", path)
		}
		for _, key := range slices.Sorted(maps.Keys(m)) {
			child, ok := node.Properties[key]
			if !ok {
				t.Errorf("%s.%s is not in the schema", path, key)
				continue
			}
			compare(path+"."+key, child, m[key])
		}
		for _, key := range slices.Sorted(maps.Keys(node.Properties)) {
			if _, ok := m[key]; !ok && !optional(path, key) {
				t.Errorf("%s.%s is not in values.yaml", path, key)
			}
		}
	}
	compare("", schema, values)
}

// optional keys have no default.
func optional(path, key string) bool {
	return path == "" && (key == "global" || key == "enabled") || path == ".nats.auth.values" || path == ".affinity" || path == ".dnsConfig"
}

func TestEveryValueOfTheChartsOwnIsExplained(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join(chartDir(root), "values.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(text), "\n")
	for i, line := range lines {
		key, _, ok := strings.Cut(line, ":")
		if !ok || key == "" || strings.ContainsAny(key[:1], " #-") {
			continue
		}
		above, below := lines[i-1], lines[min(i+1, len(lines)-1)]
		if !strings.HasPrefix(above, "#") && !strings.HasPrefix(strings.TrimSpace(below), "#") {
			switch key {
			case "externalSecrets", "worker", "nats", "setup", "test", "console", "publisher", "podDisruptionBudget":
			default:
				t.Errorf("values.yaml:%d: %s has no comment", i+1, key)
			}
		}
	}
}

func TestTheChartsVersionIsTheProducts(t *testing.T) {
	t.Parallel()
	source, err := os.ReadFile(filepath.Join(root, "pkg/mapping/map.go"))
	if err != nil {
		t.Fatal(err)
	}
	chart, err := os.ReadFile(filepath.Join(chartDir(root), "Chart.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(chart), "\nappVersion: ")
	version, _, _ := strings.Cut(rest, "\n")
	if !strings.Contains(string(source), fmt.Sprintf("LibVersion = %q", version)) {
		t.Errorf("Chart.yaml has the appVersion %s, pkg/mapping another LibVersion", version)
	}
}
