package admin

import (
	"cmp"
	"fmt"
	"strings"
)

func dash(s string) string { return cmp.Or(s, "-") }

// thousands writes a number with its thousands set apart: 12,345.
func thousands[N int | uint64](n N) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// plural is `1 letter`, `2 letters`.
func plural[N int | uint64](n N, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return thousands(n) + " " + strings.TrimSuffix(what, "s") + "s"
}

// branches is `1 held branch`, `2 held branches`.
func branches(n uint64) string {
	if n == 1 {
		return "1 held branch"
	}
	return thousands(n) + " held branches"
}
