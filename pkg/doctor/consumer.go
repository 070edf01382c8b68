package doctor

import (
	"fmt"
	"strings"
	"time"
)

var consumerChecks = []check{
	of("consumer_exists", func(_ Snapshot, c Consumer) verdict {
		return exists(thing{"consumer " + c.Name + " of " + c.Stream, "CONSUMER.INFO." + c.Stream + "." + c.Name, "nothing of that stream is delivered; it stays in the stream"}, c.Answer, c.Detail)
	}),
	consumer("consumer_kind", consumerKind),
	consumer("consumer_priority", consumerPriority),
	consumer("consumer_filter", consumerFilter),
	consumer("consumer_ack_wait", consumerAckWait),
	consumer("consumer_max_ack_pending", consumerMaxAckPending),
	consumer("consumer_max_deliver", consumerMaxDeliver),
	consumer("consumer_pulls", consumerPulls),
	consumer("consumer_storage", consumerStorage),
	consumer("consumer_paused", consumerPaused),
	consumer("consumer_at_cap", consumerAtCap),
	consumer("consumer_stuck", consumerStuck),
	consumer("consumer_waiting", consumerWaiting),
}

// consumer makes a check of a consumer that is there.
func consumer(name string, look func(Snapshot, Consumer) verdict) check {
	return of(name, func(s Snapshot, c Consumer) verdict {
		if c.Answer != Here {
			return verdict{}
		}
		return look(s, c)
	})
}

// again mends a consumer that can't be changed in place; its messages stay.
func (c Consumer) again() string {
	return fmt.Sprintf("stop the workers, nats consumer rm %s %s (no record is lost: they stay in the stream), hogcast setup", c.Stream, c.Name)
}

func consumerKind(_ Snapshot, c Consumer) verdict {
	wrong, why := "", ""
	switch {
	case !c.AckExplicit:
		wrong, why = "its acks are not explicit", "a record counts as delivered before it is"
	case c.Push:
		wrong, why = "it pushes", "workers pull as much as they have room for"
	case !c.DeliverAll:
		wrong, why = "it does not begin with the stream's first message", "what came before it was made is never delivered"
	case c.HeadersOnly:
		wrong, why = "it delivers headers alone", "records come without their content"
	case c.BackOff > 0:
		wrong, why = "it has a backoff list, which replaces ack_wait", "records that are still being delivered are handed out again"
	}
	return orNot(wrong != "", trouble{wrong, why, c.again()}, "pulled, acknowledged one by one")
}

func consumerPriority(_ Snapshot, c Consumer) verdict {
	if c.Role != Generations {
		return verdict{}
	}
	return orNot(!c.Prioritized, trouble{
		"its priority policy is not `prioritized`", "workers can't pull from it, and the policy can't be added later", c.again(),
	}, "prioritized")
}

func consumerFilter(_ Snapshot, c Consumer) verdict {
	return orNot(len(c.Filter) > 0, trouble{
		"it is filtered to " + strings.Join(c.Filter, ", "), "all other tenants' records are never delivered", "hogcast setup",
	}, "not filtered")
}

// storeTime is what keeping a branch may take after the record's stay.
const storeTime = 5 * time.Second

func consumerAckWait(s Snapshot, c Consumer) verdict {
	w := s.Worker
	if c.Role == Wakeups {
		least := w.Heartbeat // a lease is renewed after a third of it, and never less often than this
		return inDoubt(c.AckWait < least, trouble{
			"ack_wait is " + span(c.AckWait), "a wake-up comes again while its turn is under way", "hogcast setup",
		}, "ack_wait "+span(c.AckWait))
	}
	least := max(2*w.Heartbeat, w.MainLaneMax+storeTime)
	return orNot(c.AckWait < least, trouble{
		fmt.Sprintf("ack_wait is %s; the worst delivery takes %s, and leases are renewed every %s", span(c.AckWait), span(w.MainLaneMax+storeTime), span(w.Heartbeat)),
		"records are handed to a second worker while the first still delivers them", "hogcast setup --ack-wait " + span(max(least, time.Minute)),
	}, "ack_wait "+span(c.AckWait))
}

func consumerMaxAckPending(s Snapshot, c Consumer) verdict {
	if c.Role == Wakeups {
		return orNot(c.MaxAckPending > 0, trouble{
			fmt.Sprintf("max_ack_pending is %s", count(c.MaxAckPending)), "when as many destinations sleep, no other is ever woken", "hogcast setup",
		}, "any number asleep")
	}
	if c.MaxAckPending < 1 {
		return well("no limit in hand")
	}
	workers, room := max(s.Fleet.Workers, 1), s.inHandRoom()
	usual, least := workers*s.Worker.InWindow, workers*s.Worker.InWindowAtLeast
	t := trouble{
		fmt.Sprintf("max_ack_pending is %s; the windows of %s take %s records", count(room), plural(workers, "worker"), count(usual)),
		"one slow destination's records use it up, and then nobody's are delivered",
		fmt.Sprintf("hogcast setup --max-ack-pending %d", roundUp(usual*2, 10_000)),
	}
	switch {
	case room < least:
		return problem(t)
	case room < usual:
		return warning(t)
	}
	return well(fmt.Sprintf("at most %s in hand", count(c.MaxAckPending)))
}

// inHandRoom is how many records may be in hand over all shards: every worker
// consumes them all.
func (s Snapshot) inHandRoom() (n int) {
	for _, c := range s.Consumers {
		if c.Role == Generations && c.Answer == Here {
			n += c.MaxAckPending
		}
	}
	return n
}

func roundUp(n, to int) int { return (n + to - 1) / to * to }

func consumerMaxDeliver(_ Snapshot, c Consumer) verdict {
	return orNot(c.MaxDeliver > 0, trouble{
		fmt.Sprintf("max_deliver is %d", c.MaxDeliver), "records that were delivered as often are left lying, silently", "hogcast setup",
	}, "delivered until acknowledged")
}

func consumerPulls(s Snapshot, c Consumer) verdict {
	wrong := ""
	switch w := s.Worker; {
	case c.MaxBatch > 0 && c.MaxBatch < w.PullBatch:
		wrong = fmt.Sprintf("a pull may ask for %d messages; workers ask for %d", c.MaxBatch, w.PullBatch)
	case c.MaxExpires > 0 && c.MaxExpires < w.PullWait:
		wrong = fmt.Sprintf("a pull may wait %s; workers wait %s", span(c.MaxExpires), span(w.PullWait))
	case c.MaxPullBytes > 0 && int64(c.MaxPullBytes) < s.Server.MaxPayload:
		wrong = fmt.Sprintf("a pull may ask for %s, less than a message can have", size(c.MaxPullBytes))
	case c.MaxWaiting > 0 && c.MaxWaiting < 4*s.Fleet.Workers:
		wrong = fmt.Sprintf("%d pulls may wait; %s make two each, and more when they stop", c.MaxWaiting, plural(s.Fleet.Workers, "worker"))
	}
	return orNot(wrong != "", trouble{wrong, "workers' pulls are refused", c.again()}, "pulls as workers make them")
}

func consumerStorage(s Snapshot, c Consumer) verdict {
	switch {
	case c.Inactive > 0:
		return problem(trouble{
			"it is deleted when nobody pulls for " + span(c.Inactive), "after a night without workers it is gone, and they don't start", c.again(),
		})
	case c.Memory, s.Server.Cluster != "" && c.Replicas == 1:
		return warning(trouble{
			"what it has delivered is remembered by one server alone", "when that restarts, records come again that were delivered already", c.again(),
		})
	}
	return well("kept with the stream")
}

func consumerPaused(_ Snapshot, c Consumer) verdict {
	return orNot(c.Paused, trouble{
		"it is paused for another " + span(c.PausedFor), "nothing is delivered to anybody meanwhile", fmt.Sprintf("nats consumer resume %s %s", c.Stream, c.Name),
	}, "not paused")
}

func consumerAtCap(_ Snapshot, c Consumer) verdict {
	full := c.MaxAckPending > 0 && c.InHand >= c.MaxAckPending
	return orNot(full, trouble{
		fmt.Sprintf("%s are in hand, all that max_ack_pending allows", plural(c.InHand, "message")), "nothing more is delivered, to any tenant, until some are acknowledged",
		"see what holds them: hogcast health; workers that were killed give theirs back after ack_wait",
	}, "room in hand")
}

// quietFor: a consumer that has delivered within this is at work.
const quietFor = 15 * time.Second

func consumerStuck(s Snapshot, c Consumer) verdict {
	switch {
	case c.Pending == 0:
		return well("nothing waits")
	case c.Paused, c.Moved, c.Watched == 0, c.Quiet > 0 && c.Quiet < quietFor:
		return well("at work")
	case c.MaxAckPending > 0 && c.InHand >= c.MaxAckPending:
		return well("told by consumer_at_cap")
	}
	t := trouble{
		fmt.Sprintf("%s wait, and nothing was delivered or acknowledged in %s", plural(c.Pending, "message"), span(max(c.Watched, c.Quiet))),
		"records get older, and none is delivered", "see a worker's log, and why it is not ready: curl -s http://WORKER:8080/readyz",
	}
	if s.Fleet.Answer == Here && s.Fleet.Workers == 0 {
		t.what += "; no worker is alive"
		t.mend = "start workers"
	}
	return problem(t)
}

func consumerWaiting(_ Snapshot, c Consumer) verdict {
	return noted(fmt.Sprintf("%s waiting, %s in hand", count(c.Pending), count(c.InHand)))
}
