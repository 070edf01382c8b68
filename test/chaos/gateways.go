package main

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
)

// gateways are a publisher a host, which share the records out in turn; one in
// all where there are no hosts.
type gateways []*publisher

func newGateways(r *run) gateways {
	count := 1
	if r.net {
		count = r.nodes
	}
	all := make(gateways, count)
	for i := range all {
		all[i] = &publisher{
			load: r.load, oracle: r.oracle, site: r.site, host: i, shards: r.shards,
			urls: ownFirst(r.cluster.urls(), i), hands: (publishers + count - 1) / count, next: i, step: count,
		}
	}
	all.setRate(r.rate)
	return all
}

// ownFirst turns a list so that it begins with the URL of node i.
func ownFirst(urls string, i int) string {
	all := strings.Split(urls, ",")
	i %= len(all)
	return strings.Join(slices.Concat(all[i:], all[:i]), ",")
}

// setRate sets the records a second, of all together.
func (g gateways) setRate(rate int) {
	for _, p := range g {
		p.rate = float64(rate) / float64(len(g))
	}
}

// made is how many records there have been.
func (g gateways) made() int {
	sum := 0
	for i, p := range g {
		sum += (p.next - i) / p.step
	}
	return sum
}

// run runs every publisher, and returns when the last has ended.
func (g gateways) run(ctx, patience context.Context) error {
	errs := make([]error, len(g))
	var working sync.WaitGroup
	for i, p := range g {
		working.Go(func() { errs[i] = p.run(ctx, patience) })
	}
	working.Wait()
	return errors.Join(errs...)
}
