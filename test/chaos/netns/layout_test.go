package netns

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var three = Layout{Hosts: 3, Services: 2}

func same(t *testing.T, got, want string) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestHostsAreCabledToOneBridge(t *testing.T) {
	t.Parallel()
	same(t, three.middle(), `link set lo up
link add hub type bridge
address add 10.77.0.254/24 dev hub
address add 10.77.0.101/24 dev hub
address add 10.77.0.102/24 dev hub
link set hub up
`)
	same(t, three.plug(1, "/proc/7/fd/9"), `link add port1 type veth peer name eth0 netns /proc/7/fd/9
link set port1 master hub up
`)
	same(t, three.within(1), `link set lo up
address add 10.77.0.2/24 dev eth0
link set eth0 up
`)
}

func TestPacketsAreLostWhereTheyArrive(t *testing.T) {
	t.Parallel()
	one, two, last := three.Host(0), three.Host(1), three.Host(2)
	for name, c := range map[string]struct{ got, want []Drop }{
		"deaf": {three.Deaf(1), []Drop{{At: 1, From: []netip.Addr{one, last}}}},
		"mute": {three.Mute(1), []Drop{{At: 0, From: []netip.Addr{two}}, {At: 2, From: []netip.Addr{two}}}},
		"partition": {three.Partition(0), []Drop{
			{At: 0, From: []netip.Addr{two, last}}, {At: 1, From: []netip.Addr{one}}, {At: 2, From: []netip.Addr{one}},
		}},
		"split": {three.Split(2, true), []Drop{
			{At: Outside, From: []netip.Addr{last}, To: []netip.Addr{three.Service(0), three.Service(1)}, Reject: true},
		}},
	} {
		if diff := cmp.Diff(c.want, c.got, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestNoDropTouchesAHostsOwnNodeOrTheHarness(t *testing.T) {
	t.Parallel()
	for i := range three.Hosts {
		all := append(three.Partition(i), append(three.Split(i, false), three.Split(i, true)...)...)
		for _, d := range all {
			for _, from := range d.From {
				if from == address(outside) || d.At >= 0 && from == three.Host(d.At) {
					t.Errorf("%+v loses packets of %s", d, from)
				}
			}
		}
	}
}

func TestRulesAreATableOfTheirOwn(t *testing.T) {
	t.Parallel()
	d := Drop{From: []netip.Addr{three.Host(0), three.Host(2)}}
	same(t, d.rules("lost1"), `add table ip lost1
add chain ip lost1 lost { type filter hook input priority 0; policy accept; }
add rule ip lost1 lost ip saddr { 10.77.0.1, 10.77.0.3 } drop
`)
	d = three.Split(1, true)[0]
	same(t, d.rules("lost2"), `add table ip lost2
add chain ip lost2 lost { type filter hook input priority 0; policy accept; }
add rule ip lost2 lost ip saddr { 10.77.0.2 } ip daddr { 10.77.0.101, 10.77.0.102 } reject with icmp type host-unreachable
`)
	same(t, lift("lost2"), "delete table ip lost2\n")
}

func TestAddressesOfHostsAndServicesAreApart(t *testing.T) {
	t.Parallel()
	full := Layout{Hosts: MaxHosts, Services: MaxHosts}
	seen := map[netip.Addr]bool{address(outside): true}
	for i := range MaxHosts {
		for _, a := range []netip.Addr{full.Host(i), full.Service(i)} {
			if seen[a] || !full.Net().Contains(a) {
				t.Errorf("%s is twice, or not of %s", a, full.Net())
			}
			seen[a] = true
		}
	}
}
