package doctor

import (
	"fmt"
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
	return exists(thing{"stream " + st.Name, "STREAM.INFO." + st.Name, "workers wait for it, and publishers are refused"}, st.Answer, st.Detail)
}

// thing is what is asked for, by which API call, and what its lack means.
type thing struct{ name, api, lack string }

func exists(t thing, a Answer, detail string) verdict {
	switch a {
	case Here:
		return well("exists")
	case Missing:
		return problem(trouble{t.name + " is missing", t.lack, "hogcast setup"})
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

func streamLeader(_ Snapshot, st Stream) verdict { return leader(st.Clustered, st.Leader, st.Name) }

func streamPeers(_ Snapshot, st Stream) verdict { return peers(st.Peers, st.Name) }

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
