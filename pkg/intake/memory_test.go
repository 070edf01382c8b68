package intake_test

import (
	"io"
	"runtime"
	"strings"
	"testing"

	"github.com/hogcast/hogcast/pkg/intake"
)

// endless repeats a text up to a size.
type endless struct {
	text      string
	at        int
	remaining int
}

func (e *endless) Read(p []byte) (n int, err error) {
	if e.remaining == 0 {
		return 0, io.EOF
	}
	// Whole buffers: records end anywhere in them.
	p = p[:min(len(p), e.remaining)]
	for n < len(p) {
		copied := copy(p[n:], e.text[e.at:])
		e.at = (e.at + copied) % len(e.text)
		n += copied
	}
	e.remaining -= n
	return n, nil
}

// Not parallel: it looks at the heap of the whole process.
func TestMemoryIsFlatOver200MB(t *testing.T) {
	record := `{"id":"a","messages":[{"role":"user","content":"` + strings.Repeat(`words \"and\" more `, 80) + `"}],"usage":{"prompt_tokens":1}}`
	for name, text := range map[string]string{
		"a record a line":           record + "\n",
		"a line over the limit":     record,
		"documents that span lines": strings.ReplaceAll(record, ",", ",\n") + "\n",
		"every second line is cut":  record[:len(record)-1] + "\n" + record + "\n",
	} {
		const limit = 1 << 20
		size := 200 << 20
		if name != "a record a line" {
			size = 32 << 20 // says the same, and the race detector is slow
		}
		size -= size % len(text)
		before := heap()
		r := intake.NewReader(&endless{text: text, remaining: size}, intake.Options{MaxRecord: limit})
		items, most := 0, before
		for {
			_, ok := r.Next()
			if !ok {
				break
			}
			if items++; items%20_000 == 1 {
				most = max(most, heap())
			}
		}
		most = max(most, heap())
		if err := r.Err(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if grown := int64(most) - int64(before); grown > 4*limit {
			t.Errorf("%s: the heap grew by %d bytes over %d items, want at most %d", name, grown, items, 4*limit)
		}
		runtime.KeepAlive(r)
	}
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func BenchmarkLines(b *testing.B) {
	text := `{"id":"a","trace":{"a":1,"b":[1,2,3]},"messages":[{"role":"user","content":"` + strings.Repeat("words and more ", 90) + `"}]}` + "\n"
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	r := intake.NewReader(&endless{text: text, remaining: len(text) * b.N}, intake.Options{})
	n := 0
	for {
		if _, ok := r.Next(); !ok {
			break
		}
		n++
	}
	if n != b.N {
		b.Fatalf("%d items, want %d", n, b.N)
	}
}
