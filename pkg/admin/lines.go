package admin

import (
	"io"
	"strings"
	"unicode/utf8"
)

// lines are a table whose last column takes what is left of a screen: it is cut,
// since others tell all of it.
type lines struct {
	out   io.Writer
	whole bool // the last column is not cut: it is a name
	rows  [][]string
}

const (
	// screen is how wide a line is at most, in characters, and lastLeast what the
	// last column has however wide the others are.
	screen, lastLeast = 120, 20
	columnGap         = 2
	// flushEach bounds what is kept to set columns by.
	flushEach = 500
)

func (l *lines) add(row ...string) { l.rows = append(l.rows, row) }

// flush writes what was added since the last.
func (l *lines) flush() error {
	if len(l.rows) == 0 {
		return nil
	}
	last := len(l.rows[0]) - 1
	widths, left := make([]int, last), screen
	for i := range widths {
		for _, row := range l.rows {
			widths[i] = max(widths[i], utf8.RuneCountInString(row[i]))
		}
		left -= widths[i] + columnGap
	}
	var text strings.Builder
	for _, row := range l.rows {
		for i, width := range widths {
			text.WriteString(row[i])
			text.WriteString(strings.Repeat(" ", width-utf8.RuneCountInString(row[i])+columnGap))
		}
		text.WriteString(l.last(row[last], max(left, lastLeast)))
		text.WriteByte('\n')
	}
	l.rows = l.rows[:0]
	_, err := io.WriteString(l.out, text.String())
	return err
}

// last leaves of the last column so many characters.
func (l *lines) last(s string, most int) string {
	if text := []rune(s); !l.whole && len(text) > most {
		return string(text[:most-1]) + "…"
	}
	return s
}
