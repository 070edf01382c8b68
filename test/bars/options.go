package main

import (
	"context"
	"time"
)

// options are the command line.
type options struct {
	Scenario string `arg:"" enum:"tenant-hang,tenant-503,tenant-429,tenants-down,outage,host-down,tenants-10k,scaling,scaling-kill,scaling-roll,all" help:"${enum}."`

	Quick    bool          `help:"Small numbers, a minute at most: to try it out."`
	Rate     float64       `help:"Records a second in steady phases; default: half of what the worker drains, measured first (host-down: a fifth; outage: 500)."`
	Records  int           `help:"Records that are held, wait, or fill a stream; default as the scenario's bar says."`
	Duration time.Duration `help:"Length of each steady phase; default 60s."`
	Down     string        `enum:",refuse,503,hang" default:"" help:"How a host is down: refuse, 503 or hang; default refuse, in outage 503."`
	Hang     time.Duration `default:"10s" help:"How long tenant-hang lets a request hang."`
	Shards   []int         `default:"1,4" placeholder:"P" help:"scaling: numbers of shards."`
	Workers  []int         `default:"1,2,4,8" placeholder:"W" help:"scaling: numbers of workers."`
	Rounds   int           `default:"1" help:"Runs of each scenario, each from nothing; verdicts are on the medians."`
	Seed     uint64        `default:"1" help:"Seed of the records and of their order."`

	Source    string   `default:"." placeholder:"DIR" help:"Checkout whose worker and hogcast are measured."`
	Label     string   `help:"Name of what is measured; default the commit."`
	WorkerArg []string `sep:"none" placeholder:"ARG" help:"An argument more for the worker; may be repeated, as --worker-arg=--window=32MiB."`
	Append    string   `placeholder:"FILE" help:"Append the result as a row of a table to this file, such as docs/bars.md."`
	Dir       string   `placeholder:"DIR" help:"Where to make the temporary folder of streams and logs."`
	Keep      bool     `help:"Keep that folder."`
}

// or is full, or quick where numbers are to be small.
func or[T any](o options, full, quick T) T {
	if o.Quick {
		return quick
	}
	return full
}

// given is what the command line says, else a default.
func given[T comparable](value, otherwise T) T {
	var zero T
	if value == zero {
		return otherwise
	}
	return value
}

func (o options) length() time.Duration {
	return given(o.Duration, or(o, 60*time.Second, 8*time.Second))
}

// scenario measures one of the bars on a rig for so many tenants.
type scenario struct {
	tenants int
	run     func(context.Context, *rig, *result) error
}

// scenarioNames are all there are, in the order of "all".
func scenarioNames() []string {
	return []string{"tenant-hang", "tenant-503", "tenant-429", "tenants-down", "outage", "host-down", "tenants-10k", "scaling", "scaling-kill", "scaling-roll"}
}

func (o options) scenario(name string) scenario {
	switch name {
	case "tenant-hang":
		return neighbours(o, oneOfTen, &answer{after: o.Hang, status: 200})
	case "tenant-503":
		return neighbours(o, oneOfTen, &answer{status: 503})
	case "tenant-429":
		return neighbours(o, oneOfTen, &answer{status: 429, retryAfter: "5"})
	case "tenants-down":
		return neighbours(o, misbehaving{span{0, 20}, 0.4}, &answer{status: 503})
	case "outage":
		return outage(o)
	case "host-down":
		return hostDown(o)
	case "scaling":
		return scaling(o)
	case "scaling-kill":
		return scalingKill(o)
	case "scaling-roll":
		return scalingRoll(o)
	default:
		return manyTenants(o)
	}
}
