package main

import (
	"context"
	"strconv"

	"github.com/hogcast/hogcast/test/chaos/netns"
	"github.com/hogcast/hogcast/test/chaos/plan"
)

// network loses packets of a host for a while.
func (p *player) network(ctx context.Context, s plan.Step) error {
	i, err := strconv.Atoi(s.Target)
	if err != nil {
		return err
	}
	restore, err := p.site.lab.Apply(drops(p.site.lab.Layout, s, i))
	if err != nil {
		return err
	}
	pause(ctx, s.For)
	return restore()
}

// drops are the packets that a step loses.
func drops(l netns.Layout, s plan.Step, host int) []netns.Drop {
	switch {
	case s.Verb == plan.Split:
		return l.Split(host, s.Fault == plan.Reject)
	case s.Verb == plan.OneWay && s.Fault == plan.In:
		return l.Deaf(host)
	case s.Verb == plan.OneWay:
		return l.Mute(host)
	}
	return l.Partition(host)
}
