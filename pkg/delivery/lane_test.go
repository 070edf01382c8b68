package delivery

import (
	"slices"
	"testing"
)

func TestALaneHasRoomForWhatItsPaceAllows(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		live, background, stalled int // requests under way
		limit                     float64
		waiting                   int // live items
		most                      int
		forLive, forBackground    bool
	}{
		"nothing is under way":                         {limit: 2, most: 16, forLive: true, forBackground: true},
		"the pace is used":                             {live: 1, background: 1, limit: 2.9, most: 16},
		"the destination's own bound is lower":         {live: 1, limit: 8, most: 1},
		"background has half, and live items wait":     {background: 4, limit: 8, waiting: 1, most: 16, forLive: true},
		"background has half, and no live item waits":  {background: 4, limit: 8, most: 16, forLive: true, forBackground: true},
		"background has one at least":                  {limit: 1, waiting: 1, most: 16, forLive: true, forBackground: true},
		"one that stalls takes nothing":                {live: 1, stalled: 1, limit: 1, most: 16, forLive: true, forBackground: true},
		"two that stall do":                            {live: 2, stalled: 2, limit: 1, most: 16},
		"one that stalls, and the bound is reached":    {live: 1, stalled: 1, limit: 1, most: 1},
		"background has more than half from times ago": {background: 3, limit: 4, waiting: 9, most: 16, forLive: true},
	} {
		l := &lane{pace: pace{limit: c.limit}, stalled: c.stalled, flying: [classes]int{c.live, c.background}}
		for range c.waiting {
			l.waiting[live].push(&Item{})
		}
		if got := l.room(live, c.most); got != c.forLive {
			t.Errorf("%s: room for live = %t, want %t", name, got, c.forLive)
		}
		if got := l.room(background, c.most); got != c.forBackground {
			t.Errorf("%s: room for background = %t, want %t", name, got, c.forBackground)
		}
	}
}

func TestADequeKeepsItsOrderAtBothEnds(t *testing.T) {
	t.Parallel()
	var q deque[int]
	var want []int
	for i := range 1000 {
		switch i % 7 {
		case 0, 1, 4:
			q.push(i)
			want = append(want, i)
		case 2, 5:
			q.pushFront(i)
			want = append([]int{i}, want...)
		case 3:
			if got := q.pop(); got != want[0] {
				t.Fatalf("step %d: popped %d, want %d", i, got, want[0])
			}
			want = want[1:]
		case 6:
			if got := q.popBack(); got != want[len(want)-1] {
				t.Fatalf("step %d: popped %d from the back, want %d", i, got, want[len(want)-1])
			}
			want = want[:len(want)-1]
			q.rotate()
			want = append(want[1:], want[0])
		}
	}
	var got []int
	for q.len() > 0 {
		got = append(got, q.pop())
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
