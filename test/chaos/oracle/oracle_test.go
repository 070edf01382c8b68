package oracle_test

import (
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/hogcast/hogcast/pkg/mapping"
	"github.com/hogcast/hogcast/pkg/privacy"
	"github.com/hogcast/hogcast/pkg/record"
	"github.com/hogcast/hogcast/pkg/routing"
	"github.com/hogcast/hogcast/pkg/sandbox"
	"github.com/hogcast/hogcast/test/chaos/load"
	"github.com/hogcast/hogcast/test/chaos/oracle"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// story is a run as it should go, before a test spoils it.
type story struct {
	load    *load.Load
	records []*load.Record
	taken   []sandbox.Taken
	letters []*oracle.Letter
}

// records of a story are the small ones of so many: enough for every kind and
// tenant.
const (
	records = 1500
	small   = 2500 // bytes
)

var once struct {
	sync.Mutex
	story *story
}

// tell tells the story from the beginning: what a test does to it is its own.
func tell(t *testing.T) *story {
	t.Helper()
	once.Lock()
	defer once.Unlock()
	if once.story == nil {
		once.story = write(t)
	}
	s := *once.story
	s.taken = slices.Clone(s.taken)
	s.letters = make([]*oracle.Letter, len(s.letters))
	for i, l := range once.story.letters {
		letter := *l
		s.letters[i] = &letter
	}
	return &s
}

func write(t *testing.T) *story {
	t.Helper()
	s := &story{load: load.New(7, time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC))}
	for n := range records {
		r := s.load.Record(n)
		if _, hostile := r.Letter(); !hostile && len(r.Body) > small {
			continue
		}
		s.records = append(s.records, r)
		if want, hostile := r.Letter(); hostile {
			s.letters = append(s.letters, s.letterOf(r, want))
			continue
		}
		if r.Kind == load.Twin {
			continue // its original's events are its own
		}
		for _, d := range s.load.Tenant(r.Subject).Destinations {
			if e, ok := eventOf(t, r, d); ok {
				s.taken = append(s.taken, e)
			}
		}
	}
	return s
}

func (s *story) letterOf(r *load.Record, want load.Letter) *oracle.Letter {
	l := &oracle.Letter{Tenant: want.Tenant, Destination: "_", Reason: want.Reason, MsgID: r.MsgID, Body: r.Body}
	if tenant := s.load.Tenant(want.Tenant); tenant != nil && tenant.EverPrivate() {
		withhold(l)
	}
	return l
}

// eventOf is what PostHog takes of a record; false where a rule leaves it out.
func eventOf(t *testing.T, r *load.Record, d *load.Destination) (sandbox.Taken, bool) {
	t.Helper()
	decoded, err := record.Decode(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	rules := d.Rules(d.Private)
	if !routing.Decide(decoded, rules).Deliver() {
		return sandbox.Taken{}, false
	}
	e, _ := mapping.Map(privacy.Apply(decoded, privacy.RulesOf(rules)), d.Name)
	properties := e.AppendProperties(nil)
	return sandbox.Taken{
		APIKey: d.Key, Event: e.Name, UUID: e.UUID, DistinctID: e.DistinctID, Timestamp: string(e.AppendTimestamp(nil)),
		Properties: append(properties[:len(properties)-1], `,"$ignore_sent_at":true}`...),
	}, true
}

// judge tells the oracle a story.
func (s *story) judge(t *testing.T, prepare func(*oracle.Oracle)) *oracle.Verdict {
	t.Helper()
	o := oracle.New(s.load)
	for _, r := range s.records {
		if err := o.Intend(r); err != nil {
			t.Fatal(err)
		}
		o.Acked(r.N)
	}
	if prepare != nil {
		prepare(o)
	}
	for _, e := range s.taken {
		o.Taken(e)
	}
	for _, l := range s.letters {
		o.Buried(l)
	}
	v := o.Check()
	o.Tally(v, len(s.taken))
	return v
}

// of finds the place of the first event of a destination.
func (s *story) of(t *testing.T, destination string) int {
	t.Helper()
	for i, e := range s.taken {
		if strings.HasSuffix(e.APIKey, "_"+strings.ReplaceAll(destination, ".", "_")) {
			return i
		}
	}
	t.Fatalf("no event of %s", destination)
	return 0
}

// recordOf finds the record that an event was made of.
func (s *story) recordOf(t *testing.T, uuid string) (*load.Record, *load.Destination) {
	t.Helper()
	for _, r := range s.records {
		if r.Kind != load.Good {
			continue
		}
		for _, d := range s.load.Tenant(r.Subject).Destinations {
			if e, ok := eventOf(t, r, d); ok && e.UUID == uuid {
				return r, d
			}
		}
	}
	t.Fatalf("no record of %s", uuid)
	return nil, nil
}

// bury makes a letter of an event in place of its delivery.
func (s *story) bury(t *testing.T, at int, reason string) *oracle.Letter {
	t.Helper()
	r, d := s.recordOf(t, s.taken[at].UUID)
	l := &oracle.Letter{Tenant: d.Tenant, Destination: d.Name, Reason: reason, MsgID: r.MsgID, Body: r.Body}
	if d.Private {
		decoded, err := record.Decode(r.Body)
		if err != nil {
			t.Fatal(err)
		}
		l.Body = privacy.Stored(r.Body, decoded, privacy.RulesOf(d.Rules(true)))
	}
	s.letters = append(s.letters, l)
	return l
}

func (s *story) remove(at int) { s.taken = append(s.taken[:at:at], s.taken[at+1:]...) }

func TestARunThatKeptEveryPromisePasses(t *testing.T) {
	t.Parallel()
	s := tell(t)
	v := s.judge(t, nil)
	if !v.Passed() {
		t.Fatalf("got %s: %v", v.FindingCounts(), v.Findings)
	}
	twins := 0
	for _, r := range s.records {
		if r.Kind == load.Twin {
			twins++
		}
	}
	if v.Published != len(s.records) || v.Hostile == 0 || v.LeftOut == 0 || v.Delivered+v.LeftOut+v.Open != v.Branches || twins == 0 {
		t.Errorf("got %+v, %d twins", v, twins)
	}
}

func TestTheOracleFindsWhatIsWrong(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		spoil   func(t *testing.T, s *story)
		prepare func(*oracle.Oracle)
		want    string
	}{
		"an event that never came": {
			spoil: func(t *testing.T, s *story) { t.Helper(); s.remove(s.of(t, "calm-0.main")) },
			want:  "missing 1",
		},
		"a branch that never came, while the record's other did": {
			spoil: func(t *testing.T, s *story) { t.Helper(); s.remove(s.of(t, "twice.copy")) },
			want:  "missing 1",
		},
		"a hostile record without a letter": {
			spoil: func(_ *testing.T, s *story) { s.letters = s.letters[1:] },
			want:  "missing 1",
		},
		"an event that no record explains": {
			spoil: func(_ *testing.T, s *story) {
				e := s.taken[0]
				e.UUID = "00000000-0000-5000-8000-000000000001"
				s.taken = append(s.taken, e)
			},
			want: "invented 1",
		},
		"a letter that no record explains": {
			spoil: func(_ *testing.T, s *story) {
				l := *s.letters[0] // a copy
				l.MsgID = "hostile/999999"
				s.letters = append(s.letters, &l)
			},
			want: "invented 1",
		},
		"a property that changed": {
			spoil: func(_ *testing.T, s *story) {
				s.taken[0].Properties = []byte(strings.Replace(string(s.taken[0].Properties), "chaos", "order", 1))
			},
			want: "changed 1",
		},
		"a property that was left out": {
			spoil: func(_ *testing.T, s *story) {
				s.taken[0].Properties = []byte(strings.Replace(string(s.taken[0].Properties), `"$ai_model":`, `"$ai_moddel":`, 1))
			},
			want: "changed 1",
		},
		"a property that was added": {
			spoil: func(_ *testing.T, s *story) {
				s.taken[0].Properties = append([]byte(`{"more":1,`), s.taken[0].Properties[1:]...)
			},
			want: "changed 1",
		},
		"another distinct id": {
			spoil: func(_ *testing.T, s *story) { s.taken[0].DistinctID += "x" },
			want:  "changed 1",
		},
		"another timestamp": {
			spoil: func(_ *testing.T, s *story) { s.taken[0].Timestamp = "2026-01-31T12:00:09Z" },
			want:  "changed 1",
		},
		"another project's key": {
			spoil: func(_ *testing.T, s *story) { s.taken[0].APIKey = "phc_chaos_somebody" },
			want:  "misdirected 1",
		},
		"content at a private destination": {
			spoil: func(t *testing.T, s *story) {
				t.Helper()
				at := s.of(t, "private.main")
				r, d := s.recordOf(t, s.taken[at].UUID)
				public := *d
				public.Private = false
				s.taken[at], _ = eventOf(t, r, &public)
			},
			want: "changed 1",
		},
		"an event that lost a note while it was held in private": {
			spoil: func(t *testing.T, s *story) {
				t.Helper()
				for _, r := range s.records {
					if r.Kind != load.Good || r.Subject != "private" || !strings.Contains(string(r.Body), `"max_tokens":"many"`) {
						continue
					}
					d := s.load.Tenant("private").Destinations[0]
					right, _ := eventOf(t, r, d)
					decoded, err := record.Decode(r.Body)
					if err != nil {
						t.Fatal(err)
					}
					held := *r
					held.Body = privacy.Stored(r.Body, decoded, privacy.RulesOf(d.Rules(true)))
					for i := range s.taken {
						if s.taken[i].UUID == right.UUID {
							s.taken[i], _ = eventOf(t, &held, d)
						}
					}
					return
				}
			},
			want: "forgotten 1",
		},
		"an event that sampling leaves out": {
			spoil: func(t *testing.T, s *story) {
				t.Helper()
				for _, r := range s.records {
					if r.Kind != load.Good || r.Subject != "picky" {
						continue
					}
					d := s.load.Tenant("picky").Destinations[0]
					if _, ok := eventOf(t, r, d); ok {
						continue
					}
					all := *d
					all.Sampling = 1
					e, _ := eventOf(t, r, &all)
					s.taken = append(s.taken, e)
					return
				}
			},
			want: "leaked 1",
		},
		"a burial that no fault explains": {
			spoil: func(t *testing.T, s *story) {
				t.Helper()
				at := s.of(t, "calm-0.main")
				s.bury(t, at, "dropped")
				s.remove(at)
			},
			want: "misburied 1",
		},
		"a good record that is buried as a whole": {
			spoil: func(t *testing.T, s *story) {
				t.Helper()
				at := s.of(t, "calm-0.main")
				s.bury(t, at, "crashes_worker").Destination = "_"
				s.remove(at)
			},
			want: "misburied 1",
		},
		"a burial for another reason than the fault's": {
			spoil: func(t *testing.T, s *story) {
				t.Helper()
				at := s.of(t, "strict.main")
				s.bury(t, at, "held_full")
				s.remove(at)
			},
			prepare: func(o *oracle.Oracle) { o.Condemn("strict.main", "too_large") },
			want:    "misburied 1",
		},
		"a letter with another body": {
			spoil: func(t *testing.T, s *story) {
				t.Helper()
				at := s.of(t, "strict.main")
				s.bury(t, at, "too_large").Body = []byte(`{}`)
				s.remove(at)
			},
			prepare: func(o *oracle.Oracle) { o.Condemn("strict.main", "too_large") },
			want:    "changed 1",
		},
		"a private letter with content": {
			spoil: func(t *testing.T, s *story) {
				t.Helper()
				at := s.of(t, "private.main")
				r, _ := s.recordOf(t, s.taken[at].UUID)
				s.bury(t, at, "too_large").Body = r.Body
				s.remove(at)
			},
			prepare: func(o *oracle.Oracle) { o.Condemn("private.main", "too_large") },
			want:    "changed 1",
		},
		"delivered and buried, without a lost answer": {
			spoil: func(t *testing.T, s *story) {
				t.Helper()
				s.bury(t, s.of(t, "strict.main"), "too_large")
			},
			prepare: func(o *oracle.Oracle) { o.Condemn("strict.main", "too_large") },
			want:    "both 1",
		},
		"an acknowledged record that was never intended": {
			spoil:   func(*testing.T, *story) {},
			prepare: func(o *oracle.Oracle) { o.Acked(records + 5) },
			want:    "sums 1",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := tell(t)
			tt.spoil(t, s)
			if got := s.judge(t, tt.prepare).FindingCounts(); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestWhatFaultsExplainIsNoFinding(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		spoil   func(t *testing.T, s *story)
		prepare func(*oracle.Oracle)
		check   func(*oracle.Verdict) bool
	}{
		"an event that came twice is a copy": {
			spoil: func(_ *testing.T, s *story) { s.taken = append(s.taken, s.taken[0], s.taken[0]) },
			check: func(v *oracle.Verdict) bool { return v.Copies == 2 },
		},
		"a burial of the reason that a fault gives": {
			spoil: func(t *testing.T, s *story) {
				t.Helper()
				at := s.of(t, "private.main")
				s.bury(t, at, "too_large")
				s.remove(at)
			},
			prepare: func(o *oracle.Oracle) { o.Condemn("private.main", "too_large") },
			check:   func(v *oracle.Verdict) bool { return v.Dead == 1 },
		},
		"delivered and buried, after a lost answer": {
			spoil: func(t *testing.T, s *story) { t.Helper(); s.bury(t, s.of(t, "strict.main"), "too_large") },
			prepare: func(o *oracle.Oracle) {
				o.Condemn("strict.main", "too_large")
				o.Blur("strict.main")
			},
			check: func(v *oracle.Verdict) bool { return v.Both == 1 },
		},
		"a destination that was added too late for a record": {
			spoil: func(t *testing.T, s *story) { t.Helper(); s.remove(s.of(t, "growing.second")) },
			check: func(v *oracle.Verdict) bool { return v.Open == 1 },
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := tell(t)
			tt.spoil(t, s)
			if v := s.judge(t, tt.prepare); !v.Passed() || !tt.check(v) {
				t.Errorf("got %s: %v, %+v", v.FindingCounts(), v.Findings, v)
			}
		})
	}
}

func TestChangesThatAreInForceBind(t *testing.T) {
	t.Parallel()
	s := tell(t)
	s.remove(s.of(t, "growing.second"))
	o := oracle.New(s.load)
	o.Reach("growing.second")
	o.Reach("hush.main")
	for _, r := range s.records {
		if err := o.Intend(r); err != nil {
			t.Fatal(err)
		}
		o.Acked(r.N)
	}
	hushed := 0
	for _, e := range s.taken {
		o.Taken(e)
		if e.APIKey == "phc_chaos_hush_main" {
			hushed++
		}
	}
	for _, l := range s.letters {
		o.Buried(l)
	}
	v := o.Check()
	if v.Counts["missing"] != 1 || v.Counts["changed"] != hushed || len(v.Counts) != 2 {
		t.Errorf("got %s, want 1 missing and %d changed", v.FindingCounts(), hushed)
	}
}

func TestUnknownOutcomesMayOrMayNotBeDelivered(t *testing.T) {
	t.Parallel()
	s := tell(t)
	r, _ := s.recordOf(t, s.taken[0].UUID)
	for name, delivered := range map[string]bool{"delivered": true, "not delivered": false} {
		o := oracle.New(s.load)
		if err := o.Intend(r); err != nil {
			t.Fatal(err)
		}
		if delivered {
			o.Taken(s.taken[0])
		}
		if v := o.Check(); !v.Passed() || v.Unknown != 1 || v.Published != 0 || v.Branches != 0 {
			t.Errorf("%s: got %s, %+v", name, v.FindingCounts(), v)
		}
	}
}

func TestATwinCountsForItsOriginal(t *testing.T) {
	t.Parallel()
	s := tell(t)
	for _, r := range s.records {
		if r.Kind != load.Twin {
			continue
		}
		o := oracle.New(s.load)
		for _, one := range []*load.Record{s.load.Record(r.Of), r} {
			if err := o.Intend(one); err != nil {
				t.Fatal(err)
			}
		}
		o.Acked(r.N) // the original's outcome stays unknown
		v := o.Check()
		if want := len(v.Missing) + v.LeftOut + v.Open; want == 0 || want != v.Branches {
			t.Errorf("record %d: got %+v", r.N, v)
		}
	}
}

func TestALetterThatWithholdsHasToBeOfSomebodyPrivate(t *testing.T) {
	t.Parallel()
	s := tell(t)
	for _, l := range s.letters {
		if l.Tenant == "calm-0" && l.SHA256 == "" {
			withhold(l)
			break
		}
	}
	for _, l := range s.letters {
		if l.Tenant == "private" {
			r := s.records[0]
			for _, one := range s.records {
				if one.MsgID == l.MsgID {
					r = one
				}
			}
			l.Body, l.SHA256 = r.Body, ""
			break
		}
	}
	if got, want := s.judge(t, nil).FindingCounts(), "leaked 1, withheld 1"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
