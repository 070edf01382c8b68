package main

import "testing"

func TestNoNodeIsLostWhileAnotherIsHarmed(t *testing.T) {
	t.Parallel()
	var l losses
	begin := func(loss, want bool) (end func()) {
		t.Helper()
		end, ok := l.begin(loss)
		if ok != want {
			t.Fatalf("loss %v: got %v with %d harms, lost %v", loss, ok, l.harms, l.lost)
		}
		return end
	}
	first, second := begin(false, true), begin(false, true)
	begin(true, false)
	first()
	begin(true, false)
	second()
	lost := begin(true, true)
	begin(false, false)
	begin(true, false)
	lost()
	begin(false, true)()
	begin(true, true)()
}
