package envelope_test

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hogcast/hogcast/pkg/envelope"
)

func full() envelope.Envelope {
	return envelope.Envelope{
		Source: envelope.Source{Stream: "HOGCAST_GENERATIONS", Sequence: 7, Time: time.Unix(1, 2).UTC()},
		MsgID:  "acme/g1", RecordID: "g1", Reason: "dropped", Field: "f", Detail: "d", Status: 400, Attempts: 3,
		FirstAttempt: time.Unix(3, 0).UTC(), LastAttempt: time.Unix(4, 5).UTC(), Rules: []string{"privacy_mode"},
		Mapping: "1", Worker: "w", Traceparent: "00-x-y-01", Body: []byte(`{"id":"g1"}`),
	}
}

func TestAnEnvelopeIsReadBackAsItWasWritten(t *testing.T) {
	t.Parallel()
	e := full()
	got, err := envelope.Parse(e.Headers(), e.Body)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(e, *got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestOneVersionBeforeAndAfterIsReadable(t *testing.T) {
	t.Parallel()
	for version, want := range map[int]bool{envelope.Version - 2: false, envelope.Version - 1: true, envelope.Version: true, envelope.Version + 1: true, envelope.Version + 2: false} {
		e := full()
		h := e.Headers()
		h[envelope.HeaderEnvelope] = []string{strconv.Itoa(version)}
		_, err := envelope.Parse(h, nil)
		if (err == nil) != want || !want && !errors.Is(err, envelope.ErrVersion) {
			t.Errorf("version %d: %v", version, err)
		}
	}
}

func TestWhatTheNextVersionAddsIsPassedOver(t *testing.T) {
	t.Parallel()
	e := full()
	h := e.Headers()
	h[envelope.HeaderEnvelope] = []string{strconv.Itoa(envelope.Version + 1)}
	h["Hogcast-Of-Tomorrow"] = []string{"x"}
	got, err := envelope.Parse(h, e.Body)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(e, *got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// The version before and the one after read these headers: another name, or
// another form of a value, needs another Version.
func TestTheHeadersOfThisVersionStayAsTheyAre(t *testing.T) {
	t.Parallel()
	e := full()
	e.Failures, e.FirstFailure = 2, time.Unix(3, 500_000_000).UTC()
	e.Dropped, e.Rules = []string{"usage.cost", "stream"}, []string{"privacy_mode", "hash_users"}
	e.Withhold()
	want := map[string][]string{
		"Hogcast-Envelope":       {"1"},
		"Hogcast-Source":         {"HOGCAST_GENERATIONS/7/1000000002"},
		"Hogcast-Msg-Id":         {"acme/g1"},
		"Hogcast-Record-Id":      {"g1"},
		"Hogcast-Reason":         {"dropped"},
		"Hogcast-Field":          {"f"},
		"Hogcast-Detail":         {"d"},
		"Hogcast-Status":         {"400"},
		"Hogcast-Attempts":       {"3"},
		"Hogcast-First-Attempt":  {"1970-01-01T00:00:03Z"},
		"Hogcast-Last-Attempt":   {"1970-01-01T00:00:04.000000005Z"},
		"Hogcast-Failures":       {"2"},
		"Hogcast-First-Failure":  {"1970-01-01T00:00:03.5Z"},
		"Hogcast-Rules":          {"privacy_mode,hash_users"},
		"Hogcast-Mapping":        {"1"},
		"Hogcast-Worker":         {"w"},
		"Hogcast-Dropped-Fields": {"usage.cost,stream"},
		"Hogcast-Size":           {"11"},
		"Hogcast-Sha256":         {e.SHA256},
		"traceparent":            {"00-x-y-01"},
	}
	if diff := cmp.Diff(want, e.Headers()); diff != "" {
		t.Errorf("version %d (-want +got):\n%s", envelope.Version, diff)
	}
}

func TestBrokenHeadersAreNamed(t *testing.T) {
	t.Parallel()
	for _, name := range []string{envelope.HeaderSource, envelope.HeaderStatus, envelope.HeaderAttempts, envelope.HeaderFirstAttempt, envelope.HeaderSize} {
		e := full()
		h := e.Headers()
		h[name] = []string{"x/y"}
		if _, err := envelope.Parse(h, nil); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestHeadersStayOneLineAndBounded(t *testing.T) {
	t.Parallel()
	e := full()
	e.Detail = " a\r\nHogcast-Evil: 1\x00" + strings.Repeat("é", 2000) + " "
	e.MsgID, e.Field, e.Worker = strings.Repeat("x", 1000), strings.Repeat("y", 1000), strings.Repeat("z", 1000)
	total := 0
	for name, values := range e.Headers() {
		total += len(name) + len(values[0]) + 4
		if strings.ContainsAny(values[0], "\r\n\x00") || strings.TrimSpace(values[0]) != values[0] {
			t.Errorf("%s: %q", name, values[0])
		}
	}
	if total > envelope.MaxAdded {
		t.Errorf("%d bytes of headers; at most %d", total, envelope.MaxAdded)
	}
	if n := len(e.Headers()[envelope.HeaderDetail][0]); n > envelope.MaxDetail {
		t.Errorf("detail has %d bytes", n)
	}
}

func TestWhatDoesNotFitIsCompressedElseWithheld(t *testing.T) {
	t.Parallel()
	const limit = 64 << 10
	compressible := bytes.Repeat([]byte("hello "), 50_000)
	e := envelope.Envelope{Body: compressible}
	if !e.Fit(limit) || e.Encoding != envelope.EncodingZstd || len(e.Body) > limit {
		t.Fatalf("encoding %q, %d bytes", e.Encoding, len(e.Body))
	}
	if back, err := e.Record(); err != nil || !bytes.Equal(back, compressible) || !e.Replayable() {
		t.Errorf("%v; %d bytes came back", err, len(back))
	}
	noise := make([]byte, 4*limit)
	random := rand.NewChaCha8([32]byte{1})
	_, _ = random.Read(noise)
	e = envelope.Envelope{Body: noise}
	if e.Fit(limit) || e.Body != nil || e.Size != len(noise) || len(e.SHA256) != 64 || e.Replayable() {
		t.Errorf("got %d bytes, size %d, sha %q", len(e.Body), e.Size, e.SHA256)
	}
	e = envelope.Envelope{Body: []byte("small")}
	if !e.Fit(limit) || e.Encoding != "" {
		t.Error("a small body was touched")
	}
}

func TestMoveIDsNameTheInstance(t *testing.T) {
	t.Parallel()
	s := full().Source
	ids := map[string]bool{}
	for _, source := range []envelope.Source{s, {Stream: s.Stream, Sequence: 8, Time: s.Time}, {Stream: s.Stream, Sequence: 7, Time: s.Time.Add(1)}, {Stream: "OTHER", Sequence: 7, Time: s.Time}} {
		for _, destination := range []string{"a", "b"} {
			ids[envelope.MoveID(source, destination)] = true
		}
	}
	if len(ids) != 8 {
		t.Errorf("%d different ids of 8", len(ids))
	}
}
