package posthog

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/hogcast/hogcast/pkg/destination"
	"github.com/hogcast/hogcast/pkg/event"
	"github.com/hogcast/hogcast/pkg/outcome"
)

// prose makes text that compresses about as chat does: words of Zipf's
// frequency, drawn from a vocabulary of random ones.
type prose struct {
	rng   *rand.Rand
	zipf  *rand.Zipf
	words []string
}

func newProse(seed uint64) *prose {
	p := &prose{rng: rand.New(rand.NewPCG(seed, 1))}
	const vocabulary = 5000
	for range vocabulary {
		word := make([]byte, 2+p.rng.IntN(8))
		for i := range word {
			word[i] = "etaoinshrdlucmfwygpbvk"[min(p.rng.IntN(22), p.rng.IntN(22))]
		}
		p.words = append(p.words, string(word))
	}
	p.zipf = rand.NewZipf(p.rng, 1.1, 4, vocabulary-1)
	return p
}

func (p *prose) text(n int) string {
	var b strings.Builder
	for b.Len() < n {
		b.WriteString(p.words[p.zipf.Uint64()])
		b.WriteString([]string{" ", " ", " ", " ", ", ", ". ", "\n"}[p.rng.IntN(7)])
	}
	return b.String()[:n]
}

// llmEvents makes events like those of a gateway: one system prompt shared by
// all, the rest their own, size bytes of properties each.
func llmEvents(n, size int) []*event.Event {
	p := newProse(7)
	system := p.text(min(400, size/4))
	out := make([]*event.Event, n)
	for i := range out {
		id := uuid.NewSHA1(uuid.NameSpaceURL, fmt.Append(nil, i))
		props := map[string]any{
			"$ai_model": "anthropic/claude-sonnet-4", "$ai_provider": "anthropic", "$ai_lib": "hogcast",
			"$ai_trace_id": "gen-" + id.String(), "$ai_span_id": "gen-" + id.String(),
			"$ai_input_tokens": p.rng.IntN(4000), "$ai_output_tokens": p.rng.IntN(900),
			"$ai_latency": p.rng.Float64() * 9, "$ai_total_cost_usd": p.rng.Float64() / 50,
			"$ai_cost_passthrough": true, "metadata_feature": "shopping-assistant", "trace_name": "Recommendations",
		}
		frame, _ := json.Marshal(props)
		content := max(size-len(frame)-200-len(system), 10)
		props["$ai_input"] = []any{
			map[string]any{"role": "system", "content": system},
			map[string]any{"role": "user", "content": p.text(content * 6 / 10)},
		}
		props["$ai_output_choices"] = []any{map[string]any{"role": "assistant", "content": p.text(content * 4 / 10)}}
		raw, _ := json.Marshal(props)
		out[i] = &event.Event{
			UUID: id.String(), Name: event.Generation, DistinctID: fmt.Sprintf("user_%d", p.rng.IntN(100000)),
			Timestamp: time.Date(2026, 3, 1, 12, 0, 0, i*1_000_000, time.UTC), Properties: raw,
		}
	}
	return out
}

// rawBody is the batch as v1 has it.
func rawBody(batch []*event.Event) []byte {
	var b bytes.Buffer
	b.WriteString(`{"created_at":"2026-03-01T12:00:00Z","batch":[`)
	for i, e := range batch {
		if i > 0 {
			b.WriteByte(',')
		}
		b.Write(e.AppendJSON(nil))
	}
	b.WriteString(`]}`)
	return b.Bytes()
}

// BenchmarkCompress: MB/s of raw bytes, and ratio, of batches of up to 100
// events and 400 KB.
func BenchmarkCompress(b *testing.B) {
	p, err := newPacker()
	if err != nil {
		b.Fatal(err)
	}
	defer p.close()
	for _, size := range []int{1536, 6 << 10, 40 << 10} {
		raw := rawBody(llmEvents(min(100, 400_000/size), size))
		for _, e := range []encoding{encZstd, encGzip} {
			b.Run(fmt.Sprintf("%s/%.1fKB", e, float64(size)/1024), func(b *testing.B) {
				b.SetBytes(int64(len(raw)))
				b.ReportAllocs()
				var dst []byte
				for b.Loop() {
					if dst, err = p.pack(dst[:0], e, raw); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(len(raw))/float64(len(dst)), "ratio")
			})
		}
	}
}

// benchServer takes anything and gives the answer that was made for it.
func benchServer(b *testing.B, batch []*event.Event) *httptest.Server {
	b.Helper()
	var answer strings.Builder
	for i, e := range batch {
		fmt.Fprintf(&answer, `%s"%s":{"result":"ok"}`, []string{",", ""}[min(1, 1/(i+1))], e.UUID)
	}
	v1 := []byte(`{"results":{` + answer.String() + `}}`)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		if r.URL.Path == string(pathBatch) {
			_, _ = io.WriteString(w, `{"status":"Ok"}`)
			return
		}
		_, _ = w.Write(v1)
	}))
	b.Cleanup(srv.Close)
	return srv
}

// BenchmarkSend: batches of 100 events, and of two, as many tenants make them,
// against a floor that compresses and posts bytes that were rendered before, to
// the same server. The server's own work is in both.
func BenchmarkSend(b *testing.B) {
	for _, p := range []struct {
		protocol     destination.Protocol
		path         path
		encoding     encoding
		events, size int
	}{{destination.V1, pathV1, encZstd, 100, 1536}, {destination.V1, pathV1, encZstd, 2, 4600}, {destination.Batch, pathBatch, encGzip, 100, 1536}} {
		batch := llmEvents(p.events, p.size)
		srv := benchServer(b, batch)
		s := newSender(b)
		d := destinationAt(srv.URL, p.protocol)
		name := fmt.Sprintf("%s/%d", p.protocol, p.events)
		b.Run(name+"/floor", func(b *testing.B) { benchFloor(b, s, srv.URL+string(p.path), p.encoding, rawBody(batch)) })
		b.Run(name+"/send", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if got := s.Send(context.Background(), d, batch); got[0].Action != outcome.Accept {
					b.Fatalf("got %+v", got[0])
				}
			}
		})
	}
}

func benchFloor(b *testing.B, s *Sender, url string, e encoding, raw []byte) {
	b.Helper()
	b.ReportAllocs()
	var dst []byte
	for b.Loop() {
		var err error
		if dst, err = s.packer.pack(dst[:0], e, raw); err != nil {
			b.Fatal(err)
		}
		req, err := http.NewRequestWithContext(context.Background(), http.MethodPost, url, bytes.NewReader(dst))
		if err != nil {
			b.Fatal(err)
		}
		res, err := s.transport.roundTrip(destinationAt(url, destination.Auto), req)
		if err != nil {
			b.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, res.Body)
		_ = res.Body.Close()
	}
}

// idleCost sends one batch to each of n destinations and measures what they
// keep in memory when they are idle, in bytes a destination.
func idleCost(tb testing.TB, n int) float64 {
	tb.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = io.WriteString(w, `{"status":"Ok"}`)
	}))
	defer srv.Close()
	s := newSender(tb)
	send := func(name string) {
		d := destinationAt(srv.URL, destination.Batch)
		d.Name = name
		if got := s.Send(context.Background(), d, eventsOf(20)); got[0].Action != outcome.Accept {
			tb.Fatalf("got %+v", got[0])
		}
	}
	send("warm")
	before := memoryInUse()
	for i := range n {
		send(fmt.Sprintf("d%d", i))
	}
	after := memoryInUse()
	return float64(int64(after)-int64(before)) / float64(n)
}

// memoryInUse counts heap and goroutine stacks.
func memoryInUse() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC() // pools are emptied by the second
	runtime.ReadMemStats(&m)
	return m.HeapAlloc + m.StackInuse
}

func BenchmarkIdleDestination(b *testing.B) {
	var cost float64
	for b.Loop() {
		cost = idleCost(b, 1000)
	}
	b.ReportMetric(cost, "B/idle-destination")
}
