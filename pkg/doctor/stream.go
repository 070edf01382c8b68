package doctor

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

var streamChecks = []check{
	of("stream_exists", streamExists),
	stream("stream_replicas", streamReplicas),
	stream("stream_leader", streamLeader),
	stream("stream_peers", streamPeers),
	stream("stream_storage", streamStorage),
	stream("stream_writes", streamWrites),
	stream("stream_retention", streamRetention),
	stream("stream_discard", streamDiscard),
	stream("stream_max_age", streamMaxAge),
	stream("stream_per_subject", streamPerSubject),
	stream("stream_limits", streamLimits),
	stream("stream_duplicates", streamDuplicates),
	stream("stream_subjects", streamSubjects),
	stream("stream_headers", streamHeaders),
	stream("stream_sealed", streamSealed),
	stream("stream_fill", streamFill),
	stream("stream_compression", streamCompression),
}

// stream makes a check of a stream that is there.
func stream(name string, look func(Snapshot, Stream) verdict) check {
	return of(name, func(s Snapshot, about Stream) verdict {
		if about.Answer != Here {
			return verdict{}
		}
		return look(s, about)
	})
}

func streamExists(_ Snapshot, st Stream) verdict {
	if st.Role == Audit && st.Answer == Missing {
		return warning(trouble{
			st.Name + " is missing", "what people change is noted there", "hogcast setup",
		})
	}
	return exists(thing{"stream " + st.Name, "STREAM.INFO." + st.Name}, st.Answer, st.Detail)
}

// thing is what is asked for, and by which API call.
type thing struct{ name, api string }

func exists(t thing, a Answer, detail string) verdict {
	switch a {
	case Here:
		return well("exists")
	case Missing:
		return problem(trouble{t.name + " is missing", "workers wait for it, and publishers are refused", "hogcast setup"})
	case Refused:
		return unknown(trouble{
			"these credentials may not ask for " + t.name, "its settings decide what is promised",
			"allow them to publish to $JS.API." + t.api + "; docs/nats.md lists what the doctor needs",
		})
	}
	return problem(trouble{
		t.name + " does not answer: " + detail, "nobody leads it: nothing can be stored there or delivered from there",
		"start the servers that are down; `nats server report jetstream` shows which",
	})
}

func streamReplicas(s Snapshot, st Stream) verdict {
	return replicas(s, st.Replicas)
}

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

func streamLeader(_ Snapshot, st Stream) verdict { return leader(st.Clustered, st.Leader, st.Name) }

func leader(clustered bool, name, of string) verdict {
	if !clustered {
		return verdict{}
	}
	return orNot(name == "", trouble{
		"has no leader", "nothing can be stored there or delivered from there until its replicas elect one",
		"start the servers that are down; if all are up: nats stream cluster step-down " + of,
	}, "led by "+name)
}

func streamPeers(_ Snapshot, st Stream) verdict { return peers(st.Peers, st.Name) }

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

// anew mends what can't be changed in place.
func anew(name string) string {
	return "it can't be changed in place: stop publishers, let workers empty it (nats stream info " + name + "), then nats stream rm " + name + " && hogcast setup"
}

func streamStorage(_ Snapshot, st Stream) verdict {
	return orNot(st.Memory, trouble{
		"keeps messages in memory", "a restart of the server loses every record in it", anew(st.Name),
	}, "on disk")
}

func streamWrites(_ Snapshot, st Stream) verdict {
	switch {
	case st.NoAck:
		return problem(trouble{
			"sends no publish acks", "no publisher can know that a record is stored, and workers can move nothing", "nats stream edit " + st.Name + " --ack",
		})
	case st.AsyncWrites:
		return problem(trouble{
			"acknowledges before it writes (persist_mode async)", "a crash of the server loses records that it acknowledged", anew(st.Name),
		})
	}
	return well("acknowledged when written")
}

func streamRetention(_ Snapshot, st Stream) verdict {
	want, right := "limits", st.Limits
	if st.Role.Queue() {
		want, right = "work queue", st.WorkQueue
	}
	why := "what is acknowledged stays, and is delivered again to the next consumer"
	if !st.Role.Queue() {
		why = "what nobody has consumed, or somebody has, is deleted"
	}
	return orNot(!right, trouble{"is no " + want + " stream", why, anew(st.Name)}, want)
}

func streamDiscard(_ Snapshot, st Stream) verdict {
	if st.Role == Audit {
		return well("an audit trail")
	}
	return orNot(st.DiscardOld, trouble{
		"discards the oldest when it is full", "records are lost, and nobody is told", "hogcast setup",
	}, "refuses new ones when full")
}

func streamMaxAge(_ Snapshot, st Stream) verdict {
	switch {
	case st.Role.Queue():
		return orNot(st.MaxAge > 0, trouble{
			"forgets messages after " + span(st.MaxAge) + " (max_age)", "what waits longer, in an outage, is lost, and nobody is told", "hogcast setup",
		}, "keeps messages for ever")
	case st.MaxAge <= 0:
		return well("keeps messages for ever")
	}
	return noted("kept for " + days(st.MaxAge))
}

func days(d time.Duration) string {
	if d >= 48*time.Hour && d%(24*time.Hour) == 0 {
		return fmt.Sprintf("%d days", d/(24*time.Hour))
	}
	return span(d)
}

func streamPerSubject(_ Snapshot, st Stream) verdict {
	switch st.Role {
	case Audit:
		return verdict{}
	case Wakeups:
		return orNot(st.MaxPerSubject != 1 || !st.PerSubject, trouble{
			"wake-ups are not one a destination", "several workers would drain the same destination, again and again", "hogcast setup",
		}, "one a destination")
	}
	return inDoubt(st.MaxPerSubject < 1 || !st.PerSubject, trouble{
		"has no limit by subject", "one tenant can fill it, and then all are refused", "hogcast setup",
	}, fmt.Sprintf("%s a subject", count(st.MaxPerSubject)))
}

func streamLimits(s Snapshot, st Stream) verdict {
	switch {
	case st.MaxMsgs > 0 && st.Role == Wakeups, st.MaxBytes > 0 && st.Role == Wakeups:
		return problem(trouble{
			"wake-ups have a limit over all destinations", "a destination whose wake-up is refused is taken to have one, and is woken by nobody", "nats stream edit " + st.Name + " --max-msgs=-1 --max-bytes=-1",
		})
	case st.MaxMsgSize > 0 && st.MaxMsgSize < s.Server.MaxPayload:
		return warning(trouble{
			fmt.Sprintf("takes messages of at most %s, the server %s", size(st.MaxMsgSize), size(s.Server.MaxPayload)),
			"a record that came in may be too large to be held", "nats stream edit " + st.Name + " --max-msg-size=-1",
		})
	case st.MaxConsumers > 0 && st.Role == HeldWork && st.MaxConsumers < drainRoom:
		return warning(trouble{
			fmt.Sprintf("may have %d consumers", st.MaxConsumers), fmt.Sprintf("what is held comes back through up to %d", drainRoom), anew(st.Name),
		})
	}
	return well("no limit in the way")
}

// leastDuplicates is how long an unknown outcome may be asked again.
const leastDuplicates = 2 * time.Minute

func streamDuplicates(_ Snapshot, st Stream) verdict {
	if st.Role == Wakeups || st.Role == Audit { // published without ids, or by people
		return verdict{}
	}
	return inDoubt(st.Duplicates < leastDuplicates, trouble{
		"remembers message ids for " + span(st.Duplicates), "a record whose ack was lost on the way is stored twice when it is published again later", "hogcast setup",
	}, "ids remembered for "+span(st.Duplicates))
}

func streamSubjects(_ Snapshot, st Stream) verdict {
	if st.Closed {
		return noted("closed to publishers")
	}
	return orNot(st.Subject != "" && !slices.Contains(st.Takes, st.Subject), trouble{
		fmt.Sprintf("does not take %s but %s", st.Subject, strings.Join(st.Takes, ", ")), "what is published there is refused", "hogcast setup",
	}, "takes "+st.Subject)
}

func streamHeaders(_ Snapshot, st Stream) verdict {
	switch {
	case st.Role == Audit:
		return verdict{}
	case st.Rollup:
		return warning(trouble{
			"allows rollups", "whoever may publish can delete all that is there with a header", "nats stream edit " + st.Name + " --no-allow-rollup",
		})
	case st.MsgTTL:
		return warning(trouble{
			"allows a time to live by message", "whoever may publish can have records expire unseen with a header", anew(st.Name),
		})
	}
	return well("no header deletes")
}

func streamSealed(_ Snapshot, st Stream) verdict {
	switch {
	case st.Sealed:
		return problem(trouble{"is sealed", "it takes nothing any more, for ever", anew(st.Name)})
	case st.DenyDelete && (st.Role == Wakeups || st.Role == DeadLetters):
		return problem(trouble{"denies deleting", "sleepers can't be woken, and replayed letters stay", anew(st.Name)})
	}
	return well("open")
}

func streamFill(_ Snapshot, st Stream) verdict {
	what := fmt.Sprintf("%s, %s", plural(st.Messages, "message"), size(st.Bytes))
	used := 0
	if st.MaxBytes > 0 && !st.Closed {
		used = percent(st.Bytes, st.MaxBytes)
		what = fmt.Sprintf("%s, %d %% of %s", plural(st.Messages, "message"), used, size(st.MaxBytes))
	}
	if st.MaxMsgs > 0 && !st.Closed {
		used = max(used, percent(st.Messages, st.MaxMsgs))
	}
	level := levelOf(used, fillWarn, fillBad)
	if level == OK {
		return noted(what)
	}
	t := trouble{"is filling up: " + what, fullMeans(st.Role), fullMend(st.Role)}
	if level == Problem {
		return problem(t)
	}
	return warning(t)
}

func fullMeans(r Role) string {
	switch r {
	case HeldWork:
		return "what finds no room there becomes dead letters, held_full"
	case DeadLetters:
		return "the oldest letters are discarded to make room for new ones"
	}
	return "publishers are refused when it is full"
}

func fullMend(r Role) string {
	switch r {
	case HeldWork:
		return "see whose it is: hogcast health; more room: hogcast setup --storage-bytes SIZE"
	case DeadLetters:
		return "hogcast dead list --by cause, then hogcast replay or hogcast dead drop; more room: hogcast setup --storage-bytes SIZE"
	}
	return "start more workers, or look what holds them up: hogcast health; more room: hogcast setup --storage-bytes SIZE"
}

func streamCompression(_ Snapshot, st Stream) verdict {
	if st.Compression == "" || strings.EqualFold(st.Compression, "none") {
		return well("not compressed")
	}
	return noted("compressed (" + strings.ToLower(st.Compression) + ")")
}
