package deadletter_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/hogcast/hogcast/pkg/deadletter"
	"github.com/hogcast/hogcast/pkg/envelope"
)

func causeOf(detail string) string {
	s := deadletter.Stored{Envelope: &envelope.Envelope{Detail: detail}}
	s.Reason = "dropped"
	return s.Cause()
}

func TestACauseLeavesOutWhatTellsItsLettersApart(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ detail, want string }{
		"nothing":            {"", "dropped"},
		"plain words":        {"dropped_by_server: rejected", "dropped: dropped_by_server: rejected"},
		"a number":           {"too large: 1000001 bytes", "dropped: too large: N bytes"},
		"a number in a word": {"part7 of p12x", "dropped: partN of pNx"},
		"a time":             {"not RFC 3339, such as 2026-01-31T23:59:59.123Z", "dropped: not RFC N, such as N"},
		"an address":         {"dial 10.2.3.4:443: refused", "dropped: dial N: refused"},
		"a uuid":             {"event 550e8400-e29b-41d4-a716-44665544000a refused", "dropped: event N refused"},
		"an id in hex":       {"request 7f3a9c21de: no", "dropped: request N: no"},
		"words of hex":       {"defaced facade-bead", "dropped: defaced facade-bead"},
		"quotes":             {`"a" is "b`, `dropped: "…" is "…"`},
	} {
		if got := causeOf(tt.detail); got != tt.want {
			t.Errorf("%s: got %q, want %q", name, got, tt.want)
		}
	}
}

func FuzzACauseIsShortText(f *testing.F) {
	f.Add(`"a" 550e8400-e29b-41d4-a716-446655440000 12:30Z`)
	f.Add(strings.Repeat("é", 500))
	f.Fuzz(func(t *testing.T, detail string) {
		got := causeOf(detail)
		if n := utf8.RuneCountInString(got); n > 140 || strings.ContainsAny(got, "0123456789") {
			t.Errorf("%d characters: %q", n, got)
		}
	})
}

func BenchmarkCause(b *testing.B) {
	for name, detail := range map[string]string{"plain": "dropped_by_server: rejected", "numbers": "too large: 1000001 bytes, 480000 may be"} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for range b.N {
				causeOf(detail)
			}
		})
	}
}
