package replay

import (
	"fmt"
	"io"
	"strconv"
	"text/tabwriter"
	"time"
)

// WriteJobs lists jobs as a table.
func WriteJobs(out io.Writer, jobs []Job, now time.Time, lease time.Duration) error {
	if len(jobs) == 0 {
		_, err := fmt.Fprintln(out, "no replays; hogcast replay starts one")
		return err
	}
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "ID\tSTATE\tREPLAYED\tOF\tSTAY\tCREATED\tLETTERS")
	for _, j := range jobs {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", j.ID, j.state(now, lease), Thousands(j.Tally.Replayed), Thousands(j.Total),
			Thousands(j.Tally.skipped()), stamp(j.Created), j.choice())
	}
	return table.Flush()
}

// state is the job's state as people see it.
func (j *Job) state(now time.Time, lease time.Duration) string {
	switch {
	case j.Stalled(now, lease):
		return "stalled"
	case j.State == Running && j.Wish != "":
		return "running, asked to " + string(j.Wish)
	}
	return string(j.State)
}

// choice tells which letters, and where to.
func (j *Job) choice() string {
	s := j.Filter.String()
	if j.To != "" {
		s += " --to " + j.To
	}
	if j.Move {
		s += " --move"
	}
	return s
}

// WriteJob tells all of one job.
func WriteJob(out io.Writer, j Job, now time.Time, lease time.Duration) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	line := func(key, format string, args ...any) {
		fmt.Fprintf(table, "%s\t%s\n", key, fmt.Sprintf(format, args...))
	}
	line("job", "%s", j.ID)
	line("state", "%s", j.state(now, lease))
	if j.Error != "" {
		line("why", "%s", j.Error)
	}
	line("letters", "%s, through letter %d", j.choice(), j.Filter.Through)
	line("rate", "%s", rateText(j.Rate))
	line("replayed", "%s", j.replayed())
	line("created", "%s", stamp(j.Created))
	line("runner", "%s, heard of at %s", j.Runner, stamp(j.Renewed))
	if !j.Ended.IsZero() {
		line("ended", "%s", stamp(j.Ended))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	writeStays(out, j.Tally)
	_, err := io.WriteString(out, j.next(now, lease))
	return err
}

// Summary is what became of a job, and what to do next.
func Summary(out io.Writer, j Job) error {
	fmt.Fprintf(out, "job %s %s: %s\n", j.ID, summaryState(j.State), j.replayed())
	writeStays(out, j.Tally)
	_, err := io.WriteString(out, j.next(time.Now(), time.Hour))
	return err
}

func summaryState(s State) string {
	switch s {
	case Done, Running:
		return "is " + string(s)
	case Failed:
		return "has failed"
	case Paused, Cancelled:
	}
	return "was " + string(s)
}

func (j *Job) replayed() string {
	s := fmt.Sprintf("%s of %s replayed", Thousands(j.Tally.Replayed), CountLetters(j.Total))
	if j.Tally.Branches != j.Tally.Replayed {
		s += fmt.Sprintf(", to %s destinations in all", Thousands(j.Tally.Branches))
	}
	if j.Tally.Replayed > 0 {
		s += ", " + Size(j.Tally.Bytes)
	}
	if j.Tally.Gone > 0 {
		s += fmt.Sprintf("; %s were deleted by others meanwhile", Thousands(j.Tally.Gone))
	}
	if n := j.unseen(); n > 0 {
		s += fmt.Sprintf("; %s more had gone already: replayed before its runner was killed, dropped or expired", Thousands(n))
	}
	if j.keeps() && j.Tally.Replayed > 0 {
		s += "; the letters stay (--move deletes them)"
	}
	return s
}

// unseen are letters of a job that is done which were not there any more when it
// came to them. A runner that is killed counts its last few seconds nowhere.
func (j *Job) unseen() uint64 {
	if seen := j.Tally.Letters(); j.State == Done && seen < j.Total {
		return j.Total - seen
	}
	return 0
}

// next is what can be done with the job.
func (j *Job) next(now time.Time, lease time.Duration) string {
	switch {
	case j.Stalled(now, lease):
		return fmt.Sprintf("its runner is gone; go on with: hogcast replay resume %s\n", j.ID)
	case j.State == Paused:
		return fmt.Sprintf("go on with: hogcast replay resume %s\n", j.ID)
	}
	return ""
}

func writeStays(out io.Writer, t Tally) {
	writePast(out, t.Past)
	writeReasons(out, t.Skipped, "stays as a dead letter", "stay as dead letters")
}

func writeReasons(out io.Writer, skipped map[Reason]uint64, one, many string) {
	n := Tally{Skipped: skipped}.skipped()
	switch n {
	case 0:
		return
	case 1:
		fmt.Fprintf(out, "1 %s:\n", one)
	default:
		fmt.Fprintf(out, "%s %s:\n", Thousands(n), many)
	}
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, reason := range Reasons() {
		if n := skipped[reason]; n > 0 {
			fmt.Fprintf(table, "  %s\t%s\t%s\n", Thousands(n), reason, reason.Hint())
		}
	}
	_ = table.Flush() // out reports the next write
}

// Write tells what a job of that rate would do.
func (s Survey) Write(out io.Writer, rate float64) error {
	takes := "as fast as the queue takes them"
	if rate > 0 {
		takes = fmt.Sprintf("in %s at %s", minutes(s.Takes(rate)), rateText(rate))
	}
	fmt.Fprintf(out, "%s would be replayed of %s that match: %s, %s\n", CountLetters(s.Replayed()), Thousands(s.Letters), Size(s.Bytes), takes)
	writePast(out, s.Past)
	writeReasons(out, s.Skipped, "would stay as a dead letter", "would stay as dead letters")
	if s.Unread == 0 {
		return nil
	}
	_, err := fmt.Fprintf(out, "%s not read for this: their age is that of their publishing, and some of them may stay\n", wasOrWere(s.Unread))
	return err
}

func wasOrWere(n uint64) string {
	if n == 1 {
		return "1 was"
	}
	return Thousands(n) + " were"
}

// CountLetters is `1 letter`, `2 letters`.
func CountLetters(n uint64) string {
	if n == 1 {
		return "1 letter"
	}
	return Thousands(n) + " letters"
}

func writePast(out io.Writer, n uint64) {
	if n > 0 {
		fmt.Fprintf(out, "more than 30 days old: %s; PostHog keeps the metadata of those, but neither prompts nor completions\n", Thousands(n))
	}
}

func minutes(d time.Duration) string {
	if d < time.Minute {
		return "less than a minute"
	}
	return fmt.Sprintf("about %s min", Thousands(uint64(d.Round(time.Minute)/time.Minute))) //nolint:gosec // not negative
}

func rateText(rate float64) string {
	if rate <= 0 {
		return "no limit"
	}
	return strconv.FormatFloat(rate, 'f', -1, 64) + " letters a second"
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// Thousands writes a number with its thousands set apart: 12,345.
func Thousands(n uint64) string {
	s := strconv.FormatUint(n, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// Size writes a number of bytes: 3.4 MB.
func Size(n uint64) string {
	const step = 1000
	if n < step {
		return fmt.Sprintf("%d bytes", n)
	}
	size, units := float64(n)/step, "kMGTPE"
	for size >= step && len(units) > 1 {
		size, units = size/step, units[1:]
	}
	return fmt.Sprintf("%.1f %cB", size, units[0])
}
