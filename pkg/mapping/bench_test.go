package mapping_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/hogcast/hogcast/pkg/mapping"
	"github.com/hogcast/hogcast/pkg/record"
)

// benchRecord is a chat record of about size bytes.
func benchRecord(size int) []byte {
	const words = `Please summarise the following \"paragraph\" of text for me, in two sentences.\n`
	head := `{"id":"gen-01HQ3K9V5W","tenant":"acme","created_at":"2026-01-02T03:04:05.678Z","model":"openai/gpt-4o",` +
		`"provider":"OpenAI","user":"user_12345","session_id":"session_abc","api_key_id":"key_7",` +
		`"trace":{"trace_id":"tr_9f","trace_name":"Summaries","generation_name":"Summarise","feature":"reader","variant":{"name":"b","n":2}},` +
		`"usage":{"prompt_tokens":812,"completion_tokens":96,"total_tokens":908,"prompt_tokens_details":{"cached_tokens":512},"cost":0.00213},` +
		`"latency_ms":1834,"time_to_first_token_ms":211,"stream":true,"temperature":0.2,"max_tokens":512,"top_p":1,` +
		`"messages":[{"role":"system","content":"You are a careful assistant."}`
	tail := `],"choices":[{"index":0,"message":{"role":"assistant","content":"It says that the pipeline is lossless."},"finish_reason":"stop"}]}`
	var b strings.Builder
	b.WriteString(head)
	for i := 0; b.Len()+len(tail) < size; i++ {
		role := "user"
		if i%2 == 1 {
			role = "assistant"
		}
		room := min(max((size-b.Len()-len(tail)-40)/len(words), 1), 12)
		fmt.Fprintf(&b, `,{"role":%q,"content":"%s"}`, role, strings.Repeat(words, room))
	}
	b.WriteString(tail)
	return []byte(b.String())
}

// BenchmarkDecodeMap compares decoding and mapping with json.Valid over the
// same bytes in the same run; the bar is a ratio of 2.
func BenchmarkDecodeMap(b *testing.B) {
	for _, size := range []int{1500, 6000, 40_000} {
		data := benchRecord(size)
		b.Run(fmt.Sprintf("%dB/json.Valid", size), func(b *testing.B) {
			b.SetBytes(int64(len(data)))
			for b.Loop() {
				if !json.Valid(data) {
					b.Fatal("not JSON")
				}
			}
		})
		b.Run(fmt.Sprintf("%dB/decode+map", size), func(b *testing.B) {
			b.SetBytes(int64(len(data)))
			b.ReportAllocs()
			for b.Loop() {
				r, err := record.Decode(data)
				if err != nil {
					b.Fatal(err)
				}
				mapping.Map(r, "default")
			}
		})
	}
}

func TestDecodeAndMapOfASmallRecordStayWithin60Allocations(t *testing.T) {
	data := benchRecord(1500)
	got := testing.AllocsPerRun(100, func() {
		r, err := record.Decode(data)
		if err != nil {
			t.Fatal(err)
		}
		mapping.Map(r, "default")
	})
	if got > 60 {
		t.Errorf("got %.0f allocations, want at most 60", got)
	}
}
