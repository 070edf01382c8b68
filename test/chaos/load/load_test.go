package load_test

import (
	"bytes"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/hogcast/hogcast/pkg/record"
	"github.com/hogcast/hogcast/test/chaos/load"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var began = time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)

func TestARecordIsAFunctionOfSeedAndNumber(t *testing.T) {
	t.Parallel()
	one, again, other := load.New(5, began), load.New(5, began), load.New(6, began)
	differ := 0
	for n := range 500 {
		a, b, c := one.Record(n), again.Record(n), other.Record(n)
		if a.Kind != b.Kind || a.MsgID != b.MsgID || !bytes.Equal(a.Body, b.Body) {
			t.Fatalf("record %d is not the same twice", n)
		}
		if !bytes.Equal(a.Body, c.Body) {
			differ++
		}
	}
	if differ < 400 {
		t.Errorf("only %d of 500 records differ with the seed", differ)
	}
}

func TestEachKindIsWhatItSays(t *testing.T) {
	t.Parallel()
	l := load.New(5, began)
	kinds, ids := map[load.Kind]int{}, map[string]bool{}
	for n := range 8_000 {
		r := l.Record(n)
		kinds[r.Kind]++
		if ids[r.MsgID] {
			t.Fatalf("record %d: message id %q is another's", n, r.MsgID)
		}
		ids[r.MsgID] = true
		decoded, err := record.Decode(r.Body)
		if err == nil {
			err = decoded.CheckTenant(r.Subject)
		}
		if err == nil && !record.ValidTenant(r.Subject) {
			t.Errorf("record %d: subject %q", n, r.Subject)
		}
		switch want, hostile := r.Letter(); {
		case (err != nil) != (hostile && want.Reason == "malformed"):
			t.Errorf("record %d, %s: %v", n, r.Kind, err)
		case (l.Tenant(r.Subject) != nil) == (r.Kind == load.Stranger || r.Kind == load.BadSubject):
			t.Errorf("record %d, %s: subject %q", n, r.Kind, r.Subject)
		}
	}
	if len(kinds) != 12 {
		t.Errorf("got %d kinds, want 12: %v", len(kinds), kinds)
	}
}

func TestEveryProjectHasItsOwnKey(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	crowd := 0
	for _, d := range load.New(1, began).Destinations() {
		if seen[d.Key] || len(d.Key) > 64 {
			t.Errorf("%s: key %q", d.ID(), d.Key)
		}
		seen[d.Key] = true
		if d.Family == load.Crowd {
			crowd++
		}
		if (d.Host == load.CrowdHost) != (d.Family == load.Crowd) {
			t.Errorf("%s is on host %d", d.ID(), d.Host)
		}
	}
	if crowd < 20 {
		t.Errorf("a crowd of %d is none that is held by host", crowd)
	}
}
