package posthog

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hogcast/hogcast/pkg/destination"
	"github.com/hogcast/hogcast/pkg/outcome"
)

// rawServer answers each connection's first request with bytes of the test's
// own, for as long as somebody reads them, and counts them.
type rawServer struct {
	endpoint string
	wrote    atomic.Int64
}

func newRawServer(t *testing.T, answer func(w io.Writer) error) *rawServer {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &rawServer{endpoint: "http://" + l.Addr().String()}
	var done sync.WaitGroup
	done.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			done.Go(func() {
				defer conn.Close()
				req, err := http.ReadRequest(bufio.NewReader(conn))
				if err != nil {
					return
				}
				_, _ = io.Copy(io.Discard, req.Body)
				if answer(io.MultiWriter(conn, counter{&s.wrote})) == nil {
					_, _ = io.Copy(io.Discard, conn) // until they leave
				}
			})
		}
	})
	t.Cleanup(func() { _ = l.Close(); done.Wait() })
	return s
}

type counter struct{ n *atomic.Int64 }

func (c counter) Write(p []byte) (int, error) {
	c.n.Add(int64(len(p)))
	return len(p), nil
}

// endless writes text until nobody reads it any more.
func endless(head, text string) func(io.Writer) error {
	return func(w io.Writer) error {
		_, err := io.WriteString(w, head)
		for err == nil {
			_, err = io.WriteString(w, text)
		}
		return err
	}
}

// drip writes text, then the rest byte by byte, one each 20 ms.
func drip(head, rest string) func(io.Writer) error {
	return func(w io.Writer) error {
		_, err := io.WriteString(w, head)
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for i := 0; err == nil; i++ {
			<-tick.C
			_, err = io.WriteString(w, rest[i%len(rest):i%len(rest)+1])
		}
		return err
	}
}

func bomb(t *testing.T, status string) func(io.Writer) error {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write(make([]byte, 1<<20)); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	packed := strings.Repeat(b.String(), 1000) // a GiB in a MiB
	head := fmt.Sprintf("HTTP/1.1 %s\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n", status, len(packed))
	return func(w io.Writer) error {
		_, err := io.WriteString(w, head+packed)
		return err
	}
}

// Whatever an endpoint sends, a request ends in its time and reads a bounded
// part of it.
func TestNoAnswerIsReadWithoutEnd(t *testing.T) {
	t.Parallel()
	const ok = "HTTP/1.1 200 OK\r\n"
	kilobyte := strings.Repeat("x", 1<<10)
	for name, c := range map[string]struct {
		answer func(io.Writer) error
		want   []outcome.Cause
	}{
		"endless 1xx":              {endless("", "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"), []outcome.Cause{outcome.Connection}},
		"endless 100":              {endless("", "HTTP/1.1 100 Continue\r\n\r\n"), []outcome.Cause{outcome.Connection, outcome.Timeout}},
		"endless headers":          {endless(ok, "X-A: "+kilobyte+"\r\n"), []outcome.Cause{outcome.Connection}},
		"one endless header":       {endless(ok+"X-A: ", kilobyte), []outcome.Cause{outcome.Connection}},
		"an endless status line":   {endless("HTTP/1.1 200 ", kilobyte), []outcome.Cause{outcome.Connection}},
		"no HTTP, endless":         {endless("", kilobyte), []outcome.Cause{outcome.Connection}},
		"an endless body":          {endless(ok+"\r\n", kilobyte), []outcome.Cause{outcome.UnexpectedBody}},
		"an endless chunked body":  {endless(ok+"Transfer-Encoding: chunked\r\n\r\n", "400\r\n"+kilobyte+"\r\n"), []outcome.Cause{outcome.UnexpectedBody}},
		"endless tiny chunks":      {endless(ok+"Transfer-Encoding: chunked\r\n\r\n", "1;"+kilobyte[:200]+"\r\nx\r\n"), []outcome.Cause{outcome.UnexpectedBody, outcome.Connection}},
		"an endless chunk's size":  {endless(ok+"Transfer-Encoding: chunked\r\n\r\n1;", kilobyte), []outcome.Cause{outcome.Connection}},
		"endless trailers":         {endless(ok+"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n", "X-A: "+kilobyte+"\r\n"), []outcome.Cause{outcome.Connection, outcome.UnexpectedBody}},
		"an endless error":         {endless("HTTP/1.1 503 No\r\n\r\n", kilobyte), []outcome.Cause{outcome.ServerError}},
		"an endless redirect":      {endless("HTTP/1.1 302 No\r\nLocation: /\r\n\r\n", kilobyte), []outcome.Cause{outcome.Redirected}},
		"a body that never comes":  {drip(ok+"Content-Length: 100000000\r\n\r\n", " "), []outcome.Cause{outcome.Timeout}},
		"a header that drips":      {drip(ok+"X-A: ", "x"), []outcome.Cause{outcome.Timeout}},
		"a status that drips":      {drip("", "HTTP/1.1 200 OOOOOOOOOOOOOOOOOOOOOOOOOOOOOOOOOOOOOO"), []outcome.Cause{outcome.Timeout, outcome.Connection}},
		"an error that drips":      {drip("HTTP/1.1 500 No\r\nContent-Length: 100000\r\n\r\n", "x"), []outcome.Cause{outcome.ServerError, outcome.Timeout}},
		"a bomb":                   {bomb(t, "200 OK"), []outcome.Cause{outcome.UnexpectedBody}},
		"a bomb beside an error":   {bomb(t, "400 No"), []outcome.Cause{outcome.BadRequest}},
		"silence":                  {func(io.Writer) error { return nil }, []outcome.Cause{outcome.Timeout}},
		"a switch of the protocol": {endless("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n", kilobyte), []outcome.Cause{outcome.UnexpectedStatus, outcome.Connection}},
	} {
		for _, p := range protocols() {
			t.Run(name+"/"+string(p), func(t *testing.T) {
				t.Parallel()
				srv := newRawServer(t, c.answer)
				s := newSender(t, func(c *Config) { c.RequestTimeout = 600 * time.Millisecond })
				began := time.Now()
				got := s.Send(t.Context(), destinationAt(srv.endpoint, p), eventsOf(1))[0]
				if !slices.Contains(c.want, got.Cause) || got.Action == outcome.Accept {
					t.Errorf("got %+v, want one of %v", got, c.want)
				}
				if took := time.Since(began); took > 5*time.Second {
					t.Errorf("it took %s", took)
				}
				// Socket buffers take some megabytes beside what is read.
				if n := srv.wrote.Load(); n > 32<<20 {
					t.Errorf("%d bytes were written to it", n)
				}
			})
		}
	}
}

// What a peer writes in HTTP's place may quote the request.
func TestAPrivateDestinationKeepsNothingOfWhatIsNoHTTP(t *testing.T) {
	t.Parallel()
	for _, answer := range []string{"SECRET\r\n\r\n", "HTTP/1.1 200 OK\r\nSECRET\r\n\r\n", "HTTP/1.1 SECRET\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: SECRET\r\n\r\n"} {
		srv := newRawServer(t, func(w io.Writer) error { _, err := io.WriteString(w, answer); return err })
		d := destinationAt(srv.endpoint, destination.V1)
		d.PrivacyMode = true
		got := newSender(t).Send(t.Context(), d, eventsOf(1))[0]
		if strings.Contains(got.Detail, "SECRET") || got.Cause != outcome.Connection {
			t.Errorf("%q: got %+v", answer, got)
		}
	}
}
