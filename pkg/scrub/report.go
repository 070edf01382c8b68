package scrub

import (
	"cmp"
	"fmt"
	"io"
	"text/tabwriter"
	"time"
)

// WriteJobs shows jobs as a table.
func WriteJobs(out io.Writer, jobs []Job, now time.Time) error {
	if len(jobs) == 0 {
		_, err := fmt.Fprintln(out, "no scrub was asked for yet; a worker starts one when a destination's privacy rules become stricter")
		return err
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "TENANT\tDESTINATION\tSTATE\tLOOKED\tOF\tREWRITTEN\tWITHHELD\tFOREIGN\tSINCE\tBY\tPROBLEM")
	for _, j := range jobs {
		state := j.State
		if j.stalled(now) {
			state = "stalled"
		}
		since := j.Created
		if !j.Ended.IsZero() {
			since = j.Ended
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%d\t%d\t%d\t%d\t%s ago\t%s\t%s\n", j.Tenant, j.Destination, state, j.Looked, j.Total,
			j.Rewritten, j.Withheld, j.Foreign, now.Sub(since).Round(time.Second), cmp.Or(j.By, "a change of rules"), cmp.Or(j.Error, "-"))
	}
	return w.Flush()
}
