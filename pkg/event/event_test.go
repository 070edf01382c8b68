package event_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/hogcast/hogcast/pkg/event"
)

func TestTheWireFormIsJSONWithinItsSize(t *testing.T) {
	t.Parallel()
	for _, personless := range []bool{false, true} {
		for _, properties := range []string{`{}`, `{"a":1}`} {
			e := event.Event{
				UUID: "84627cd9-fe67-5ab4-bc6e-094b2e6eeb47", Name: event.Generation, DistinctID: "a\"\x01\u2028" + strings.Repeat("é", 50),
				Timestamp: time.Date(2026, 1, 2, 3, 4, 5, 6, time.FixedZone("", 3600)), Personless: personless, Properties: []byte(properties),
			}
			raw := e.AppendJSON(nil)
			if len(raw) > e.Size() {
				t.Errorf("%d bytes; Size says %d", len(raw), e.Size())
			}
			var got struct {
				UUID, Event string
				DistinctID  string `json:"distinct_id"`
				Timestamp   string
				Properties  map[string]any
			}
			if err := json.Unmarshal(raw, &got); err != nil {
				t.Fatalf("%v: %s", err, raw)
			}
			if got.UUID != e.UUID || got.DistinctID != e.DistinctID || got.Timestamp != "2026-01-02T02:04:05.000000006Z" {
				t.Errorf("got %+v", got)
			}
			if _, has := got.Properties[event.PersonProfile]; has != personless {
				t.Errorf("%s present: %t, want %t", event.PersonProfile, has, personless)
			}
		}
	}
}
