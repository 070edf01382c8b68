package doctor

import (
	"fmt"
	"strings"
)

// replicas judges how many copies there are of a stream, or of a bucket.
func replicas(s Snapshot, n int) verdict {
	text := plural(n, "replica")
	switch {
	case s.Server.Cluster == "" && n <= 1:
		return noted(text + " (one server)")
	case n <= 1:
		return problem(trouble{
			text + " on a cluster: it lives on one server", "everything in it is lost with that server's disk, and waits while it is down", "hogcast setup --replicas 3",
		})
	case n%2 == 0:
		return warning(trouble{
			text + ": an even number", "the last one costs disk and traffic, and saves from no further failure", "hogcast setup --replicas 3",
		})
	}
	return noted(text)
}

func leader(clustered bool, name, of string) verdict {
	if !clustered {
		return verdict{}
	}
	return orNot(name == "", trouble{
		"has no leader", "nothing can be stored there or delivered from there until its replicas elect one",
		"start the servers that are down; if all are up: nats stream cluster step-down " + of,
	}, "led by "+name)
}

// maxLag is how many operations a replica may be behind without being told of.
const maxLag = 1000

func peers(all []Peer, of string) verdict {
	var bad []string
	for _, p := range all {
		switch {
		case p.Offline:
			bad = append(bad, p.Name+" is offline")
		case !p.Current:
			bad = append(bad, p.Name+" is not current")
		case p.Lag > maxLag:
			bad = append(bad, fmt.Sprintf("%s is %s operations behind", p.Name, count(p.Lag)))
		}
	}
	if len(all) == 0 {
		return verdict{}
	}
	return inDoubt(len(bad) > 0, trouble{
		"a replica is missing: " + strings.Join(bad, ", "), "with one more gone there is no majority, and everything stops",
		"start that server, or give its place to another: nats stream cluster peer-remove " + of,
	}, "all replicas are current")
}
