package main

import (
	"math"
	"slices"
)

// percentile of sorted values: the smallest that at least a share of q (0–1) of
// them does not exceed. NaN where there are none.
func percentile(sorted []float64, q float64) float64 {
	if len(sorted) == 0 {
		return math.NaN()
	}
	rank := int(math.Ceil(q * float64(len(sorted))))
	return sorted[min(max(rank-1, 0), len(sorted)-1)]
}

// median of values, which it does not change.
func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	if len(sorted) == 0 {
		return math.NaN()
	}
	return (sorted[(len(sorted)-1)/2] + sorted[len(sorted)/2]) / 2
}

// slope of the line that fits the points best, in y per x; 0 for fewer than
// two points.
func slope(x, y []float64) float64 {
	meanX, meanY := mean(x), mean(y)
	var up, down float64
	for i := range x {
		up += (x[i] - meanX) * (y[i] - meanY)
		down += (x[i] - meanX) * (x[i] - meanX)
	}
	if down == 0 {
		return 0
	}
	return up / down
}

func mean(values []float64) float64 {
	var sum float64
	for _, v := range values {
		sum += v
	}
	return sum / float64(len(values))
}

// steadyRate is the rate, a second, of ascending moments in seconds, without
// the twentieth at either end: filling and emptying the pipe is not its flow.
func steadyRate(moments []float64) float64 {
	if len(moments) < 40 {
		return math.NaN()
	}
	cut := len(moments) / 20
	middle := moments[cut : len(moments)-cut]
	return float64(len(middle)-1) / (middle[len(middle)-1] - middle[0])
}
