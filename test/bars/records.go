package main

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"
)

// The mix: share in percent and size in bytes of each kind of record, and how
// many texts of a kind there are, so that a batch holds few twice.
var mix = []struct{ percent, size, texts int }{
	{70, 1_500, 256},
	{25, 6_000, 64},
	{5, 40_000, 16},
}

// records makes valid generation records. A record's number is in its id and
// its user, and so in its event's distinct id, where the sink finds it.
type records struct {
	random *rand.Rand
	tails  [][]string // by place in mix: a record from its model on
}

func newRecords(seed uint64) *records {
	r := &records{random: rand.New(rand.NewPCG(seed, 1))} //nolint:gosec // no secret: the same records for the same seed
	for _, kind := range mix {
		tails := make([]string, kind.texts)
		for i := range tails {
			tails[i] = r.tail(kind.size)
		}
		r.tails = append(r.tails, tails)
	}
	return r
}

// record appends record number n of a tenant to dst.
func (r *records) record(dst []byte, n int, tenant string, now time.Time) []byte {
	dst = append(dst, `{"id":"bars-`...)
	dst = strconv.AppendInt(dst, int64(n), 10)
	dst = append(dst, `","user":"u`...)
	dst = strconv.AppendInt(dst, int64(n), 10)
	dst = append(dst, `","tenant":"`...)
	dst = append(dst, tenant...)
	dst = append(dst, `","created_at":"`...)
	dst = now.UTC().AppendFormat(dst, "2006-01-02T15:04:05.000Z07:00")
	dst = append(dst, `",`...)
	kind := r.kind()
	return append(dst, r.tails[kind][r.random.IntN(mix[kind].texts)]...)
}

func (r *records) kind() int {
	at := r.random.IntN(100)
	for i := range mix {
		if at -= mix[i].percent; at < 0 {
			return i
		}
	}
	return 0
}

// headBytes is about what stands before the tail.
const headBytes = 110

// tail makes the part that records share, for a record of about size bytes.
func (r *records) tail(size int) string {
	var b strings.Builder
	fmt.Fprintf(&b, `"model":"openai/gpt-4o","provider":"OpenAI","session_id":"s%d","api_key_id":"key_7",`+
		`"trace":{"trace_id":"tr_%x","trace_name":"Summaries","generation_name":"Summarise","feature":"reader"},`+
		`"usage":{"prompt_tokens":812,"completion_tokens":96,"total_tokens":908,"prompt_tokens_details":{"cached_tokens":512},"cost":0.00213},`+
		`"latency_ms":1834,"time_to_first_token_ms":211,"stream":true,"temperature":0.2,"max_tokens":512,`+
		`"messages":[{"role":"system","content":"You are a careful assistant."}`, r.random.IntN(1000), r.random.Uint64())
	end := `],"choices":[{"index":0,"message":{"role":"assistant","content":"` + r.words(200) + `"},"finish_reason":"stop"}]}`
	for turn := 0; ; turn++ {
		room := size - headBytes - b.Len() - len(end) - len(`,{"role":"assistant","content":""}`)
		if room < 16 {
			break
		}
		role := "user"
		if turn%2 == 1 {
			role = "assistant"
		}
		fmt.Fprintf(&b, `,{"role":%q,"content":"%s"}`, role, r.words(min(room, 1200)))
	}
	return b.String() + end
}

// vocabulary compresses about as prose does; the escapes are what JSON makes of
// quotes and line ends.
var vocabulary = strings.Fields(`the of and to in is that for it as was with be by on not he his but at are this
have from or had an they which one you were all her she there would their we him been has when who will no more if
out so up said what its about than into them can only other time new some could these two may first then do any like
my now over such our man me even most made after also did many off before must well back through years where much
your way down should because long each just state people those too mr how little good world make very year still
see work life day get here old between both under three never know same last another while us great might go come
since against right came take used himself few house use place during high without again home around small however
found mrs part school thought went say general once upon every left war don\"t does got united number hand course
water until always away public something fact though less put think almost head four government system better\n
set told nothing night end why called didn\"t find eyes asked going look later knew point next program city business`)

// words is text of at most n bytes, and of at least n − 16.
func (r *records) words(n int) string {
	var b strings.Builder
	for {
		word := vocabulary[r.random.IntN(len(vocabulary))]
		if b.Len()+len(word)+1 > n {
			return b.String()
		}
		b.WriteString(word)
		b.WriteByte(' ')
	}
}

// tenantName is the name of tenant number n.
func tenantName(n int) string { return "t" + strconv.Itoa(n) }

// apiKey is the key of a tenant's destination.
func apiKey(n int) string { return keyPrefix + strconv.Itoa(n) }

const keyPrefix = "phc_bars_"
