package doctor

import (
	"fmt"
	"slices"
)

var fleetChecks = []check{
	whole("workers_alive", workersAlive),
	whole("worker_versions", workerVersions),
	whole("destinations_blocked", destinationsBlocked),
	whole("hosts_down", hostsDown),
	whole("guards_on", guardsOn),
	whole("held_asleep", heldAsleep),
	whole("dead_letters", deadLetters),
}

func (s Snapshot) messages(r Role) (n uint64) {
	for _, st := range s.Streams {
		if st.Role == r {
			n += st.Messages
		}
	}
	return n
}

func workersAlive(s Snapshot) verdict {
	f := s.Fleet
	switch {
	case f.Answer == Missing:
		return verdict{} // told by bucket_exists
	case f.Answer != Here:
		mend := "allow these credentials what docs/nats.md lists for the doctor"
		if f.Answer == Silent {
			mend = "have JetStream answer first, and look again"
		}
		return unknown(trouble{"how many workers live is not known: " + f.Detail, "records are delivered by them", mend})
	case f.Workers > 0:
		return noted(plural(f.Workers, "worker") + " alive")
	}
	t := trouble{"no worker is alive", "nothing is delivered", "start workers: worker --nats-url URL --destinations FILE"}
	if waiting := s.messages(Generations) + s.messages(HeldWork); waiting > 0 {
		t.what += fmt.Sprintf(", and %s wait", plural(waiting, "record"))
		return problem(t)
	}
	return warning(t)
}

func workerVersions(s Snapshot) verdict {
	if len(s.Fleet.Versions) == 0 {
		return verdict{}
	}
	names := make([]string, 0, len(s.Fleet.Versions))
	for v := range s.Fleet.Versions {
		names = append(names, v)
	}
	slices.Sort(names)
	return inDoubt(len(names) > 1, trouble{
		"workers of several versions: " + tally(s.Fleet.Versions), "two versions side by side are for the time of an upgrade", "finish the upgrade",
	}, "all of version "+names[0])
}

func destinationsBlocked(s Snapshot) verdict {
	if s.Fleet.Answer != Here {
		return verdict{}
	}
	blocked := map[string]int{}
	for state, n := range s.Fleet.States {
		if state != "draining" {
			blocked[state] = n
		}
	}
	if n := total(blocked); n > 0 {
		what := fmt.Sprintf("%s can't be delivered to (%s)", plural(n, "destination"), tally(blocked))
		if len(s.Fleet.Reasons) > 0 {
			what += ", for: " + tally(s.Fleet.Reasons)
		}
		return warning(trouble{what, "what is for them is held, and expires after hold_max", "hogcast health"})
	}
	if n := s.messages(HeldWork); n > 0 {
		return noted("every destination is healthy; " + plural(n, "held branch") + "es drain")
	}
	return noted("every destination is healthy, nothing is held")
}

func hostsDown(s Snapshot) verdict {
	if s.Fleet.Answer != Here {
		return verdict{}
	}
	return inDoubt(s.Fleet.Hosts > 0, trouble{
		plural(s.Fleet.Hosts, "PostHog host") + " down for all destinations", "what is for them is held together", "hogcast health",
	}, "no host is down")
}

func guardsOn(s Snapshot) verdict {
	if s.Fleet.Answer != Here {
		return verdict{}
	}
	return inDoubt(s.Fleet.Guards > 0, trouble{
		plural(s.Fleet.Guards, "poison guard") + " on", "many records were about to be dead-lettered for one cause, and are held instead", "hogcast health shows the cause; hogcast guard release when it is mended",
	}, "no poison guard is on")
}

func heldAsleep(s Snapshot) verdict {
	if s.Fleet.Answer != Here {
		return verdict{}
	}
	return inDoubt(s.Fleet.Asleep > 0, trouble{
		plural(s.Fleet.Asleep, "held subject") + " without a wake-up", "nobody comes to drain them; a worker's sweep repairs this within a minute", "look again in a minute; if it lasts, see the workers' logs for \"sweep\"",
	}, "everything held has a wake-up")
}

func deadLetters(s Snapshot) verdict {
	if !slices.ContainsFunc(s.Streams, func(st Stream) bool { return st.Role == DeadLetters && st.Answer == Here }) {
		return verdict{} // told by stream_exists, or by jetstream_on
	}
	n := s.messages(DeadLetters)
	if n == 0 {
		return noted("no dead letters")
	}
	return noted(plural(n, "dead letter") + ": hogcast dead list --by cause")
}
