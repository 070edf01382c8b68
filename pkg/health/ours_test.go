package health_test

import (
	"testing"
	"time"

	"github.com/hogcast/hogcast/pkg/health"
)

func TestAFaultIsOursWhenAllThatWasReachedLatelyIsNotAnyMore(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	ago := func(answered, unreached time.Duration) health.Endpoint {
		return health.Endpoint{Answered: now.Add(-answered), Unreached: now.Add(-unreached)}
	}
	cut := ago(10*time.Second, time.Second)
	for name, tt := range map[string]struct {
		all  []health.Endpoint
		want bool
	}{
		"three cut at once":                   {[]health.Endpoint{cut, cut, cut}, true},
		"two may be down by themselves":       {[]health.Endpoint{cut, cut}, false},
		"another answers":                     {[]health.Endpoint{cut, cut, cut, ago(time.Second, time.Hour)}, false},
		"another was not asked":               {[]health.Endpoint{cut, cut, cut, ago(time.Minute, time.Minute)}, false},
		"what was never reached counts not":   {[]health.Endpoint{cut, cut, {Unreached: now}}, false},
		"three cut beside one never reached":  {[]health.Endpoint{cut, cut, cut, {Unreached: now}}, true},
		"three that have been down for hours": {[]health.Endpoint{ago(time.Hour, 0), ago(time.Hour, 0), ago(time.Hour, 0)}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := health.Ours(now, tt.all); got != tt.want {
				t.Errorf("got %t", got)
			}
		})
	}
}
