// Package plan draws the schedule of faults of a chaos run from a seed: the
// same seed and options give the same steps for ever. Pure. Beside the layers.
package plan

import (
	"fmt"
	"slices"
	"time"

	"github.com/hogcast/hogcast/test/chaos/load"
)

// Verb says what a step does.
type Verb string

// The verbs. Those of processes name a worker or a node by its number.
const (
	KillWorker Verb = "kill-worker" // SIGKILL, started again at the end
	StopWorker Verb = "stop-worker" // SIGSTOP, SIGCONT at the end
	TermWorker Verb = "term-worker" // SIGTERM, started again when gone
	Roll       Verb = "roll"        // SIGTERM to all workers, one after the other
	KillNode   Verb = "kill-node"   // SIGKILL, started again at the end
	KillNodes  Verb = "kill-nodes"  // two of them: no quorum
	StopNode   Verb = "stop-node"   // SIGSTOP, SIGCONT at the end
	TermNode   Verb = "term-node"   // SIGTERM, started again at the end
	StepDown   Verb = "step-down"   // another leader for a stream and its consumer
	PostHog    Verb = "posthog"     // a fault of one project
	Host       Verb = "host"        // a fault of a whole listener
	Pause      Verb = "pause"       // paused: true, resumed at the end
	Move       Verb = "move"        // the endpoint, and back at the end
	Flip       Verb = "flip"        // privacy_mode: true, false at the end
	Settle     Verb = "settle"      // what changes once: a destination is added, one turns private
	Garble     Verb = "garble"      // the destinations file is no YAML until the end
	Vanish     Verb = "vanish"      // the destinations file is away until the end
)

// The verbs of hosts; drawn only where there are some.
const (
	Partition Verb = "partition"         // a host is cut off from the other hosts
	OneWay    Verb = "partition-one-way" // what it sends to them, or they to it, is lost
	Split     Verb = "split-posthog"     // a host can't reach PostHog
	LoseNode  Verb = "lose-node"         // SIGKILL, its store is gone, started empty at the end
	FillDisk  Verb = "fill-disk"         // the disk of a node is full until the end
	FillDisks Verb = "fill-disks"        // those of all nodes
)

// The words of Step.Fault for the verbs of hosts.
const (
	In     = "in"     // OneWay: to the host
	Out    = "out"    // OneWay: from the host
	Silent = "silent" // Split: packets are lost
	Reject = "reject" // Split: the network says so
)

// Step is one fault: it begins At and ends For later.
type Step struct {
	At     time.Duration
	For    time.Duration
	Verb   Verb
	Target string // a worker, a node or its host, a stream, `<tenant>.<destination>`, a listener
	Fault  string // in the words of sandbox.ParseFault, where the verb is of PostHog; of the verbs of hosts how
}

// End is when the step ends.
func (s Step) End() time.Duration { return s.At + s.For }

// String is one line of a schedule.
func (s Step) String() string {
	line := fmt.Sprintf("%7.2fs +%5.2fs %-11s %s", s.At.Seconds(), s.For.Seconds(), s.Verb, s.Target)
	if s.Fault != "" {
		line += " " + s.Fault
	}
	return line
}

// Options of a schedule.
type Options struct {
	Duration     time.Duration
	Workers      int
	Nodes        int
	Hosts        bool     // each node is on a host of its own
	Streams      []string // whose leaders may step down
	Destinations []*load.Destination
}

// Draw draws a schedule; every step ends within the duration. Steps are sorted
// by their begin.
func Draw(seed uint64, o Options) []Step {
	d := &drawer{options: o, seed: seed}
	d.workers()
	d.nodes()
	for _, destination := range o.Destinations {
		d.posthog(destination)
	}
	d.host()
	d.configuration()
	if o.Hosts {
		d.hosts()
	}
	slices.SortStableFunc(d.steps, func(a, b Step) int { return int(a.At - b.At) })
	return d.steps
}
