package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/hogcast/hogcast/pkg/ingest"
	"github.com/hogcast/hogcast/pkg/queue"
	"github.com/hogcast/hogcast/pkg/sandbox"
)

// DemoConfig is what the demonstration needs.
type DemoConfig struct {
	Dev DevConfig // Data, OnEvent and Ready are its own
	Out io.Writer
	// Timeout is how long the records may take to arrive; default 60 s.
	Timeout time.Duration
}

// demoRecords are published by the demonstration; the first is the example of
// the product's specification. The fields that name a record are filled in.
var demoRecords = []string{
	`"model":"openai/gpt-4o","messages":[{"role":"user","content":"Recommend a product..."}],` +
		`"user":"user_12345","session_id":"session_abc",` +
		`"trace":{"trace_name":"Product Recommendations","generation_name":"Generate Recommendation","feature":"shopping-assistant","ab_test_group":"variant_b"}`,
	`"model":"anthropic/claude-sonnet-4","provider":"Anthropic","user":"user_12345","session_id":"session_abc",` +
		`"messages":[{"role":"system","content":"You are a helpful shop assistant."},{"role":"user","content":"And in blue?"}],` +
		`"choices":[{"index":0,"message":{"role":"assistant","content":"Yes, the kettle comes in blue."},"finish_reason":"stop"}],` +
		`"usage":{"prompt_tokens":1200,"completion_tokens":34,"total_tokens":1234,"prompt_tokens_details":{"cached_tokens":1024},"cost":0.00182},` +
		`"latency_ms":1834,"time_to_first_token_ms":211,"stream":true`,
	`"model":"openai/gpt-4o-mini","user":"anonymous","error":{"code":429,"type":"rate_limit_exceeded","message":"Slow down"},"http_status":429,"latency_ms":87`,
}

// RunDemo publishes a few records through an embedded NATS and a worker, and
// prints each event as PostHog got it. Nil only if every record arrived.
func RunDemo(ctx context.Context, c DemoConfig) error {
	if c.Timeout == 0 {
		c.Timeout = time.Minute
	}
	data, err := os.MkdirTemp("", "hogcast-demo-")
	if err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	defer func() { _ = os.RemoveAll(data) }()
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	taken := newTakenAll(len(demoRecords))
	ready := make(chan Dev, 1)
	c.Dev.Data = data
	c.Dev.OnEvent = taken.add
	c.Dev.Ready = func(d Dev) { ready <- d }
	running, stop := context.WithCancel(ctx)
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- RunDev(running, c.Dev) }()
	select {
	case err := <-ended:
		return errors.Join(errors.New("demo: could not start"), err)
	case dev := <-ready:
		err = c.show(ctx, dev, taken)
	}
	stop()
	return errors.Join(err, <-ended)
}

// takenAll gathers the events of so many records, each once.
type takenAll struct {
	want int
	all  chan struct{} // closed when all are there

	mu   sync.Mutex
	byID map[string]sandbox.Taken // by the record's id
}

func newTakenAll(want int) *takenAll {
	return &takenAll{want: want, all: make(chan struct{}), byID: make(map[string]sandbox.Taken)}
}

// add may be called for one record more than once: delivery is at least once.
func (a *takenAll) add(t sandbox.Taken) {
	var ids struct {
		Span string `json:"$ai_span_id"` // the record's id
	}
	if json.Unmarshal(t.Properties, &ids) != nil {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	_, again := a.byID[ids.Span]
	a.byID[ids.Span] = t
	if !again && len(a.byID) == a.want {
		close(a.all)
	}
}

func (a *takenAll) of(id string) (t sandbox.Taken, ok bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	t, ok = a.byID[id]
	return t, ok
}

func (a *takenAll) count() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.byID)
}

func (c DemoConfig) show(ctx context.Context, dev Dev, taken *takenAll) error {
	fmt.Fprintf(c.Out, "NATS, worker and PostHog run in this process.\n  NATS     %s\n  PostHog  %s%s\n\n", dev.NATS, dev.PostHog, sandboxNote(dev))
	ids, err := publishDemo(ctx, dev)
	if err != nil {
		return err
	}
	fmt.Fprintf(c.Out, "Published %d generation records of tenant %q; each is acknowledged only when PostHog has said yes to it.\n", len(demoRecords), DevTenant)
	if dev.Real {
		return c.awaitAccepted(ctx, dev)
	}
	select {
	case <-taken.all:
	case <-ctx.Done():
		return fmt.Errorf("demo: %d of %d events arrived: %w", taken.count(), len(demoRecords), context.Cause(ctx))
	}
	for i, id := range ids {
		t, ok := taken.of(id)
		if !ok {
			return fmt.Errorf("demo: the event of record %s did not arrive", id)
		}
		if err := c.print(i+1, t); err != nil {
			return err
		}
	}
	fmt.Fprintf(c.Out, whereNext, len(demoRecords))
	return nil
}

const whereNext = `
All %d records were delivered. Where to look next:
  make build && bin/hogcast dev --data ./hogcast-data   the same, kept running
  bin/hogcast map --pretty FILE                         what becomes of your own records, offline
  POSTHOG_API_KEY=phc_... make demo                     into a real PostHog project
`

func (c DemoConfig) print(n int, t sandbox.Taken) error {
	event := jsontext.Value(t.Properties)
	if err := event.Indent(jsontext.WithIndentPrefix("  "), jsontext.WithIndent("  ")); err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	_, err := fmt.Fprintf(c.Out, "\nEvent %d, as PostHog got it (%s):\n  event        %s\n  uuid         %s\n  distinct_id  %s\n  timestamp    %s\n  properties   %s\n",
		n, t.Path, t.Event, t.UUID, t.DistinctID, t.Timestamp, event)
	return err
}

func sandboxNote(dev Dev) string {
	if dev.Real {
		return ""
	}
	return "  (a stand-in; set POSTHOG_API_KEY for a real project)"
}

// publishDemo returns the ids of what it published, in order.
func publishDemo(ctx context.Context, dev Dev) ([]string, error) {
	p, err := ingest.New(ingest.Options{Conn: dev.Conn.NATS, Tenant: DevTenant})
	if err != nil {
		return nil, fmt.Errorf("demo: %w", err)
	}
	now := time.Now().UTC()
	ids := make([]string, len(demoRecords))
	for i, fields := range demoRecords {
		ids[i] = fmt.Sprintf("demo-%d-%d", now.UnixMilli(), i+1)
		record := fmt.Sprintf(`{"id":%q,"created_at":%q,%s}`, ids[i], now.Format(time.RFC3339Nano), fields)
		if err := p.Publish(ctx, []byte(record)); err != nil {
			return nil, errors.Join(fmt.Errorf("demo: publishing: %w", err), p.Close(ctx))
		}
	}
	return ids, p.Close(ctx)
}

// awaitAccepted waits until the queue is empty. A project key can't read
// events back, so accepted is all that can be said.
func (c DemoConfig) awaitAccepted(ctx context.Context, dev Dev) error {
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		waiting, err := queue.Waiting(ctx, dev.Conn, queue.StreamGenerations)
		if err != nil {
			return fmt.Errorf("demo: %w", err)
		}
		dead, err := queue.Waiting(ctx, dev.Conn, queue.StreamDead)
		switch {
		case err != nil:
			return fmt.Errorf("demo: %w", err)
		case dead > 0:
			return fmt.Errorf("demo: %d records were dead-lettered", dead)
		case waiting == 0:
			fmt.Fprintf(c.Out, "\nPostHog accepted all %d. Look at LLM analytics in your project: %s\n(Accepted is not stored: PostHog accepts any well-formed key. If nothing shows within a minute, check the key.)\n",
				len(demoRecords), strings.Replace(dev.PostHog, ".i.posthog.com", ".posthog.com", 1)+"/llm-analytics")
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("demo: %d of %d records not accepted in time: %w", waiting, len(demoRecords), context.Cause(ctx))
		}
	}
}
