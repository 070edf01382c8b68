package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/hogcast/hogcast/test/chaos/plan"
)

func (r *result) word() string {
	if r.passed() {
		return "pass"
	}
	return "FAIL"
}

func (r *result) sum(verbs ...plan.Verb) int {
	n := 0
	for _, v := range verbs {
		n += r.verbs[v]
	}
	return n
}

// summary is the run in one line.
func (r *result) summary() string {
	v := r.verdict
	return fmt.Sprintf("seed=%d faults=%s rate=%d workers=%d published=%d branches=%d delivered=%d copies=%d dead=%d both=%d "+
		"left_out=%d open=%d hostile=%d letters={%s} kills=%d stops=%d terms=%d rolls=%d nats={kills=%d terms=%d stops=%d step_downs=%d} "+
		"posthog=%d hosts=%d config=%d %sunknown=%d missing=%d drained_in=%.1fs took=%.0fs verdict=%s",
		r.seed, r.duration, r.rate, r.workers, v.Published, v.Branches, v.Delivered, v.Copies, v.Dead, v.Both,
		v.LeftOut, v.Open, v.Hostile, v.DeadByReason(),
		r.sum(plan.KillWorker), r.sum(plan.StopWorker), r.sum(plan.TermWorker), r.sum(plan.Roll),
		r.sum(plan.KillNode)+2*r.sum(plan.KillNodes), r.sum(plan.TermNode), r.sum(plan.StopNode), r.sum(plan.StepDown),
		r.sum(plan.PostHog), r.sum(plan.Host), r.configurations(), r.network("net={cuts=%d one_way=%d splits=%d lost=%d full=%d all_full=%d restarted=%d left_out=%d} "), v.Unknown, len(v.Missing),
		r.drainIn.Seconds(), r.took.Seconds(), r.word())
}

// network tells what happened to hosts; "" where there were none.
func (r *result) network(format string) string {
	if !r.net {
		return ""
	}
	skipped := 0
	for _, n := range r.skipped {
		skipped += n
	}
	return fmt.Sprintf(format, r.sum(plan.Partition), r.sum(plan.OneWay), r.sum(plan.Split), r.sum(plan.LoseNode),
		r.sum(plan.FillDisk), r.sum(plan.FillDisks), r.restarted, skipped)
}

func (r *result) configurations() int {
	return r.sum(plan.Pause, plan.Move, plan.Flip, plan.Settle, plan.Garble, plan.Vanish)
}

// shownFindings and shownMissing bound what is printed of a run that failed;
// the rest is counted.
const (
	shownFindings = 40
	shownMissing  = 15
)

// print prints the summary, and of a run that failed what is wrong and where
// it was seen last.
func (r *result) print(w io.Writer) {
	fmt.Fprintln(w, r.summary())
	for _, err := range r.troubles {
		fmt.Fprintln(w, "  harness:", err)
	}
	if r.passed() {
		r.printDir(w)
		return
	}
	fmt.Fprintf(w, "  findings: %s\n", r.verdict.FindingCounts())
	shown := 0
	for _, f := range r.verdict.Findings {
		if f.Kind == "missing" {
			continue // told below, with where it was seen last
		}
		if shown++; shown > shownFindings {
			fmt.Fprintln(w, "  … and more")
			break
		}
		fmt.Fprintln(w, "  "+f.String())
	}
	r.printMissing(w)
	if len(r.where) > 0 {
		fmt.Fprintf(w, "  oldest left: %s\n", r.where[0])
	}
	r.printDir(w)
	fmt.Fprintf(w, "  again: SEED=%d DURATION=%s make %s\n", r.seed, r.duration, r.target())
}

// printMissing tells of missing branches where they were seen last: those that
// are in no stream are lost, and come first.
func (r *result) printMissing(w io.Writer) {
	seen := map[string][]string{} // by message id
	for _, l := range r.where {
		seen[l.MsgID] = append(seen[l.MsgID], fmt.Sprintf("%s %d %s %s", l.Stream, l.Sequence, l.Subject, l.Reason))
	}
	var lost, waiting []string
	for _, m := range r.verdict.Missing {
		line := fmt.Sprintf("record %d for %s.%s, message id %.60q", m.Record, m.Tenant, m.Destination, m.MsgID)
		if where := seen[m.MsgID]; where != nil {
			waiting = append(waiting, line+": "+strings.Join(where, "; "))
		} else {
			lost = append(lost, line)
		}
	}
	list(w, "lost, in no stream any more", lost)
	list(w, "missing, still in a stream", waiting)
}

func list(w io.Writer, what string, lines []string) {
	if len(lines) > 0 {
		fmt.Fprintf(w, "  %s: %d\n", what, len(lines))
	}
	for i, line := range lines {
		if i == shownMissing {
			fmt.Fprintf(w, "    … and %d more\n", len(lines)-i)
			return
		}
		fmt.Fprintln(w, "    "+line)
	}
}

// target is make's, that makes such runs.
func (r *result) target() string {
	if r.net {
		return "chaos-cluster"
	}
	return "chaos"
}

func (r *result) printDir(w io.Writer) {
	if r.dir != "" {
		fmt.Fprintf(w, "  logs, stores and schedule are in %s\n", r.dir)
	}
}

// row is the run's row in docs/chaos.md.
func (r *result) row(commit string) string {
	v := r.verdict
	verdict := r.word()
	if !r.passed() {
		verdict += ": " + v.FindingCounts()
	}
	return fmt.Sprintf("| %s | %d | %s | %s | %d | %d | %d | %d | %d | %d | %d/%d/%d | %d/%d/%d | %s | %d | %d | %.0f s | %s |\n",
		r.began.UTC().Format(time.DateOnly), r.seed, commit, r.duration, v.Published, v.Branches, v.Delivered, v.Copies,
		v.Dead+v.Both+v.Hostile, v.LeftOut,
		r.sum(plan.KillWorker), r.sum(plan.StopWorker), r.sum(plan.TermWorker)+r.workers*r.sum(plan.Roll),
		r.sum(plan.KillNode)+2*r.sum(plan.KillNodes), r.sum(plan.TermNode, plan.StopNode), r.sum(plan.StepDown),
		r.network("%d/%d/%d, %d, %d/%d/%d, %d"),
		r.sum(plan.PostHog, plan.Host), r.configurations(), r.drainIn.Seconds(), verdict)
}

// appendRow adds the run to the list of runs.
func appendRow(file, row string) error {
	f, err := os.OpenFile(file, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return fmt.Errorf("adding the run to the list: %w", err)
	}
	if _, err := f.WriteString(row); err != nil {
		_ = f.Close()
		return fmt.Errorf("adding the run to the list: %w", err)
	}
	return f.Close()
}
