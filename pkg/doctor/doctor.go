// Package doctor judges what was found out about NATS, the streams and the
// fleet: whether hogcast's promises hold there, and what mends what is wrong.
// Layer 1: decisions. Pure: others gather the Snapshot.
package doctor

import (
	"cmp"
	"slices"
)

// Level is how bad a finding is.
type Level string

// The levels.
const (
	OK      Level = "ok"
	Warning Level = "warning" // works, but somebody should look at it
	Problem Level = "problem" // a promise does not hold, or something stands still
	Unknown Level = "unknown" // could not be found out
)

// Levels lists every Level, the worst last.
func Levels() []Level { return []Level{OK, Unknown, Warning, Problem} }

// Group is what a finding is about; reports are in this order.
type Group string

// The groups.
const (
	Servers   Group = "servers"
	Account   Group = "account"
	Streams   Group = "streams"
	Consumers Group = "consumers"
	Buckets   Group = "buckets"
	Fleet     Group = "fleet"
	Worker    Group = "worker configuration"
)

// Finding is what one check came to.
type Finding struct {
	Group   Group  `json:"group"`
	Subject string `json:"subject,omitempty"` // a stream, consumer, bucket or server
	Check   string `json:"check"`             // see Checks
	Level   Level  `json:"level"`
	What    string `json:"what"` // what is so
	// Why is why it matters, in one sentence, and Mend the command that mends
	// it, or shows it; both are empty where all is well.
	Why  string `json:"why,omitempty"`
	Mend string `json:"mend,omitempty"`
	// Accepted: somebody has said that it is to count as well.
	Accepted bool `json:"accepted,omitempty"`

	// Brief is the fact for the line that sums up what is well; most have none.
	Brief string `json:"-"`
}

// Examine judges a snapshot. The findings come by group, and within it by
// subject, in the snapshot's order.
func Examine(s Snapshot) []Finding {
	var all []Finding
	add := func(g Group, subject string, checks []check, about any) {
		for _, c := range checks {
			v := c.look(s, about)
			if v.level == "" {
				continue // does not apply
			}
			all = append(all, Finding{
				Group: g, Subject: subject, Check: c.name, Level: v.level,
				What: v.what, Why: v.why, Mend: v.mend, Brief: v.brief,
			})
		}
	}
	add(Servers, "", serverChecks, nil)
	for _, n := range s.Nodes {
		add(Servers, n.Name, nodeChecks, n)
	}
	add(Account, "", accountChecks, nil)
	for _, stream := range s.Streams {
		add(Streams, stream.Name, streamChecks, stream)
	}
	for _, c := range s.Consumers {
		add(Consumers, c.Name+" of "+c.Stream, consumerChecks, c)
	}
	for _, b := range s.Buckets {
		add(Buckets, b.Name, bucketChecks, b)
	}
	add(Fleet, "", fleetChecks, nil)
	if s.Worker.Given {
		add(Worker, "", workerChecks, nil)
	}
	return all
}

// Worst is the worst level among the findings, without those that are accepted.
func Worst(all []Finding) Level {
	worst := OK
	for _, f := range all {
		if !f.Accepted && slices.Index(Levels(), f.Level) > slices.Index(Levels(), worst) {
			worst = f.Level
		}
	}
	return worst
}

// Accept marks the findings of these checks as accepted. It returns the names
// that no check has.
func Accept(all []Finding, checks []string) (strange []string) {
	known := Checks()
	for _, name := range checks {
		if !slices.Contains(known, name) {
			strange = append(strange, name)
		}
	}
	for i := range all {
		all[i].Accepted = all[i].Level != OK && slices.Contains(checks, all[i].Check)
	}
	return strange
}

// Checks lists the names of all checks.
func Checks() []string {
	var names []string
	for _, list := range [][]check{serverChecks, nodeChecks, accountChecks, streamChecks, consumerChecks, bucketChecks, fleetChecks, workerChecks} {
		for _, c := range list {
			names = append(names, c.name)
		}
	}
	return names
}

// check is one thing to look at. about is what the check is made for: a Node,
// Stream, Consumer or Bucket, else nil.
type check struct {
	name string
	look func(s Snapshot, about any) verdict
}

// of makes a check of one kind of thing.
func of[T any](name string, look func(Snapshot, T) verdict) check {
	return check{name, func(s Snapshot, about any) verdict {
		t, ok := about.(T)
		if !ok {
			return verdict{}
		}
		return look(s, t)
	}}
}

// whole makes a check of the whole.
func whole(name string, look func(Snapshot) verdict) check {
	return check{name, func(s Snapshot, _ any) verdict { return look(s) }}
}

// verdict is what a check came to; the zero verdict: it does not apply.
type verdict struct {
	level                  Level
	what, why, mend, brief string
}

// trouble is what is wrong, why that matters, and what mends it.
type trouble struct{ what, why, mend string }

// well is a check that has passed; noted one that people want to read of.
func well(what string) verdict  { return verdict{level: OK, what: what} }
func noted(what string) verdict { return verdict{level: OK, what: what, brief: what} }

func warning(t trouble) verdict {
	return verdict{level: Warning, what: t.what, why: t.why, mend: t.mend}
}

func problem(t trouble) verdict {
	return verdict{level: Problem, what: t.what, why: t.why, mend: t.mend}
}

func unknown(t trouble) verdict {
	return verdict{level: Unknown, what: t.what, why: t.why, mend: t.mend}
}

// orNot is a problem where something is wrong, else well.
func orNot(wrong bool, t trouble, fine string) verdict {
	if wrong {
		return problem(t)
	}
	return well(fine)
}

// inDoubt is orNot with a warning.
func inDoubt(wrong bool, t trouble, fine string) verdict {
	if wrong {
		return warning(t)
	}
	return well(fine)
}

// levelOf is a problem from a bound on, a warning from a lower one on.
func levelOf[T cmp.Ordered](value, warn, bad T) Level {
	switch {
	case value >= bad:
		return Problem
	case value >= warn:
		return Warning
	}
	return OK
}
