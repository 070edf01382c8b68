package doctor

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// number is an integer of any kind.
type number interface{ ~int | ~int64 | ~uint64 }

// count writes a number with its thousands set apart: 12,345.
func count[N number](n N) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// plural is `1 worker`, `2 workers`.
func plural[N number](n N, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return count(n) + " " + what + "s"
}

// size writes bytes: 8 MiB, 1.5 GiB.
func size[N number](n N) string {
	units := []string{"B", "KiB", "MiB", "GiB", "TiB"}
	f, i := float64(n), 0
	for f >= 1024 && i < len(units)-1 {
		f, i = f/1024, i+1
	}
	text := fmt.Sprintf("%.1f", f)
	return strings.TrimSuffix(text, ".0") + " " + units[i]
}

// span writes a duration without the units that are zero: 2m, 1h30m.
func span(d time.Duration) string {
	if d >= time.Second {
		d = d.Round(time.Second)
	} else {
		d = d.Round(time.Millisecond)
	}
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

// percent is how much of a limit is used, rounded down.
func percent(used uint64, limit int64) int {
	if limit <= 0 {
		return 0
	}
	return int(float64(used) / float64(limit) * 100)
}

// tally writes counts by name, the largest first: 3 held, 1 open.
func tally(counts map[string]int) string {
	names := make([]string, 0, len(counts))
	for name := range counts {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int {
		if counts[a] != counts[b] {
			return counts[b] - counts[a]
		}
		return strings.Compare(a, b)
	})
	for i, name := range names {
		names[i] = count(counts[name]) + " " + name
	}
	return strings.Join(names, ", ")
}

func total(counts map[string]int) (n int) {
	for _, c := range counts {
		n += c
	}
	return n
}

func forever(d time.Duration) string {
	if d <= 0 {
		return "never"
	}
	return span(d)
}
