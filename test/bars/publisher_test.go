package main

import "testing"

func TestAFlowMakesUpForBeingLateButNotForBeingShut(t *testing.T) {
	t.Parallel()
	open := true
	f := &flow{rate: 100, open: func() bool { return open }}
	send := func(elapsed float64, want int) {
		t.Helper()
		got := f.due(elapsed)
		if got != want {
			t.Errorf("after %v s: %d due, want %d", elapsed, got, want)
		}
		f.sent += got
	}
	send(0.1, 10)
	send(0.1, 0)
	send(0.5, 40) // late
	open = false
	send(1.5, 0)
	send(2.5, 0)
	open = true
	send(2.6, 10)
	f.limit = f.sent + 3
	send(9, 3)
	send(10, 0)
}
