package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hogcast/hogcast/test/chaos/load"
	"github.com/hogcast/hogcast/test/chaos/netns"
	"github.com/hogcast/hogcast/test/chaos/oracle"
	"github.com/hogcast/hogcast/test/chaos/plan"
)

func TestAHostHasItsProcessesAndTheirAddresses(t *testing.T) {
	t.Parallel()
	s := &site{lab: &netns.Lab{Layout: netns.Layout{Hosts: 3, Services: load.Hosts}}}
	got := []string{s.listen(0, 4222), s.listen(4, 8084), s.posthog(2), s.egress()}
	if diff := cmp.Diff([]string{"10.77.0.1:4222", "10.77.0.2:8084", "10.77.0.103:0", "10.77.0.0/24"}, got); diff != "" {
		t.Error(diff)
	}
	one := &site{}
	got = []string{one.listen(4, 8084), one.posthog(2), one.egress()}
	if diff := cmp.Diff([]string{"127.0.0.1:8084", "127.0.0.3:0", "127.0.0.0/8"}, got); diff != "" {
		t.Error(diff)
	}
}

func TestNodesOnHostsStoreOnDisksOfTheirOwnAndSyncAlways(t *testing.T) {
	t.Parallel()
	for _, s := range []*site{{}, {lab: &netns.Lab{Layout: netns.Layout{Hosts: 3}}}} {
		c := &cluster{dir: "/run", site: s, nodes: []*node{{client: "a:1", route: "a:2", health: "a:3"}, {index: 1, route: "b:2"}}}
		text := c.config(c.nodes[0])
		store := map[bool]string{false: `"/run/nats-0.store"`, true: `"/run/disk-0/store"`}[s.spread()]
		for _, want := range []string{"sync_interval: always", "store_dir: " + store, "listen: a:1", "nats://a:2, nats://b:2"} {
			if !strings.Contains(text, want) {
				t.Errorf("%s is not in the configuration:\n%s", want, text)
			}
		}
	}
}

func TestGatewaysShareTheRecordsOut(t *testing.T) {
	t.Parallel()
	r := &run{settings: settings{net: true, nodes: 3, rate: 90}, cluster: &cluster{nodes: []*node{{client: "a"}, {client: "b"}, {client: "c"}}}}
	all := newGateways(r)
	seen := map[int]bool{}
	for i, p := range all {
		if p.rate != 30 || !strings.HasPrefix(p.urls, "nats://"+string(rune('a'+i))) || strings.Count(p.urls, "nats://") != 3 {
			t.Errorf("gateway %d: %v a second, to %s", i, p.rate, p.urls)
		}
		for range 10 + i {
			if seen[p.next] {
				t.Errorf("record %d is published twice", p.next)
			}
			seen[p.next] = true
			p.next += p.step
		}
	}
	if all.made() != 33 {
		t.Errorf("%d records are made, want 33", all.made())
	}
}

func TestStepsOfHostsLosePackets(t *testing.T) {
	t.Parallel()
	l := netns.Layout{Hosts: 3, Services: 1}
	seen := map[string]bool{}
	for _, s := range []plan.Step{
		{Verb: plan.Partition},
		{Verb: plan.OneWay, Fault: plan.In},
		{Verb: plan.OneWay, Fault: plan.Out},
		{Verb: plan.Split, Fault: plan.Silent},
		{Verb: plan.Split, Fault: plan.Reject},
	} {
		seen[fmt.Sprint(drops(l, s, 1))] = true
	}
	if len(seen) != 5 {
		t.Errorf("5 steps lose packets in %d ways", len(seen))
	}
}

func TestABallastEndsWithItsTime(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := fillUp(ctx, filepath.Join(t.TempDir(), "no folder", "ballast")); err == nil {
		t.Error("a ballast that can't be written is no error")
	}
	// /dev/full is a disk that is full.
	if _, err := os.Stat("/dev/full"); err != nil {
		t.Skip(err)
	}
	if err := fillUp(ctx, "/dev/full"); err != nil {
		t.Error(err)
	}
}

func TestARunOnHostsIsToldFromOthers(t *testing.T) {
	t.Parallel()
	r := result{verdict: &oracle.Verdict{}, verbs: map[plan.Verb]int{plan.Partition: 2, plan.LoseNode: 1}, skipped: map[plan.Verb]int{plan.LoseNode: 3}, restarted: 4}
	if row := r.row("abc"); !strings.Contains(row, "| 0/0/0 |  | 0 |") {
		t.Errorf("a row of a run without hosts: %s", row)
	}
	r.net = true
	if row := r.row("abc"); !strings.Contains(row, "| 2/0/0, 1, 0/0/4, 3 |") || r.target() != "chaos-cluster" {
		t.Errorf("a row of a run with hosts: %s", row)
	}
	if line := r.summary(); !strings.Contains(line, "net={cuts=2 one_way=0 splits=0 lost=1") {
		t.Errorf("its line: %s", line)
	}
}
