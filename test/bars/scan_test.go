package main

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const (
	uuid1 = "0123456789ab-cdef"
	full1 = "01234567-89ab-cdef-8111-111111111111"
	full2 = "fedcba98-7654-5210-8222-222222222222"
)

func TestAScanFindsEachEventAndNothingInItsContent(t *testing.T) {
	t.Parallel()
	body := `{"created_at":"x","batch":[` +
		`{"event":"$ai_generation","uuid":"` + full1 + `","distinct_id":"u17","timestamp":"x","properties":{"$ai_input":[{"role":"user","content":"{\"uuid\":\"no\",\"distinct_id\":\"u99\"}"}]}},` +
		`{"distinct_id":"u0","properties":{},"uuid":"` + full2 + `","event":"$ai_generation"}]}`
	var b batch
	for range 2 { // the second time in used memory
		if err := b.scan([]byte(body)); err != nil {
			t.Fatal(err)
		}
		want := []sighting{{17, 0x0123456789abcdef}, {0, 0xfedcba9876545210}}
		if diff := cmp.Diff(want, b.sightings, cmp.AllowUnexported(sighting{})); diff != "" {
			t.Error(diff)
		}
	}
	want := `{"results":{"` + full1 + `":{"result":"ok"},"` + full2 + `":{"result":"ok"}}}`
	if diff := cmp.Diff(want, string(b.appendResults(nil))); diff != "" {
		t.Error(diff)
	}
}

func TestAScanRefusesWhatIsNoBatchOfOurs(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{
		"nothing":                 ``,
		"no events":               `{"batch":[]}`,
		"a short uuid":            `{"uuid":"` + uuid1 + `","distinct_id":"u1"}`,
		"a uuid that is none":     `{"uuid":"0123456x-89ab-cdef-8111-111111111111","distinct_id":"u1"}`,
		"no distinct id":          `{"uuid":"` + full1 + `"}`,
		"another's distinct id":   `{"uuid":"` + full1 + `","distinct_id":"somebody"}`,
		"more ids than events":    `{"uuid":"` + full1 + `","distinct_id":"u1"},{"distinct_id":"u2"}`,
		"it breaks within a uuid": `{"distinct_id":"u1","uuid":"0123`,
	} {
		var b batch
		if err := b.scan([]byte(body)); err == nil {
			t.Errorf("%s: got %v", name, b.sightings)
		}
	}
	var b batch
	if err := b.scan(nil); !errors.Is(err, errUnreadable) {
		t.Errorf("got %v", err)
	}
}
