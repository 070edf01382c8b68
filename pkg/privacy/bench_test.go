package privacy_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/hogcast/hogcast/pkg/privacy"
	"github.com/hogcast/hogcast/pkg/record"
)

// benchRecord is a chat record of about size bytes, with escapes, a few digits
// and one address a kilobyte, as chats have.
func benchRecord(size int) []byte {
	const words = `Please summarise the \"paragraph\" below (14 lines, as of 2026-01-02) for me:\nit says that pipelines are lossless, mostly.\n`
	var b strings.Builder
	b.WriteString(head + `,"user":"user_12345","trace":{"trace_id":"tr_9f","feature":"reader","variant":{"name":"b","n":2}},` +
		`"usage":{"prompt_tokens":812,"completion_tokens":96,"total_tokens":908,"cost":0.00213},"messages":[{"role":"system","content":"You are careful."}`)
	for b.Len() < size-300 {
		n := min(max((size-300-b.Len())/len(words), 1), 8)
		fmt.Fprintf(&b, `,{"role":"user","content":"%sAsk bob@example.com."}`, strings.Repeat(words, n))
	}
	b.WriteString(`],"choices":[{"index":0,"message":{"role":"assistant","content":"It does.","tool_calls":[{"function":{"name":"f","arguments":"{\"q\":\"x\"}"}}]},"finish_reason":"stop"}]}`)
	return []byte(b.String())
}

// BenchmarkApply measures rules beside json.Valid over the same bytes in the
// same run, and beside no rules, which have to be free.
func BenchmarkApply(b *testing.B) {
	for _, size := range []int{1500, 6000, 40_000} {
		data := benchRecord(size)
		r, err := record.Decode(data)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(fmt.Sprintf("%dB/json.Valid", size), func(b *testing.B) {
			b.SetBytes(int64(len(data)))
			for b.Loop() {
				if !json.Valid(data) {
					b.Fatal("not JSON")
				}
			}
		})
		for _, bench := range []struct {
			name  string
			rules privacy.Rules
		}{
			{"none", privacy.Rules{}},
			{"mode", privacy.Rules{PrivacyMode: true}},
			{"email", with("email")},
			{"phone", with("phone")},
			{"card", with("card")},
			{"secret", with("secret")},
			{"built-in", with("email", "phone", "card", "secret")},
			{"own", with(`ssn=\b\d{3}-\d{2}-\d{4}\b`)},
			{"own, absent", with(`ticket=TICKET-\d+`)},
		} {
			b.Run(fmt.Sprintf("%dB/%s", size, bench.name), func(b *testing.B) {
				b.SetBytes(int64(len(data)))
				b.ReportAllocs()
				for b.Loop() {
					privacy.Apply(r, bench.rules)
				}
			})
		}
	}
}
