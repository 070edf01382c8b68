package config

import (
	"maps"
	"slices"
)

// maxSuggested bounds the work for a name that is no name at all.
const maxSuggested = 64

// nearest is the key of known that differs least from name, or empty where
// nothing is near: more than a third of its letters wrong.
func nearest[V any](name string, known map[string]V) string {
	if len(name) > maxSuggested {
		return ""
	}
	best, least := "", max(2, len(name)/3)+1
	for _, candidate := range slices.Sorted(maps.Keys(known)) {
		if d := distance(name, candidate); d < least {
			best, least = candidate, d
		}
	}
	return best
}

func didYouMean(name string) string {
	if name == "" {
		return ""
	}
	return "; did you mean " + name + "?"
}

// distance is Levenshtein's, where two letters changed round count as one.
func distance(a, b string) int {
	var before []int
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		next := make([]int, len(b)+1)
		next[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			next[j+1] = min(row[j]+cost, row[j+1]+1, next[j]+1)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				next[j+1] = min(next[j+1], before[j-1]+1)
			}
		}
		before, row = row, next
	}
	return row[len(b)]
}
