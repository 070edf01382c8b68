// Package netns makes hosts for a chaos run out of network namespaces: each
// with an address of its own, plugged into one bridge, on links that can be
// cut in one direction or both. All of it is within a network and a mount
// namespace of this process alone (Reenter), so that nothing is left on the
// machine when it ends, however it ends. Linux, as root, with ip and nft. It
// owns no goroutine. Beside the layers.
package netns

import (
	"fmt"
	"net/netip"
	"strings"
)

// Layout says how many addresses there are. All are of 10.77.0.0/24.
type Layout struct {
	Hosts    int // each in a namespace of its own: 10.77.0.1 and on; at most MaxHosts
	Services int // outside of the hosts, reached by all: 10.77.0.101 and on; at most MaxHosts
}

// MaxHosts is how many addresses of a kind there can be.
const MaxHosts = 99

const (
	hub     = "hub"  // the bridge
	inner   = "eth0" // a host's end of its cable
	bits    = 24
	outside = 254 // last byte of the address that the harness dials from
)

func address(last int) netip.Addr { return netip.AddrFrom4([4]byte{10, 77, 0, byte(last)}) } //nolint:gosec // at most 254

// Net is the network of all.
func (l Layout) Net() netip.Prefix { return netip.PrefixFrom(address(0), bits) }

// Host is the address of host i.
func (l Layout) Host(i int) netip.Addr { return address(i + 1) }

// Service is the address of service i.
func (l Layout) Service(i int) netip.Addr { return address(i + 101) }

// others lists the addresses of all hosts but i.
func (l Layout) others(i int) []netip.Addr {
	var all []netip.Addr
	for j := range l.Hosts {
		if j != i {
			all = append(all, l.Host(j))
		}
	}
	return all
}

func (l Layout) services() []netip.Addr {
	all := make([]netip.Addr, l.Services)
	for i := range all {
		all[i] = l.Service(i)
	}
	return all
}

// lines joins commands for `ip -batch -`, or for `nft -f -`.
func lines(commands ...string) string { return strings.Join(commands, "\n") + "\n" }

// middle makes the bridge and the addresses outside of the hosts.
func (l Layout) middle() string {
	commands := []string{
		"link set lo up",
		"link add " + hub + " type bridge",
		fmt.Sprintf("address add %s/%d dev %s", address(outside), bits, hub),
	}
	for _, a := range l.services() {
		commands = append(commands, fmt.Sprintf("address add %s/%d dev %s", a, bits, hub))
	}
	return lines(append(commands, "link set "+hub+" up")...)
}

// plug makes the cable of host i, whose namespace is that file.
func (l Layout) plug(i int, namespace string) string {
	return lines(
		fmt.Sprintf("link add port%d type veth peer name %s netns %s", i, inner, namespace),
		fmt.Sprintf("link set port%d master %s up", i, hub),
	)
}

// within sets up host i's own side.
func (l Layout) within(i int) string {
	return lines(
		"link set lo up",
		fmt.Sprintf("address add %s/%d dev %s", l.Host(i), bits, inner),
		"link set "+inner+" up",
	)
}
