package sandbox

import (
	"bytes"
	"fmt"
	"net/http"
)

// onPage is how many events the page lists.
const onPage = 20

// page tells in plain text what was taken: no content, and of keys the end only.
func (s *Server) page(w http.ResponseWriter) {
	l := s.ledger
	l.mu.Lock()
	var b bytes.Buffer
	fmt.Fprintf(&b, "hogcast sandbox: a PostHog stand-in\n\n%d events taken, %d duplicates, %d dropped, %d requests\n",
		l.distinct, l.copies, l.dropped, l.logged)
	last := l.taken[max(0, len(l.taken)-onPage):]
	for i := range last {
		t := &last[len(last)-1-i]
		fmt.Fprintf(&b, "%s  %s  %s  %s  %s\n", t.ReceivedAt.UTC().Format("15:04:05.000"), t.UUID, t.Event, mask(t.APIKey), t.Path)
	}
	l.mu.Unlock()
	a := answer{status: http.StatusOK, typ: typeText, body: b.Bytes()}
	a.send(w)
}

func mask(key string) string {
	if len(key) <= 8 {
		return "…"
	}
	return "…" + key[len(key)-4:]
}
