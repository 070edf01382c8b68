package doctor

import (
	"fmt"
	"time"
)

const (
	// maxPayloadWant is what fits records of several megabytes; NATS advises
	// against more.
	maxPayloadWant = 8 << 20
	// Clocks that are apart make ages wrong, by as much.
	skewWarn, skewBad = 2 * time.Second, time.Minute
	// Of a storage limit, in percent.
	fillWarn, fillBad = 80, 95
	// drainRoom is how many consumers draining needs, fleet-wide.
	drainRoom = 200
)

var serverChecks = []check{
	whole("server_version", serverVersion),
	whole("monitoring", monitoring),
	whole("cluster_size", clusterSize),
	whole("jetstream_on", jetStreamOn),
	whole("max_payload", maxPayload),
	whole("clock", clock),
	whole("connection_encryption", connectionEncryption),
	whole("sync_interval", syncInterval),
	whole("storage_encryption", storageEncryption),
}

func serverVersion(s Snapshot) verdict {
	if s.Server.TooOld {
		return problem(trouble{
			fmt.Sprintf("nats-server %s is older than %s", s.Server.Version, s.Server.Needs),
			"workers need priority policies on consumers, and refuse to start without",
			"upgrade nats-server, one node after another",
		})
	}
	return noted("nats-server " + s.Server.Version)
}

func monitoring(s Snapshot) verdict {
	if s.NodesErr == "" {
		return verdict{}
	}
	return unknown(trouble{
		s.NodesErr, "what the servers tell of themselves is missing below", "mend the address or the credentials; `http: 0.0.0.0:8222` in a server's configuration opens its monitoring",
	})
}

// servers is how many there are, as their monitoring tells; 0: not known.
func (s Snapshot) servers() (n int) {
	for _, node := range s.Nodes {
		n = max(n, node.MetaSize)
	}
	return n
}

func clusterSize(s Snapshot) verdict {
	if s.Server.Cluster == "" {
		return noted("one server, no cluster")
	}
	n := s.servers()
	if n == 2 {
		return warning(trouble{
			fmt.Sprintf("cluster %q has 2 servers", s.Server.Cluster),
			"two have no majority when one is gone: everything stops",
			"add a third server to the cluster",
		})
	}
	if n < 2 { // what it advertises need not be all
		return noted(fmt.Sprintf("cluster %q", s.Server.Cluster))
	}
	return noted(fmt.Sprintf("cluster %q of %d servers", s.Server.Cluster, n))
}

func jetStreamOn(s Snapshot) verdict {
	switch s.Server.JetStream {
	case Here:
		return noted("JetStream on")
	case Refused:
		return unknown(trouble{
			"these credentials may not ask about JetStream", "what follows can't be found out without",
			"allow them to publish to $JS.API.INFO, and what docs/nats.md lists for the doctor",
		})
	case Off:
		return problem(trouble{
			"JetStream is not on for this account", "there is nowhere to store a record",
			"enable it: `jetstream: enabled` in the account's part of the server's configuration, or limits in its JWT",
		})
	}
	return problem(trouble{
		"JetStream does not answer", "nothing can be stored or delivered",
		"look at the server's log; `jetstream {}` has to be in its configuration, and a cluster needs a majority",
	})
}

func maxPayload(s Snapshot) verdict {
	n := s.Server.MaxPayload
	mend := "set `max_payload: 8MB` in the configuration of every server, and reload it"
	switch {
	case n < 1<<20:
		return problem(trouble{
			"max_payload is " + size(n), "records with longer prompts are refused at the door, and a record can't grow by its headers when it is held", mend,
		})
	case n < maxPayloadWant:
		return warning(trouble{
			"max_payload is " + size(n), "records larger than this less 64 KiB, such as those with images, are refused at the door", mend,
		})
	case n > maxPayloadWant:
		return warning(trouble{
			"max_payload is " + size(n), "NATS advises against more than 8 MiB, and every worker's window has to hold twice the largest record", mend,
		})
	}
	return noted("max_payload " + size(n))
}

func clock(s Snapshot) verdict {
	skew, of, known := s.Server.Skew, s.Server.SkewOf, s.Server.SkewKnown
	for _, n := range s.Nodes {
		if n.Skew.Abs() > skew.Abs() {
			skew, of = n.Skew, n.Name
		}
		known = true
	}
	if !known {
		return unknown(trouble{
			"the server's clock could not be read", "ages and leases are counted by it",
			"compare `date -u` on each machine",
		})
	}
	level := levelOf(skew.Abs(), skewWarn, skewBad)
	if level == OK {
		return well("clocks agree")
	}
	way := "ahead of"
	if skew < 0 {
		way = "behind"
	}
	t := trouble{
		fmt.Sprintf("the clock of %s is %s %s this machine's", orServer(of), span(skew.Abs()), way),
		"how long something is held, and when it expires, is told from both clocks",
		"run an NTP client on both; `chronyc tracking` shows which is wrong",
	}
	if level == Problem {
		return problem(t)
	}
	return warning(t)
}

func orServer(name string) string {
	if name == "" {
		return "the server"
	}
	return name
}

func connectionEncryption(s Snapshot) verdict {
	switch {
	case s.Server.TLS:
		return noted("connection encrypted")
	case s.Server.Loopback:
		return well("not encrypted, within this machine")
	}
	return warning(trouble{
		"the connection to NATS is not encrypted", "prompts travel in the clear, and so do passwords",
		"configure `tls {}` on the servers, and give --nats-tls-ca (and --nats-tls-cert, --nats-tls-key) to workers and publishers",
	})
}

func syncInterval(s Snapshot) verdict {
	late, worst, seen := "", time.Duration(0), s.File.Path != "" && s.File.Err == ""
	note := func(name string, always bool, interval time.Duration) {
		seen = true
		if !always && interval >= worst {
			late, worst = name, interval
		}
	}
	for _, n := range s.Nodes {
		if n.JetStream {
			note(n.Name, n.SyncAlways, n.SyncInterval)
		}
	}
	if s.File.Path != "" && s.File.Err == "" {
		note(s.File.Path, s.File.SyncAlways, s.File.SyncInterval)
	}
	switch {
	case !seen:
		return unknown(trouble{
			"how often the servers sync to disk is not known",
			"a machine that loses power loses what it acknowledged since its last sync",
			"give --monitoring-url http://SERVER:8222, --system-creds or --server-config; or look: curl -s http://SERVER:8222/varz | jq .jetstream.config",
		})
	case late == "":
		return noted("every write synced to disk")
	}
	return warning(trouble{
		fmt.Sprintf("%s syncs to disk every %s, not with each write", late, span(worst)),
		"machines that lose power together lose what they acknowledged since",
		"set `sync_interval: always` in the `jetstream {}` of every server and restart them one by one; on three replicas it costs next to nothing",
	})
}

func storageEncryption(s Snapshot) verdict {
	switch {
	case s.File.Path == "" || s.File.Err != "":
		what := "whether NATS encrypts what it stores is not known"
		if s.File.Err != "" {
			what += ": " + s.File.Err
		}
		return unknown(trouble{
			what, "the streams hold prompts; a server does not tell its clients whether it encrypts them",
			"give --server-config FILE, or look for `Encryption:` in the log of a server's start",
		})
	case s.File.Encrypted:
		return noted("storage encrypted (" + s.File.Cipher + ")")
	}
	return warning(trouble{
		"NATS stores in the clear: " + s.File.Path + " has no `key` in `jetstream {}`", "who gets at the disk reads the prompts, unless the disk itself is encrypted",
		"set `cipher: chachapoly` and `key: $JS_KEY` in `jetstream {}`, or encrypt the disk and say --accept storage_encryption",
	})
}
