package main

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

func testSink(t *testing.T) (*sink, *host) {
	t.Helper()
	s := newSink(newLedger(3), 3)
	h, err := s.listen("127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.close)
	t.Cleanup(http.DefaultClient.CloseIdleConnections)
	return s, h
}

// body is a batch of one record's event.
func body(number string) string {
	return `{"batch":[{"uuid":"` + full1 + `","distinct_id":"u` + number + `"}]}`
}

func encode(t *testing.T, encoding, text string) []byte {
	t.Helper()
	var out bytes.Buffer
	var w io.WriteCloser
	switch encoding {
	case "zstd":
		encoder, err := zstd.NewWriter(&out)
		if err != nil {
			t.Fatal(err)
		}
		w = encoder
	case "gzip":
		w = gzip.NewWriter(&out)
	default:
		return []byte(text)
	}
	if _, err := io.WriteString(w, text); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

type reply struct {
	status     int
	body       string
	retryAfter string
}

func post(ctx context.Context, t *testing.T, h *host, tenant int, encoding, text string) (reply, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, h.url()+pathV1, bytes.NewReader(encode(t, encoding, text)))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+apiKey(tenant))
	req.Header.Set("Content-Encoding", encoding)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return reply{}, err
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	if err != nil {
		return reply{}, err
	}
	return reply{resp.StatusCode, strings.TrimSpace(string(got)), resp.Header.Get("Retry-After")}, nil
}

func TestASinkTakesEveryEncodingAndAnswersAsV1(t *testing.T) {
	t.Parallel()
	s, h := testSink(t)
	for _, encoding := range []string{"", "gzip", "zstd"} {
		s.ledger.publish(1)
		number := string(rune('0' + len(s.ledger.entries) - 1))
		got, err := post(t.Context(), t, h, 1, encoding, body(number))
		want := reply{status: 200, body: `{"results":{"` + full1 + `":{"result":"ok"}}}`}
		if diff := cmp.Diff(want, got, cmp.AllowUnexported(reply{})); diff != "" || err != nil {
			t.Errorf("%q: %v %s", encoding, err, diff)
		}
	}
	if got := s.ledger.outstanding(span{0, 3}); got != 0 {
		t.Errorf("%d outstanding, want 0", got)
	}
}

func TestASinkAnswersEachTenantAsItIsTold(t *testing.T) {
	t.Parallel()
	s, h := testSink(t)
	s.ledger.publish(0)
	s.set(span{0, 1}, &answer{status: 429, retryAfter: "5"})
	got, err := post(t.Context(), t, h, 0, "", body("0"))
	if err != nil || got.status != 429 || got.retryAfter != "5" {
		t.Errorf("got %+v, %v; want 429 after 5", got, err)
	}
	s.ledger.publish(1)
	if got, err := post(t.Context(), t, h, 1, "", body("1")); err != nil || got.status != 200 {
		t.Errorf("its neighbour got %+v, %v", got, err)
	}
	if got := s.ledger.outstanding(span{0, 1}); got != 1 {
		t.Errorf("%d outstanding, want the refused one", got)
	}
	s.set(span{0, 1}, nil)
	if got, err := post(t.Context(), t, h, 0, "", body("0")); err != nil || got.status != 200 {
		t.Errorf("when well again it got %+v, %v", got, err)
	}
}

func TestWhoHangsUpWasNotServed(t *testing.T) {
	t.Parallel()
	s, h := testSink(t)
	s.ledger.publish(0)
	s.set(span{0, 1}, &answer{after: time.Hour, status: 200})
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := post(ctx, t, h, 0, "", body("0")); err == nil {
		t.Fatal("got an answer")
	}
	err := poll(t.Context(), 5*time.Second, func() (bool, error) { return s.refused.Load() == 1, nil })
	if err != nil || s.ledger.outstanding(span{0, 1}) != 1 {
		t.Errorf("%v, %d outstanding, want 1", err, s.ledger.outstanding(span{0, 1}))
	}
}

func TestAHostGoesDownInEachWayAndComesBackWhereItWas(t *testing.T) {
	t.Parallel()
	s, h := testSink(t)
	s.ledger.publish(2)
	addr := h.addr
	for _, how := range []string{downRefuse, down503, downHang} {
		h.down(how)
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		got, err := post(ctx, t, h, 2, "", body("0"))
		cancel()
		if err == nil && got.status != 503 {
			t.Errorf("%s: got %+v", how, got)
		}
		if err := h.up(); err != nil {
			t.Fatal(err)
		}
		if got, err := post(t.Context(), t, h, 2, "", body("0")); err != nil || got.status != 200 || h.addr != addr {
			t.Errorf("after %s: got %+v, %v at %s", how, got, err, h.addr)
		}
	}
}

func TestASinkCountsWhatItDoesNotUnderstand(t *testing.T) {
	t.Parallel()
	s, h := testSink(t)
	if got, err := post(t.Context(), t, h, 7, "", body("0")); err != nil || got.status != 404 {
		t.Errorf("an unknown key: got %+v, %v", got, err)
	}
	if got, err := post(t.Context(), t, h, 0, "zstd", "{}"); err != nil || got.status != 400 {
		t.Errorf("an empty batch: got %+v, %v", got, err)
	}
	if got := s.unexpected.Load(); got != 2 {
		t.Errorf("counted %d, want 2", got)
	}
}
