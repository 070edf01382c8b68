// Command scale simulates fleets that fit on no developer's machine: up to
// hundreds of workers, ten thousand tenants and tens of shards. It deals
// tenants out as NATS and the workers do, by the code's own hashes, and takes the
// prices of records, requests and consumers from measurements (docs/scaling.md
// says which). It stands beside the layers.
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"text/tabwriter"
)

func main() {
	f := defaults()
	flag.Float64Var(&f.Rate, "rate", f.Rate, "records a second")
	flag.IntVar(&f.Tenants, "tenants", f.Tenants, "active tenants")
	flag.IntVar(&f.Workers, "workers", f.Workers, "workers")
	flag.IntVar(&f.Shards, "shards", f.Shards, "generation streams")
	flag.IntVar(&f.Nodes, "nodes", f.Nodes, "NATS nodes")
	flag.Float64Var(&f.Skew, "skew", f.Skew, "exponent of the tenants' sizes by rank (Zipf); 0: all alike")
	flag.Float64Var(&f.Cores, "cores", f.Cores, "cores of one worker")
	flag.Float64Var(&f.NodeCores, "node-cores", f.NodeCores, "cores of one NATS node")
	table := flag.Bool("table", false, "the table of docs/scaling.md in place of one fleet")
	flag.Parse()
	if *table {
		writeTable(os.Stdout, f)
		return
	}
	writeFleet(os.Stdout, f, simulate(f))
}

func writeFleet(out io.Writer, f fleet, r outcome) {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	row := func(what, format string, args ...any) {
		fmt.Fprintf(w, "%s\t"+format+"\n", append([]any{what}, args...)...)
	}
	row("workers that get records", "%d of %d", r.Busy, f.Workers)
	row("records in a request", "%.1f", r.Batch)
	row("worker CPU for 10,000 records", "%.2f s", r.CPU)
	row("busiest worker", "%.0f %%", 100*r.Load)
	row("busiest stream", "%.0f records/s, %.0f %% of what one takes", r.StreamRate, 100*r.StreamLoad)
	row("requests to PostHog", "%.0f/s", r.Requests)
	row("connections to NATS", "%d", r.Connections)
	row("consumers of the fleet", "%d", r.Consumers)
	row("consumers made a second", "%.0f", r.Made)
	row("memory of a NATS node", "%.0f MB", r.NodeMB)
	row("what breaks first", "%s", r.Limit)
	_ = w.Flush()
}

// writeTable shows one fleet after another.
func writeTable(out io.Writer, f fleet) {
	fmt.Fprintln(out, "| workers | shards | records/s | workers busy | records a request | CPU s / 10k | busiest worker | busiest stream | consumers | made/s | NATS node MB | breaks first |")
	fmt.Fprintln(out, "|---|---|---|---|---|---|---|---|---|---|---|---|")
	for _, c := range []struct {
		workers, shards int
		rate            float64
	}{
		{1, 1, 2000},
		{4, 1, 10_000},
		{8, 4, 20_000},
		{20, 4, 50_000},
		{50, 16, 100_000},
		{100, 16, 150_000},
		{200, 32, 150_000},
		{200, 64, 250_000},
	} {
		f.Workers, f.Shards, f.Rate = c.workers, c.shards, c.rate
		r := simulate(f)
		fmt.Fprintf(out, "| %d | %d | %.0f | %d | %.1f | %.2f | %.0f %% | %.0f %% | %d | %.0f | %.0f | %s |\n", c.workers, c.shards, c.rate,
			r.Busy, r.Batch, r.CPU, 100*r.Load, 100*r.StreamLoad, r.Consumers, r.Made, r.NodeMB, r.Limit)
	}
}
