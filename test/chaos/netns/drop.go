package netns

import (
	"fmt"
	"net/netip"
	"strings"
)

// Outside is the place where the services are.
const Outside = -1

// Drop is packets that get lost on their way into one place: a host's number,
// or Outside. They are dropped where they arrive, as a network would lose them:
// where they are sent nobody is told.
type Drop struct {
	At     int
	From   []netip.Addr
	To     []netip.Addr // none: all
	Reject bool         // an ICMP answer says so, instead of silence
}

// Partition cuts host i off from the other hosts, in both directions.
func (l Layout) Partition(i int) []Drop { return append(l.Deaf(i), l.Mute(i)...) }

// Deaf loses what the other hosts send to host i.
func (l Layout) Deaf(i int) []Drop { return []Drop{{At: i, From: l.others(i)}} }

// Mute loses what host i sends to the other hosts.
func (l Layout) Mute(i int) []Drop {
	var all []Drop
	for j := range l.Hosts {
		if j != i {
			all = append(all, Drop{At: j, From: []netip.Addr{l.Host(i)}})
		}
	}
	return all
}

// Split keeps host i from the services.
func (l Layout) Split(i int, reject bool) []Drop {
	return []Drop{{At: Outside, From: []netip.Addr{l.Host(i)}, To: l.services(), Reject: reject}}
}

// rules are the words for nft: a table of its own, so that drops don't get in
// each other's way.
func (d Drop) rules(table string) string {
	match := "ip saddr " + set(d.From)
	if len(d.To) > 0 {
		match += " ip daddr " + set(d.To)
	}
	verdict := "drop"
	if d.Reject {
		verdict = "reject with icmp type host-unreachable"
	}
	return lines(
		fmt.Sprintf("add table ip %s", table),
		fmt.Sprintf("add chain ip %s lost { type filter hook input priority 0; policy accept; }", table),
		fmt.Sprintf("add rule ip %s lost %s %s", table, match, verdict),
	)
}

// lift takes the rules away again.
func lift(table string) string { return lines("delete table ip " + table) }

// set is addresses as nft writes them.
func set(all []netip.Addr) string {
	words := make([]string, len(all))
	for i, a := range all {
		words[i] = a.String()
	}
	return "{ " + strings.Join(words, ", ") + " }"
}
