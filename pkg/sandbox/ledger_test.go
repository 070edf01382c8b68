package sandbox_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/hogcast/hogcast/pkg/sandbox"
)

// lines counts the writes that it is given, as a file would see them.
type lines struct {
	bytes.Buffer
	writes int
	fail   error
}

func (l *lines) Write(p []byte) (int, error) {
	if l.fail != nil {
		return 0, l.fail
	}
	l.writes++
	return l.Buffer.Write(p)
}

func TestEachEventIsRecordedAsOneLine(t *testing.T) {
	t.Parallel()
	var record lines
	var told []sandbox.Taken
	s := sandbox.New(sandbox.Config{Record: &record, OnEvent: func(e sandbox.Taken) { told = append(told, e) }})
	a := with(func(e *event) {
		e.options = "{\n\"process_person_profile\":false}"
		e.properties = "{\"text\": \"<é\\u2028>\",\n\"n\": 1.50}"
	})
	b := with(func(e *event) { e.properties = "{\n}" })
	bad := with(func(e *event) { e.name = "" })
	serve(s, sandbox.PathV1, "", []byte(v1(a.json(), bad.json())))
	serve(s, sandbox.PathBatch, "", []byte(legacy(b.json())))

	want := `{"api_key":"` + key + `","path":"/i/v1/analytics/events","uuid":"` + a.id + `","event":"$ai_generation",` +
		`"distinct_id":"user-1","timestamp":"2026-01-02T03:04:05.678Z",` +
		`"properties":{"text":"<é\u2028>","n":1.50,"$process_person_profile":false},"options":{"process_person_profile":false}}` + "\n" +
		`{"api_key":"` + key + `","path":"/batch/","uuid":"` + b.id + `","event":"$ai_generation",` +
		`"distinct_id":"user-1","timestamp":"2026-01-02T03:04:05.678Z","properties":{}}` + "\n"
	if diff := cmp.Diff(want, record.String()); diff != "" {
		t.Error("record (-want +got):", diff)
	}
	if record.writes != 2 {
		t.Errorf("got %d writes, want one a line", record.writes)
	}
	if diff := cmp.Diff(s.Taken(), told); diff != "" {
		t.Error("OnEvent (-want +got):", diff)
	}
}

func TestABufferedRecordIsFlushed(t *testing.T) {
	t.Parallel()
	var record bytes.Buffer
	s := sandbox.New(sandbox.Config{Record: bufio.NewWriterSize(&record, 1<<20)})
	serve(s, sandbox.PathBatch, "", []byte(legacy(newEvent().json())))
	if !json.Valid(record.Bytes()) || record.Len() == 0 {
		t.Errorf("got %q on the other side of the buffer, want a line", record.String())
	}
}

func TestWhatCantBeRecordedIsNotTaken(t *testing.T) {
	t.Parallel()
	s := sandbox.New(sandbox.Config{Record: &lines{fail: errors.New("disk full")}})
	for path, body := range map[string]string{sandbox.PathV1: v1(newEvent().json()), sandbox.PathBatch: legacy(newEvent().json())} {
		if got := serve(s, path, "", []byte(body)).Code; got != http.StatusServiceUnavailable {
			t.Errorf("%s: got %d, want 503", path, got)
		}
	}
	if s.Count() != 0 {
		t.Errorf("got %d taken, want none", s.Count())
	}
}

func TestRequestsAreListedWithoutTheirSecret(t *testing.T) {
	t.Parallel()
	s := start(t, sandbox.Config{})
	body := v1(newEvent().json(), newEvent().json())
	sent := compress(t, "zstd", body)
	mustSend(t, s, request{path: sandbox.PathV1, key: key, encoding: "zstd", body: body, header: http.Header{
		"User-Agent": {"test/1"}, "Posthog-Attempt": {"2"}, "Cookie": {"x"},
	}})
	mustSend(t, s, request{path: "/nowhere"})
	sendLegacy(t, s, newEvent().json())

	want := []sandbox.Request{
		{
			ID: 1, Method: "POST", Path: sandbox.PathV1, Status: 200, APIKey: key, Encoding: "zstd",
			WireBytes: int64(len(sent)), Events: 2,
			Header: http.Header{"User-Agent": {"test/1"}, "Posthog-Attempt": {"2"}, "Content-Encoding": {"zstd"}, "Content-Length": {fmt.Sprint(len(sent))}},
		},
		{ID: 2, Method: "POST", Path: "/nowhere", Status: 404},
		{ID: 3, Method: "POST", Path: sandbox.PathBatch, Status: 200, APIKey: key, Events: 1},
	}
	got := s.Requests()
	if diff := cmp.Diff(want[0], got[0], cmpopts.IgnoreFields(sandbox.Request{}, "ReceivedAt")); diff != "" {
		t.Error("first request (-want +got):", diff)
	}
	if diff := cmp.Diff(want[1:], got[1:], cmpopts.IgnoreFields(sandbox.Request{}, "ReceivedAt", "Header", "WireBytes")); diff != "" {
		t.Error("other requests (-want +got):", diff)
	}
}

func TestLogsHoldNeitherKeyNorContent(t *testing.T) {
	t.Parallel()
	core, logs := observer.New(zap.DebugLevel)
	s := sandbox.New(sandbox.Config{Logger: zap.New(core)})
	serve(s, sandbox.PathBatch, "", []byte(legacy(with(func(e *event) { e.properties = `{"p":"secret prompt"}` }).json())))
	if logs.Len() != 1 {
		t.Fatalf("got %d lines, want one a request", logs.Len())
	}
	line := fmt.Sprint(logs.All()[0])
	for _, secret := range []string{key, "secret prompt"} {
		if bytes.Contains([]byte(line), []byte(secret)) {
			t.Errorf("got line %s, which holds %q", line, secret)
		}
	}
}

func TestCopiesAreCountedByKeyAndUUID(t *testing.T) {
	t.Parallel()
	for name, cfg := range map[string]sandbox.Config{"all kept": {}, "none kept": {KeepNone: true}} {
		s := sandbox.New(cfg)
		e := newEvent()
		for range 3 {
			serve(s, sandbox.PathBatch, "", []byte(legacy(e.json())))
		}
		other := bytes.ReplaceAll([]byte(legacy(e.json())), []byte(key), []byte("phc_other"))
		serve(s, sandbox.PathBatch, "", other)
		if s.Count() != 2 || s.Duplicates() != 2 {
			t.Errorf("%s: got %d distinct and %d duplicates, want 2 and 2", name, s.Count(), s.Duplicates())
		}
		kept := 4
		if cfg.KeepNone {
			kept = 0
		}
		if len(s.Taken()) != kept || len(s.Requests()) != kept {
			t.Errorf("%s: got %d events and %d requests, want %d", name, len(s.Taken()), len(s.Requests()), kept)
		}
		s.Reset()
		if s.Count() != 0 || s.Duplicates() != 0 || len(s.Taken()) != 0 || len(s.Requests()) != 0 {
			t.Errorf("%s: something is left after Reset", name)
		}
		serve(s, sandbox.PathBatch, "", []byte(legacy(e.json())))
		if s.Count() != 1 || s.Duplicates() != 0 {
			t.Errorf("%s: got %d and %d after Reset, want 1 and 0", name, s.Count(), s.Duplicates())
		}
	}
}

func TestTheOldestEventsAreForgotten(t *testing.T) {
	t.Parallel()
	s := sandbox.New(sandbox.Config{KeepBytes: 10_000})
	var last event
	for range 100 {
		last = with(func(e *event) { e.properties = fmt.Sprintf(`{"x":"%01000d"}`, 7) })
		serve(s, sandbox.PathBatch, "", []byte(legacy(last.json())))
	}
	taken := s.Taken()
	if n := len(taken); n < 5 || n > 10 {
		t.Fatalf("got %d events kept, want about 10,000 bytes of them", n)
	}
	if got := taken[len(taken)-1].UUID; got != last.id {
		t.Errorf("got %s last, want the newest, %s", got, last.id)
	}
	if s.Count() != 100 {
		t.Errorf("got %d counted, want all 100", s.Count())
	}
}

func TestAwaitWaitsForDistinctEvents(t *testing.T) {
	t.Parallel()
	s := sandbox.New(sandbox.Config{})
	e := newEvent()
	serve(s, sandbox.PathBatch, "", []byte(legacy(e.json())))
	serve(s, sandbox.PathBatch, "", []byte(legacy(e.json())))

	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	err := s.Await(ctx, 2)
	if want := "awaiting 2 events, 1 so far: context deadline exceeded"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	done := make(chan error, 1)
	go func() { done <- s.Await(deadline(t), 2) }()
	serve(s, sandbox.PathBatch, "", []byte(legacy(newEvent().json())))
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestAwaitSeesWhatIsTakenLate(t *testing.T) {
	t.Parallel()
	s := sandbox.New(sandbox.Config{})
	s.Script(sandbox.Match{}, sandbox.Latency(50*time.Millisecond))
	go serve(s, sandbox.PathBatch, "", []byte(legacy(newEvent().json())))
	if err := s.AwaitRequests(deadline(t), 1); err != nil {
		t.Fatal(err)
	}
	if err := s.Await(deadline(t), 1); err != nil {
		t.Error(err)
	}
}

func TestManyClientsAtOnce(t *testing.T) {
	t.Parallel()
	const clients, requests = 6, 12
	var record lines
	s := sandbox.New(sandbox.Config{Record: &record, OnEvent: func(sandbox.Taken) {}})
	s.Script(sandbox.Match{Path: sandbox.PathBatch}, sandbox.Status(503).Times(10)...)
	var wg sync.WaitGroup
	for i := range clients {
		wg.Go(func() {
			for n := range requests {
				encoding := encodings[n%len(encodings)]
				serve(s, sandbox.PathV1, encoding, compress(t, encoding, v1(newEvent().json(), newEvent().json())))
				serve(s, sandbox.PathBatch, "gzip", compress(t, "gzip", legacy(newEvent().json())))
				_, _, _ = s.Taken(), s.Requests(), s.Duplicates()
				match := sandbox.Match{APIKey: fmt.Sprint(i)}
				s.Always(match, sandbox.Status(500))
				s.Clear(match)
			}
		})
	}
	if err := s.Await(deadline(t), 3*clients*requests-10); err != nil {
		t.Error(err)
	}
	wg.Wait()
	if got, want := s.Count(), 3*clients*requests-10; got != want || record.writes != want {
		t.Errorf("got %d taken and %d recorded, want %d", got, record.writes, want)
	}
}

func BenchmarkServe(b *testing.B) {
	events := make([]string, 100)
	for i := range events {
		events[i] = with(func(e *event) { e.properties = fmt.Sprintf(`{"$ai_input":"%04000d"}`, i) }).json()
	}
	for _, encoding := range []string{"", "gzip", "zstd"} {
		b.Run("v1 "+encoding, func(b *testing.B) {
			s := sandbox.New(sandbox.Config{KeepNone: true})
			body := compress(b, encoding, v1(events...))
			b.SetBytes(int64(len(v1(events...))))
			b.ReportAllocs()
			for b.Loop() {
				serve(s, sandbox.PathV1, encoding, body)
			}
		})
	}
}
