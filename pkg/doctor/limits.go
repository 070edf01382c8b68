package doctor

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

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
	if level == OK || st.Role == Audit { // which forgets its oldest when it is full
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
