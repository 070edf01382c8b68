package sandbox_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/posthog/posthog-go"

	"github.com/hogcast/hogcast/pkg/sandbox"
)

// callbacks notes what the SDK says of each event.
type callbacks struct {
	mu   sync.Mutex
	said map[string]error
}

func (c *callbacks) Success(m posthog.APIMessage) { c.note(m, nil) }

func (c *callbacks) Failure(m posthog.APIMessage, err error) { c.note(m, err) }

func (c *callbacks) note(m posthog.APIMessage, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if capture, ok := m.(posthog.CaptureInApi); ok {
		c.said[capture.Uuid] = err
	}
}

// capture sends two events with the real SDK and tells what became of them.
func capture(t *testing.T, s *sandbox.Server, cfg posthog.Config) (a, b string, said map[string]error) {
	t.Helper()
	cb := &callbacks{said: map[string]error{}}
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	cfg.Endpoint, cfg.Callback, cfg.Transport = s.URL(), cb, transport
	cfg.MaxRetries, cfg.Logger = new(int), quiet{}
	c, err := posthog.NewWithConfig(key, cfg)
	if err != nil {
		t.Fatal(err)
	}
	a, b = uuid.NewString(), uuid.NewString()
	for _, id := range []string{a, b} {
		err := c.Enqueue(posthog.Capture{
			Uuid: id, Event: "$ai_generation", DistinctId: "d", Timestamp: time.Now(),
			Properties: posthog.Properties{"$ai_model": "m", "$process_person_profile": false},
		})
		if err != nil {
			t.Error(err)
		}
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	cb.mu.Lock()
	defer cb.mu.Unlock()
	return a, b, cb.said
}

// quiet is a logger for a client whose failures are part of the test.
type quiet struct{}

func (quiet) Debugf(string, ...any) {}
func (quiet) Logf(string, ...any)   {}
func (quiet) Warnf(string, ...any)  {}
func (quiet) Errorf(string, ...any) {}

func TestTheSDKDeliversInBothModes(t *testing.T) {
	t.Parallel()
	v1, legacy := posthog.CaptureModeAnalyticsV1, posthog.CaptureModeLegacy
	tests := map[string]posthog.Config{
		"v1":           {CaptureMode: v1},
		"v1, gzip":     {CaptureMode: v1, Compression: posthog.CompressionGzip},
		"v1, deflate":  {CaptureMode: v1, Compression: posthog.CompressionDeflate},
		"v1, br":       {CaptureMode: v1, Compression: posthog.CompressionBrotli},
		"v1, zstd":     {CaptureMode: v1, Compression: posthog.CompressionZstd},
		"legacy":       {CaptureMode: legacy},
		"legacy, gzip": {CaptureMode: legacy, Compression: posthog.CompressionGzip},
	}
	for name, cfg := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := start(t, sandbox.Config{Strict: true})
			a, b, said := capture(t, s, cfg)
			if diff := cmp.Diff(map[string]error{a: nil, b: nil}, said); diff != "" {
				t.Error("callbacks (-want +got):", diff)
			}
			taken := s.Taken()
			if len(taken) != 2 {
				t.Fatalf("got %d events, want 2", len(taken))
			}
			for _, e := range taken {
				var props map[string]any
				if err := json.Unmarshal(e.Properties, &props); err != nil {
					t.Fatal(err)
				}
				got := []any{props["$ai_model"], props["$process_person_profile"], props["$lib"]}
				if diff := cmp.Diff([]any{"m", false, "posthog-go"}, got); diff != "" {
					t.Error("properties (-want +got):", diff)
				}
			}
		})
	}
}

func TestTheSDKSeesFaults(t *testing.T) {
	t.Parallel()
	v1 := posthog.CaptureModeAnalyticsV1
	tests := map[string]struct {
		cfg   posthog.Config
		fault sandbox.Fault
		said  int // callbacks
		check func(error) bool
	}{
		"v1: a drop": {posthog.Config{CaptureMode: v1}, sandbox.Drop("x"), 2, func(err error) bool {
			var e *posthog.CaptureEventError
			return errors.As(err, &e) && e.Result == "drop" && e.Details == "x"
		}},
		"v1: a retry": {posthog.Config{CaptureMode: v1}, sandbox.Retry(), 2, func(err error) bool {
			var e *posthog.CaptureEventError
			return errors.As(err, &e) && e.Exhausted
		}},
		"v1: no verdict is no callback": {posthog.Config{CaptureMode: v1}, sandbox.NoVerdict(), 0, nil},
		"v1: a status": {posthog.Config{CaptureMode: v1}, sandbox.Status(429), 2, func(err error) bool {
			var e *posthog.CaptureRequestError
			return errors.As(err, &e) && e.StatusCode == http.StatusTooManyRequests && e.Code == "too_many_requests"
		}},
		"v1: a page":                        {posthog.Config{CaptureMode: v1}, sandbox.Body(200, "text/html", "<p>"), 2, func(err error) bool { return err != nil }},
		"legacy: a reset":                   {posthog.Config{}, sandbox.Reset(), 2, func(err error) bool { return err != nil }},
		"legacy: a page passes for success": {posthog.Config{}, sandbox.Body(200, "text/html", "<p>"), 2, func(err error) bool { return err == nil }},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := start(t, sandbox.Config{})
			s.Always(sandbox.Match{}, test.fault)
			_, _, said := capture(t, s, test.cfg)
			if len(said) != test.said {
				t.Errorf("got %d callbacks, want %d", len(said), test.said)
			}
			for _, err := range said {
				if !test.check(err) {
					t.Errorf("got %v", err)
				}
			}
			if s.Count() != 0 {
				t.Errorf("got %d taken, want none", s.Count())
			}
		})
	}
}
