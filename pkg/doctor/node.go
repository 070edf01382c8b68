package doctor

import "fmt"

var nodeChecks = []check{
	of("node_version", nodeVersion),
	of("node_disk", nodeDisk),
	of("node_routes", nodeRoutes),
	of("node_slow_clients", nodeSlow),
}

func nodeVersion(s Snapshot, n Node) verdict {
	switch {
	case n.TooOld:
		return problem(trouble{
			fmt.Sprintf("%s runs nats-server %s, older than %s", n.Name, n.Version, s.Server.Needs),
			"it can't lead what workers need", "upgrade it",
		})
	case n.Version != s.Server.Version:
		return warning(trouble{
			fmt.Sprintf("%s runs nats-server %s, others %s", n.Name, n.Version, s.Server.Version),
			"servers of several versions are for the time of an upgrade", "finish the upgrade",
		})
	}
	return noted("nats-server " + n.Version)
}

func nodeDisk(_ Snapshot, n Node) verdict {
	if !n.JetStream || n.MaxStore <= 0 {
		return verdict{}
	}
	used := percent(n.Store, n.MaxStore)
	what := fmt.Sprintf("%d %% of its %s storage used", used, size(n.MaxStore))
	if level := levelOf(used, fillWarn, fillBad); level != OK {
		t := trouble{what, "a server without storage refuses records at the door", "grow its disk and `max_file_store`, or find what fills it: `nats server report jetstream`"}
		if level == Problem {
			return problem(t)
		}
		return warning(t)
	}
	return noted(what)
}

func nodeRoutes(_ Snapshot, n Node) verdict {
	if n.MetaSize < 2 {
		return verdict{}
	}
	return inDoubt(n.TLS && !n.ClusterTLS, trouble{
		"clients have to encrypt, but the servers' routes don't", "every record travels between the replicas in the clear",
		"configure `tls {}` in the `cluster {}` of every server",
	}, "routes are as encrypted as clients")
}

func nodeSlow(_ Snapshot, n Node) verdict {
	return inDoubt(n.SlowClients > 0, trouble{
		plural(n.SlowClients, "slow client") + " since its start", "a client that reads too slowly is cut off by the server, and takes its records up again after ack_wait",
		"look which: `nats server report connections --sort subs`, and whether workers lack CPU",
	}, "no slow clients")
}
