package main

import (
	"math"
	"testing"
)

func TestPercentileIsTheValueThatEnoughDoNotExceed(t *testing.T) {
	t.Parallel()
	var hundred []float64
	for i := range 100 {
		hundred = append(hundred, float64(i+1))
	}
	for name, tt := range map[string]struct {
		values  []float64
		q, want float64
	}{
		"the least":                  {hundred, 0, 1},
		"the middle":                 {hundred, 0.5, 50},
		"one in a hundred is slower": {hundred, 0.99, 99},
		"the most":                   {hundred, 1, 100},
		"of one value":               {[]float64{7}, 0.99, 7},
		"of three, the last":         {[]float64{1, 2, 3}, 0.99, 3},
		"of none":                    {nil, 0.5, math.NaN()},
	} {
		if got := percentile(tt.values, tt.q); got != tt.want && !math.IsNaN(tt.want) {
			t.Errorf("%s: got %v, want %v", name, got, tt.want)
		}
	}
}

func TestMedianOfAnEvenCountIsBetweenTheMiddleTwo(t *testing.T) {
	t.Parallel()
	values := []float64{9, 1, 4, 2}
	if got := median(values); got != 3 {
		t.Errorf("got %v, want 3", got)
	}
	if values[0] != 9 {
		t.Error("the values were sorted in place")
	}
	if got := median([]float64{5, 1, 3}); got != 3 {
		t.Errorf("of three: got %v, want 3", got)
	}
}

func TestSlopeIsOfTheLineThatFits(t *testing.T) {
	t.Parallel()
	if got := slope([]float64{0, 1, 2, 3}, []float64{5, 7, 9, 11}); math.Abs(got-2) > 1e-9 {
		t.Errorf("rising: got %v, want 2", got)
	}
	if got := slope([]float64{0, 1, 2, 3}, []float64{1, -1, -1, 1}); math.Abs(got) > 1e-9 {
		t.Errorf("level: got %v, want 0", got)
	}
	if got := slope(nil, nil); got != 0 {
		t.Errorf("of nothing: got %v, want 0", got)
	}
}

func TestSteadyRateLeavesTheEndsOut(t *testing.T) {
	t.Parallel()
	var moments []float64
	for i := range 100 {
		moments = append(moments, 10+float64(i)/50) // 50 a second
	}
	moments[0], moments[99] = 0, 1000 // slow to begin and to end
	if got := steadyRate(moments); math.Abs(got-50) > 0.01 {
		t.Errorf("got %v, want 50", got)
	}
	if got := steadyRate(moments[:10]); !math.IsNaN(got) {
		t.Errorf("of ten: got %v, want none", got)
	}
}
