package doctor

import (
	"encoding/json"
	"fmt"
	"strings"
)

// Report is what is told of the findings.
type Report struct {
	Server   string // URL
	Findings []Finding
}

// jsonReport is the form for scripts.
type jsonReport struct {
	Server   string        `json:"server"`
	Worst    Level         `json:"worst"` // without what is accepted
	Counts   map[Level]int `json:"counts"`
	Findings []Finding     `json:"findings"`
}

// JSON is one indented object: every finding, what is well too.
func (r Report) JSON() (string, error) {
	var out strings.Builder
	enc := json.NewEncoder(&out)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	err := enc.Encode(jsonReport{r.Server, Worst(r.Findings), r.counts(), r.Findings})
	return out.String(), err
}

func (r Report) counts() map[Level]int {
	n := map[Level]int{OK: 0, Warning: 0, Problem: 0, Unknown: 0}
	for _, f := range r.Findings {
		if f.Accepted {
			n[OK]++
			continue
		}
		n[f.Level]++
	}
	return n
}

// Text is the findings for people: what is well on one line a subject, the
// rest with why it matters and what mends it.
func (r Report) Text(color bool) string {
	out := &lines{color: color}
	var group Group
	for i := 0; i < len(r.Findings); {
		subject := r.subject(i)
		if subject[0].Group != group {
			if group != "" {
				out.line("")
			}
			group = subject[0].Group
			out.line(out.bold(heading(group, r.Server)))
		}
		out.subject(subject)
		i += len(subject)
	}
	out.line("")
	out.line(r.summary(out))
	return out.text.String()
}

func heading(g Group, server string) string {
	if g == Servers && server != "" {
		return string(g) + "  " + server
	}
	return string(g)
}

// subject is the findings from i on that are about the same.
func (r Report) subject(i int) []Finding {
	end := i
	for end < len(r.Findings) && r.Findings[end].Subject == r.Findings[i].Subject && r.Findings[end].Group == r.Findings[i].Group {
		end++
	}
	return r.Findings[i:end]
}

func (r Report) summary(out *lines) string {
	n := r.counts()
	var parts []string
	for _, p := range []struct {
		level Level
		text  string
	}{{Problem, plural(n[Problem], "problem")}, {Warning, plural(n[Warning], "warning")}, {Unknown, count(n[Unknown]) + " unknown"}} {
		if n[p.level] > 0 {
			parts = append(parts, out.paint(p.level, p.text))
		}
	}
	if len(parts) == 0 {
		return out.paint(OK, fmt.Sprintf("all %d checks passed", len(r.Findings)))
	}
	return fmt.Sprintf("%s; %d of %d checks passed", strings.Join(parts, ", "), n[OK], len(r.Findings))
}

// lines gathers the text.
type lines struct {
	text  strings.Builder
	color bool
}

func (l *lines) line(text string) { l.text.WriteString(strings.TrimRight(text, " ") + "\n") }

// subject writes what is well, and then what is not.
func (l *lines) subject(all []Finding) {
	var well []string
	for _, f := range all {
		if f.Level == OK && f.Brief != "" {
			well = append(well, f.Brief)
		}
	}
	name := all[0].Subject
	if name != "" {
		name += "  "
	}
	if len(well) > 0 {
		l.line(l.mark(OK) + name + strings.Join(well, "; "))
	}
	for _, f := range all {
		if f.Level != OK {
			l.finding(name, f)
		}
	}
}

func (l *lines) finding(name string, f Finding) {
	if f.Accepted {
		l.line(l.mark(OK) + name + f.What + " (accepted)")
		return
	}
	l.line(l.mark(f.Level) + name + f.What + l.faint("  ["+f.Check+"]"))
	l.line("           why   " + f.Why)
	l.line("           mend  " + f.Mend)
}

// mark is the level, as wide for each.
func (l *lines) mark(level Level) string {
	return "  " + l.paint(level, fmt.Sprintf("%-9s", level))
}

var colors = map[Level]string{OK: "32", Warning: "33", Problem: "1;31", Unknown: "36"}

func (l *lines) paint(level Level, text string) string { return l.escape(colors[level], text) }
func (l *lines) bold(text string) string               { return l.escape("1", text) }
func (l *lines) faint(text string) string              { return l.escape("2", text) }

func (l *lines) escape(code, text string) string {
	if !l.color {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}
