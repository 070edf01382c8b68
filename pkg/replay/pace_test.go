package replay

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

func TestLettersAreSpacedOut(t *testing.T) {
	t.Parallel()
	for rate, want := range map[float64]time.Duration{
		0: 0, 100: 90 * time.Millisecond, 0.5: 18 * time.Second, // ten letters have nine spaces
	} {
		synctest.Test(t, func(t *testing.T) {
			began := time.Now()
			p := pace{rate: rate, look: time.Second}
			for range 10 {
				if !p.wait(t.Context(), func(context.Context) bool { return true }) {
					t.Error("it would not go on")
				}
			}
			if got := time.Since(began); got != want {
				t.Errorf("%v a second: ten took %s, want %s", rate, got, want)
			}
		})
	}
}

func TestALongWaitEndsWhenItIsTold(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := pace{rate: 0.001, look: time.Second}
		p.wait(t.Context(), nil)
		asked := 0
		went := p.wait(t.Context(), func(context.Context) bool { asked++; return asked < 3 })
		if went || asked != 3 {
			t.Errorf("went on: %t, after %d questions", went, asked)
		}
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(300*time.Millisecond, cancel)
		if began := time.Now(); p.wait(ctx, nil) || time.Since(began) != 300*time.Millisecond {
			t.Errorf("it waited for %s", time.Since(began))
		}
	})
}
