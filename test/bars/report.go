package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"runtime"
	"strings"
	"text/tabwriter"
	"time"
)

// bar is a figure that has to be within a limit.
type bar struct {
	Name    string  `json:"name"`
	Value   float64 `json:"value"`
	AtLeast bool    `json:"at_least,omitempty"` // else at most
	Limit   float64 `json:"limit"`
	Unit    string  `json:"unit,omitempty"`
	Pass    bool    `json:"pass"`
}

// figure is a raw number.
type figure struct {
	Name  string  `json:"name"`
	Value float64 `json:"value"`
	Unit  string  `json:"unit,omitempty"`
}

// result is what a scenario found.
type result struct {
	Scenario string   `json:"scenario"`
	Commit   string   `json:"commit"`
	When     string   `json:"when"`
	Quick    bool     `json:"quick"`
	CPUs     int      `json:"cpus"`
	Rounds   int      `json:"rounds"`
	Bars     []bar    `json:"bars"`
	Figures  []figure `json:"figures"`
}

// unmeasured stands for NaN and infinity, which JSON can't hold; it passes no
// bar.
const unmeasured = -1

func sound(v float64) float64 {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return unmeasured
	}
	return v
}

func (r *result) atMost(name string, value, limit float64, unit string) {
	v := sound(value)
	r.Bars = append(r.Bars, bar{Name: name, Value: v, Limit: limit, Unit: unit, Pass: v != unmeasured && v <= limit})
}

func (r *result) atLeast(name string, value, limit float64, unit string) {
	v := sound(value)
	r.Bars = append(r.Bars, bar{Name: name, Value: v, AtLeast: true, Limit: limit, Unit: unit, Pass: v >= limit})
}

func (r *result) figure(unit, name string, value float64) {
	r.Figures = append(r.Figures, figure{Name: name, Value: sound(value), Unit: unit})
}

func (r *result) passed() bool {
	for _, b := range r.Bars {
		if !b.Pass {
			return false
		}
	}
	return len(r.Bars) > 0
}

// medians makes one result of the rounds': the median of each figure, and the
// verdict on it. Counts that must be 0 are summed up by their bar: one loss in
// three rounds is a loss.
func medians(rounds []*result) *result {
	all := *rounds[0]
	all.Rounds, all.Bars, all.Figures = len(rounds), nil, nil
	for i, b := range rounds[0].Bars {
		values := column(rounds, func(r *result) float64 { return r.Bars[i].Value })
		// Some limits follow from the rate that the round measured.
		limit := median(column(rounds, func(r *result) float64 { return r.Bars[i].Limit }))
		switch value := median(values); {
		case b.Limit == 0:
			all.atMost(b.Name, worst(values), 0, b.Unit)
		case b.AtLeast:
			all.atLeast(b.Name, value, limit, b.Unit)
		default:
			all.atMost(b.Name, value, limit, b.Unit)
		}
	}
	for i, f := range rounds[0].Figures {
		all.figure(f.Unit, f.Name, median(column(rounds, func(r *result) float64 { return r.Figures[i].Value })))
	}
	return &all
}

func column(rounds []*result, value func(*result) float64) []float64 {
	values := make([]float64, 0, len(rounds))
	for _, r := range rounds {
		values = append(values, value(r))
	}
	return values
}

func worst(values []float64) float64 {
	most := values[0]
	for _, v := range values {
		if v == unmeasured {
			return math.NaN()
		}
		most = max(most, v)
	}
	return most
}

func number(v float64, unit string) string {
	switch {
	case v == unmeasured:
		return "not measured"
	case unit == "":
		return fmt.Sprintf("%.0f", v)
	case unit == "/s", unit == "MB", unit == "ms":
		return fmt.Sprintf("%.0f %s", v, unit)
	}
	return fmt.Sprintf("%.2f %s", v, unit)
}

func (b *bar) sign() string {
	if b.AtLeast {
		return "≥"
	}
	return "≤"
}

func (b *bar) verdict() string {
	if b.Pass {
		return "PASS"
	}
	return "FAIL"
}

// write prints the table for people and one line of JSON.
func (r *result) write(w io.Writer) error {
	fmt.Fprintf(w, "\n%s%s of %s, %d CPUs, median of %d\n\n", r.Scenario, r.pace(), r.Commit, r.CPUs, r.Rounds)
	t := tabwriter.NewWriter(w, 0, 0, 3, ' ', 0)
	for _, b := range r.Bars {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s %s\n", b.verdict(), b.Name, number(b.Value, b.Unit), b.sign(), number(b.Limit, b.Unit))
	}
	for _, f := range r.Figures {
		fmt.Fprintf(t, "\t%s\t%s\n", f.Name, number(f.Value, f.Unit))
	}
	if err := t.Flush(); err != nil {
		return fmt.Errorf("writing the table: %w", err)
	}
	fmt.Fprintln(w)
	if err := json.NewEncoder(w).Encode(r); err != nil {
		return fmt.Errorf("writing the result: %w", err)
	}
	return nil
}

func (r *result) pace() string {
	if r.Quick {
		return " (quick)"
	}
	return ""
}

// row is the result as one row of docs/bars.md.
func (r *result) row() string {
	bars := make([]string, 0, len(r.Bars))
	for _, b := range r.Bars {
		text := fmt.Sprintf("%s %s (%s %s)", b.Name, number(b.Value, b.Unit), b.sign(), number(b.Limit, b.Unit))
		if !b.Pass {
			text = "**" + text + " FAIL**"
		}
		bars = append(bars, text)
	}
	figures := make([]string, 0, len(r.Figures))
	for _, f := range r.Figures {
		figures = append(figures, f.Name+" "+number(f.Value, f.Unit))
	}
	return fmt.Sprintf("| %s | %s | %s%s | %d × %d CPUs | %s | %s |\n", r.When[:10], r.Commit, r.Scenario, r.pace(),
		r.Rounds, r.CPUs, strings.Join(bars, " · "), strings.Join(figures, " · "))
}

// appendRow adds the row to the end of a file.
func (r *result) appendRow(file string) error {
	f, err := os.OpenFile(file, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return fmt.Errorf("appending the result: %w", err)
	}
	if _, err := f.WriteString(r.row()); err != nil {
		_ = f.Close()
		return fmt.Errorf("appending the result: %w", err)
	}
	return f.Close()
}

func newResult(scenario, commit string, quick bool) *result {
	return &result{
		Scenario: scenario, Commit: commit, Quick: quick, CPUs: runtime.NumCPU(), Rounds: 1,
		When: time.Now().UTC().Format(time.RFC3339),
	}
}
