package posthog

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hogcast/hogcast/pkg/destination"
	"github.com/hogcast/hogcast/pkg/outcome"
	"github.com/hogcast/hogcast/pkg/sandbox"
	"github.com/hogcast/hogcast/test/golden"
)

const (
	usKey    = "phc_of_the_us_cloud_0123456789"
	euKey    = "phc_of_the_eu_cloud_0123456789"
	nobodys  = "phc_that_nobody_knows_01234567"
	ownKey   = "phc_of_a_posthog_of_ones_own_1"
	ownHost  = "https://posthog.example.com"
	tenSteps = 10 * time.Second
)

// clouds are PostHog's two regions and one of somebody's own, each under its
// name, behind a proxy that sees who is asked.
type clouds struct {
	us, eu, own *sandbox.Server
	proxy       *sandbox.Proxy
}

func newClouds(t *testing.T, own sandbox.Config) *clouds {
	t.Helper()
	own.KnownKeys = []string{ownKey}
	c := &clouds{
		us:  sandbox.New(sandbox.Config{KnownKeys: []string{usKey}}),
		eu:  sandbox.New(sandbox.Config{KnownKeys: []string{euKey}}),
		own: sandbox.New(own),
	}
	c.proxy = newProxyServer(t, map[string]http.Handler{"us.i.posthog.com": c.us, "eu.i.posthog.com": c.eu, "posthog.example.com": c.own})
	t.Cleanup(func() { _, _, _ = c.us.Close(), c.eu.Close(), c.own.Close() })
	return c
}

func (c *clouds) sender(t *testing.T) *Sender {
	t.Helper()
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM([]byte(c.proxy.CA()))
	return newSender(t, through(t, c.proxy), func(cfg *Config) {
		cfg.RootCAs, cfg.EgressProxyResolves, cfg.RequestTimeout = roots, true, 2*time.Second
	})
}

func (c *clouds) events() int { return c.us.Count() + c.eu.Count() + c.own.Count() }

// connectionCase is one test of a connection and what is to come of it.
type connectionCase struct {
	name          string
	endpoint, key string
	own           sandbox.Config
	faults        func(*clouds)
	change        func(*destination.Destination)

	want    StepResult
	results string // of form, key, event, path, by their first letters
	events  int    // taken by anybody
	asked   []string
}

func connectionCases() []connectionCase {
	on := func(path string, fault sandbox.Fault) func(*clouds) {
		return func(c *clouds) { c.own.Always(sandbox.Match{Path: path}, fault) }
	}
	own, us, eu := []string{"posthog.example.com:443"}, []string{"us.i.posthog.com:443"}, []string{"eu.i.posthog.com:443"}
	both := slices.Concat(us, eu)
	const (
		ok, failed, undecided = StepOK, StepFailed, StepUndecided
		flags, v1, batch      = "/flags", "/i/v1/analytics/events", "/batch/"
	)
	pin := func(r destination.Region) func(*destination.Destination) {
		return func(d *destination.Destination) { d.Region = r }
	}
	all := []connectionCase{
		{name: "good", want: ok, results: "oooo", events: 1},
		{name: "good, in the US", endpoint: destination.EndpointUS, key: usKey, want: ok, results: "oooo", events: 1, asked: us},
		{name: "good, in the EU", endpoint: destination.EndpointEU, key: euKey, want: ok, results: "oooo", events: 1, asked: eu},
		{name: "good, pinned", endpoint: destination.EndpointEU, key: euKey, change: pin("eu"), want: ok, results: "oooo", events: 1, asked: eu},
		{name: "good, private, paused and disabled", change: func(d *destination.Destination) { d.PrivacyMode, d.Paused, d.Enabled = true, true, false }, want: ok, results: "oooo", events: 1},
		{name: "good, v1 is not served", own: sandbox.Config{DisableV1: true}, want: ok, results: "oooo", events: 1},
		{name: "good, the older answer of flags", own: sandbox.Config{OldFlags: true}, want: ok, results: "oooo", events: 1},
		{name: "good, decide alone", own: sandbox.Config{DisableFlags: true, DisableV1: true}, want: ok, results: "oooo", events: 1},
		{name: "good, its flags over quota", own: sandbox.Config{OverQuota: map[string]sandbox.Quota{ownKey: sandbox.QuotaFlags}}, want: ok, results: "oooo", events: 1},
		{name: "good, with a warning", own: sandbox.Config{PersonProcessingOff: []string{ownKey}}, want: ok, results: "oooo", events: 1},

		{name: "a key of the EU in the US", endpoint: destination.EndpointUS, key: euKey, want: failed, results: "ofss", asked: both},
		{name: "a key of the US in the EU", endpoint: destination.EndpointEU, key: usKey, want: failed, results: "ofss", asked: slices.Concat(eu, us)},
		{name: "a key that no cloud knows", endpoint: destination.EndpointUS, key: nobodys, want: failed, results: "ofss", asked: both},
		{name: "a key of the EU, pinned to the US", endpoint: destination.EndpointUS, key: euKey, change: pin("us"), want: failed, results: "ofss", asked: us},
		{name: "a key that the US does not know, and the EU can't be asked", endpoint: destination.EndpointUS, key: euKey, faults: func(c *clouds) { c.eu.Always(sandbox.Match{}, sandbox.Status(503)) }, want: failed, results: "ofss", asked: both},
		{name: "a key of a cloud, at a PostHog of one's own", key: usKey, want: failed, results: "ofss"},
		{name: "decide does not know the key", own: sandbox.Config{DisableFlags: true}, key: nobodys, want: failed, results: "ofss"},

		{name: "a personal key", key: "phx_0123456789", want: failed, results: "fsss", asked: []string{}},
		{name: "a secret key", key: "phs_0123456789", want: failed, results: "fsss", asked: []string{}},
		{name: "no key", key: " ", want: failed, results: "fsss", asked: []string{}},
		{name: "an endpoint with a path", endpoint: ownHost + "/batch", want: failed, results: "fsss", asked: []string{}},
		{name: "a pin to the other region", endpoint: destination.EndpointUS, key: usKey, change: pin("eu"), want: failed, results: "fsss", asked: []string{}},

		{name: "flags: rate limited", faults: on(flags, sandbox.Status(429)), want: undecided, results: "ouoo", events: 1},
		{name: "flags: 500", faults: on(flags, sandbox.Status(500)), want: undecided, results: "ouoo", events: 1},
		{name: "flags: 501", faults: on(flags, sandbox.Status(501)), want: undecided, results: "ouoo", events: 1},
		{name: "flags: 503", faults: on(flags, sandbox.Status(503)), want: undecided, results: "ouoo", events: 1},
		{name: "flags: silence", faults: on(flags, sandbox.Hang()), want: undecided, results: "ouss"},
		{name: "flags: reset", faults: on(flags, sandbox.Reset()), want: undecided, results: "ouss"},
		{name: "flags: half an answer", faults: on(flags, sandbox.ResetBody()), want: undecided, results: "ouoo", events: 1},
		{name: "flags: neither path", own: sandbox.Config{DisableFlags: true, DisableDecide: true}, want: undecided, results: "ouoo", events: 1},
		{name: "flags: 403", faults: on(flags, sandbox.Status(403)), want: failed, results: "ofss"},
		{name: "flags: 400", faults: on(flags, sandbox.Status(400)), want: failed, results: "ofss"},
		{name: "flags: a page", faults: on(flags, sandbox.Body(200, "text/html", "<html>Welcome to nginx")), want: failed, results: "ofss"},
		{name: "flags: an empty 200", faults: on(flags, sandbox.Body(200, "application/json", "")), want: failed, results: "ofss"},
		{name: "flags: another's JSON", faults: on(flags, sandbox.Body(200, "application/json", `{"ok":true}`)), want: failed, results: "ofss"},
		{name: "flags: flags that are none", faults: on(flags, sandbox.Body(200, "application/json", `{"flags":null}`)), want: failed, results: "ofss"},
		{name: "flags: a list", faults: on(flags, sandbox.Body(200, "application/json", `[{"flags":{}}]`)), want: failed, results: "ofss"},
		{name: "flags: 204", faults: on(flags, sandbox.Status(204)), want: failed, results: "ofss"},
		{name: "flags: a redirect", faults: on(flags, sandbox.Redirect(301, "https://us.i.posthog.com/flags?v=2&token=phc_secret")), want: failed, results: "ofss"},
		{name: "flags: a redirect that keeps the method", faults: on(flags, sandbox.Redirect(308, "http://169.254.169.254/")), want: failed, results: "ofss"},
		{name: "flags: somebody else's 401", faults: on(flags, sandbox.Status(401).Header("WWW-Authenticate", `Basic realm="office"`)), want: failed, results: "ofss"},
		{name: "flags: an echo of the key", faults: on(flags, sandbox.Body(418, "text/plain", "bad "+ownKey)), want: failed, results: "ofss"},

		{name: "event: over its quota of AI events", own: sandbox.Config{OverQuota: map[string]sandbox.Quota{ownKey: sandbox.QuotaLLM}}, want: failed, results: "oofs"},
		{name: "event: over every quota", own: sandbox.Config{OverQuota: map[string]sandbox.Quota{ownKey: sandbox.QuotaRefused}}, want: failed, results: "oofs"},
		{name: "event: restricted", faults: on(v1, sandbox.Drop("event_restriction_drop")), want: failed, results: "oofs"},
		{name: "event: to be sent again", faults: on(v1, sandbox.Retry()), want: undecided, results: "oous"},
		{name: "event: no verdict", faults: on(v1, sandbox.NoVerdict()), want: undecided, results: "oous"},
		{name: "event: a word that nobody knows", faults: on(v1, sandbox.Verdict("perhaps", "")), want: failed, results: "oofs"},
		{name: "event: a page", faults: on(v1, sandbox.Body(200, "text/html", "<html>")), want: failed, results: "oofs"},
		{name: "event: rate limited", faults: on(v1, sandbox.Status(429)), want: undecided, results: "oous"},
		{name: "event: 500", faults: on(v1, sandbox.Status(500)), want: undecided, results: "oous"},
		{name: "event: 501", faults: on(v1, sandbox.Status(501)), want: undecided, results: "oous"},
		{name: "event: silence", faults: on(v1, sandbox.Hang()), want: undecided, results: "oous"},
		{name: "event: 400", faults: on(v1, sandbox.Status(400)), want: failed, results: "oofs"},
		{name: "event: a redirect", faults: on(v1, sandbox.Redirect(307, "https://elsewhere.example.com/x")), want: failed, results: "oofs"},
		{name: "event: neither path", own: sandbox.Config{DisableV1: true, DisableBatch: true}, want: failed, results: "oofs"},
		{name: "event: v1 wanted and not served", own: sandbox.Config{DisableV1: true}, change: func(d *destination.Destination) { d.Protocol = destination.V1 }, want: failed, results: "oofs"},
		{name: "event: batch wanted", change: func(d *destination.Destination) { d.Protocol = destination.Batch }, want: ok, results: "oooo", events: 1},
		{name: "event: batch says something else", own: sandbox.Config{DisableV1: true}, faults: on(batch, sandbox.Body(200, "text/html", "<html>")), want: failed, results: "oofs"},
	}
	for i := range all {
		c := &all[i]
		if c.endpoint == "" {
			c.endpoint = ownHost
		}
		if c.key == "" {
			c.key = ownKey
		}
		if c.asked == nil {
			c.asked = own
		}
	}
	return all
}

// run makes the case's test and checks all but its words.
func (c connectionCase) run(t *testing.T) *ConnectionTest {
	t.Helper()
	net := newClouds(t, c.own)
	if c.faults != nil {
		c.faults(net)
	}
	d := destinationAt(c.endpoint, destination.Auto)
	d.APIKey = destination.NewSecret(strings.TrimSpace(c.key))
	if c.change != nil {
		c.change(d)
	}
	got := net.sender(t).TestConnection(t.Context(), d)
	if got.Result != c.want || got.Passed() != (c.want == StepOK) {
		t.Errorf("%s: got %s, want %s", c.name, got.Result, c.want)
	}
	letters := ""
	for _, step := range got.Steps {
		letters += string(step.Result[0])
		if step.What == "" || (step.Result == StepFailed || step.Result == StepUndecided) && step.Mend == "" {
			t.Errorf("%s: %s says not enough: %+v", c.name, step.Name, step)
		}
	}
	if letters != c.results || net.events() != c.events {
		t.Errorf("%s: got %s and %d events, want %s and %d", c.name, letters, net.events(), c.results, c.events)
	}
	asked := slices.Compact(net.proxy.Asked()) // a broken connection is made again
	if diff := cmp.Diff(c.asked, slices.Clip(append([]string{}, asked...))); diff != "" {
		t.Errorf("%s: asked (-want +got):\n%s", c.name, diff)
	}
	if (got.Path != "") != (letters[3] == 'o') || (got.Note == AcceptedNotStored) != got.Passed() {
		t.Errorf("%s: path %q, note %q", c.name, got.Path, got.Note)
	}
	text, err := json.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}
	if key := d.APIKey.Reveal(); key != "" && strings.Contains(string(text), key) || strings.Contains(string(text), "phc_secret") {
		t.Errorf("%s: the report holds a key: %s", c.name, text)
	}
	return got
}

func TestAConnectionsTestTellsWhatIsWrongAndHowToMendIt(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	for _, c := range connectionCases() {
		got := c.run(t)
		fmt.Fprintf(&b, "## %s: %s\n", c.name, got.Result)
		for _, step := range got.Steps {
			if step.Result == StepSkipped {
				continue
			}
			fmt.Fprintf(&b, "%-9s %-5s %s\n", step.Result, step.Name, step.What)
			if step.Mend != "" {
				fmt.Fprintf(&b, "          mend: %s\n", step.Mend)
			}
		}
		b.WriteString("\n")
	}
	golden.Check(t, "testdata/connection.golden", b.String())
}

func TestAConnectionsTestTellsOfTLSAddressesAndNames(t *testing.T) {
	t.Parallel()
	closed := newServer(t, allOK)
	closed.Close()
	resolver := resolverOf(t, zone{})
	for name, c := range map[string]struct {
		endpoint string
		allow    bool
		result   StepResult
		cause    outcome.Cause
		want     string
	}{
		"an authority that nobody knows": {secureServer(t).URL, true, StepFailed, outcome.TLS, "give the certificate authority"},
		"an address that is refused":     {"https://10.0.0.7", false, StepFailed, outcome.EgressRefused, "--egress-allow 10.0.0.7/32"},
		"plain http":                     {"http://8.8.8.8", false, StepFailed, outcome.EgressRefused, "plain http"},
		"a name that nobody has":         {"https://posthog.example.test", false, StepFailed, outcome.Connection, "check the endpoint's name"},
		"nobody at home":                 {closed.URL, true, StepUndecided, outcome.Connection, "refused"},
	} {
		s := newSender(t, func(cfg *Config) {
			cfg.Resolver = resolver
			if !c.allow {
				cfg.EgressAllow = nil
			}
		})
		got := s.TestConnection(t.Context(), destinationAt(c.endpoint, destination.Auto))
		step := got.Steps[1]
		if got.Result != c.result || step.Result != c.result || step.Cause != c.cause || !strings.Contains(step.What+step.Mend, c.want) {
			t.Errorf("%s: got %s, %+v", name, got.Result, step)
		}
	}
}

func TestAConnectionsTestEndsInItsTime(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]string{"a body that drips": "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n", "a header that drips": "HTTP/1.1 200 OK\r\nX: "} {
		srv := newRawServer(t, drip(answer, "x"))
		s := newSender(t, func(c *Config) { c.RequestTimeout = 300 * time.Millisecond })
		began := time.Now()
		got := s.TestConnection(t.Context(), destinationAt(srv.endpoint, destination.Auto))
		if got.Result != StepUndecided || time.Since(began) > tenSteps {
			t.Errorf("%s: got %s after %s", name, got.Result, time.Since(began))
		}
	}
	srv := newRawServer(t, endless("HTTP/1.1 200 OK\r\n\r\n", strings.Repeat("x", 1<<10)))
	if got := newSender(t).TestConnection(t.Context(), destinationAt(srv.endpoint, destination.Auto)); got.Result != StepFailed {
		t.Errorf("an endless body: got %+v", got.Steps[1])
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	s := newSender(t)
	if got := s.TestConnection(ended, destinationAt(srv.endpoint, destination.Auto)); got.Passed() {
		t.Error("a test without time is passed")
	}
	s.Close()
	if got := s.TestConnection(t.Context(), destinationAt(srv.endpoint, destination.Auto)); got.Result != StepUndecided {
		t.Errorf("a closed sender: got %+v", got)
	}
}

func TestTheTestEventPollutesLittleAndCanBeRecognised(t *testing.T) {
	t.Parallel()
	for _, protocol := range []destination.Protocol{destination.V1, destination.Batch} {
		taken := make(chan sandbox.Taken, 10)
		net := newClouds(t, sandbox.Config{Strict: true, OnEvent: func(e sandbox.Taken) { taken <- e }})
		d := destinationAt(ownHost, protocol)
		d.APIKey = destination.NewSecret(ownKey)
		s := net.sender(t)
		if got := s.TestConnection(t.Context(), d); !got.Passed() || got.Look != ownHost+"/activity/explore" {
			t.Fatalf("got %+v", got)
		}
		e := <-taken
		var props map[string]any
		if err := json.Unmarshal(e.Properties, &props); err != nil {
			t.Fatal(err)
		}
		want := map[string]any{
			"$ai_trace_id": "hogcast-connection-test", "$ai_metric_name": "hogcast_connection_test", "$ai_metric_value": "1",
			"hogcast_test": "connection", "$ai_lib": "hogcast", "$ai_lib_version": "1.2.3", "$process_person_profile": false,
		}
		for name, value := range want {
			if props[name] != value {
				t.Errorf("%s: %s is %v, want %v", protocol, name, props[name], value)
			}
		}
		if e.Event != "$ai_metric" || e.DistinctID != "hogcast-test" || e.APIKey != ownKey || len(taken) != 0 {
			t.Errorf("%s: got %+v and %d more", protocol, e, len(taken))
		}
	}
}

func TestATestTraceHasTwoSpansAndIsToBeSeen(t *testing.T) {
	t.Parallel()
	for endpoint, c := range map[string]struct{ key, look string }{
		destination.EndpointUS: {usKey, "https://us.posthog.com/llm-analytics/traces/"},
		destination.EndpointEU: {euKey, "https://eu.posthog.com/llm-analytics/traces/"},
		ownHost:                {ownKey, ownHost + "/llm-analytics/traces/"},
	} {
		for _, private := range []bool{false, true} {
			net := newClouds(t, sandbox.Config{Strict: true})
			d := destinationAt(endpoint, destination.Auto)
			d.APIKey, d.PrivacyMode = destination.NewSecret(c.key), private
			got := net.sender(t).SendTestTrace(t.Context(), d)
			if !got.Passed() || got.Events != 4 || got.Look != c.look+got.TraceID || got.Path != string(pathV1) {
				t.Errorf("%s: got %+v", endpoint, got)
			}
			checkTrace(t, slices.Concat(net.us.Taken(), net.eu.Taken(), net.own.Taken()), got.TraceID, private)
		}
	}
}

// checkTrace holds the events to a tree: a trace, two spans, a generation.
func checkTrace(t *testing.T, events []sandbox.Taken, traceID string, private bool) {
	t.Helper()
	count := map[string]int{}
	ids := map[any]bool{}
	var all []map[string]any
	for _, e := range events {
		count[e.Event]++
		var props map[string]any
		if err := json.Unmarshal(e.Properties, &props); err != nil {
			t.Fatal(err)
		}
		ids[props["$ai_span_id"]] = true
		all = append(all, props)
		_, content := props["$ai_input"]
		if e.Event == "$ai_generation" && content == private {
			t.Errorf("private %t, content %t", private, content)
		}
	}
	if diff := cmp.Diff(map[string]int{"$ai_trace": 1, "$ai_span": 2, "$ai_generation": 1}, count); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	for _, props := range all {
		parent, has := props["$ai_parent_id"]
		if props["$ai_trace_id"] != traceID || props["hogcast_test"] != "trace" || has && !ids[parent] || props["$process_person_profile"] != false {
			t.Errorf("got %v", props)
		}
	}
}

func TestATestTraceTellsWhatIsWrong(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		fault sandbox.Fault
		key   string
		want  StepResult
		taken int
	}{
		"one is dropped":    {sandbox.Drop("event_restriction_drop").First(1), ownKey, StepFailed, 3},
		"one is sent again": {sandbox.Retry().Every(2), ownKey, StepUndecided, 2},
		"an outage":         {sandbox.Status(503), ownKey, StepUndecided, 0},
		"a wrong key":       {sandbox.OK(), "phx_1", StepFailed, 0},
	} {
		net := newClouds(t, sandbox.Config{})
		net.own.Always(sandbox.Match{}, c.fault)
		d := destinationAt(ownHost, destination.V1)
		d.APIKey = destination.NewSecret(c.key)
		got := net.sender(t).SendTestTrace(t.Context(), d)
		if got.Result != c.want || got.Events != c.taken || got.Mend == "" || got.Look != "" || got.Path != "" {
			t.Errorf("%s: got %+v", name, got)
		}
	}
}

func TestFlagsAreKnownByTheirShape(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]bool{
		`{"flags":{}}`: true, `{"flags":{"a":{"enabled":true}},"errorsWhileComputingFlags":false}`: true,
		`{"featureFlags":{}}`: true, `{"featureFlags":["a"]}`: true, ` {"flags" : {"a":1,"a":2}} `: true,
		`{"flags":[]}`: false, `{"flags":"x"}`: false, `{"featureFlags":null}`: false, `{}`: false, ``: false, `null`: false,
		`{"flags":{}} trailing`: false, `{"flags":{}`: false, `"flags"`: false,
	} {
		if got := hasFlags([]byte(body)); got != want {
			t.Errorf("%s: got %t, want %t", body, got, want)
		}
	}
}
