package queue

import (
	"time"

	"go.uber.org/zap"
)

// Verdict is what should happen to a message. This file alone talks to the
// server about it.
type Verdict struct {
	kind  verdictKind
	delay time.Duration
}

type verdictKind int

const (
	ack verdictKind = iota
	again
	handBack
)

// Ack says that every branch of the record is done and stored where it belongs.
func Ack() Verdict { return Verdict{kind: ack} }

// Again has it redelivered after a delay. For few messages only: they stay in
// the consumer's ack window meanwhile.
func Again(delay time.Duration) Verdict { return Verdict{kind: again, delay: delay} }

// HandBack gives it to somebody else, at once.
func HandBack() Verdict { return Verdict{kind: handBack} }

// Settle does what the verdict says, once: a later call does nothing. A lease
// that has run out is not settled: the server has given the message to another.
// A settling that does not reach the server makes a redelivery, not a loss.
func (c *Consumer) Settle(d *Delivery, v Verdict) {
	if !c.let(d) {
		return
	}
	var err error
	switch v.kind {
	case ack:
		err = d.msg.Ack()
		c.stats.acked.Add(1)
	case again:
		err = d.msg.NakWithDelay(v.delay)
		c.stats.retried.Add(1)
	case handBack:
		err = d.msg.Nak()
		c.stats.handedBack.Add(1)
	}
	if err != nil {
		c.stats.failed.Add(1)
		c.log.Warn("settling failed; the record will come again",
			zap.Uint64("sequence", d.Sequence), zap.String("stream", d.Stream), zap.Error(err))
	}
}

// let takes the delivery out of hand and gives its room back; false where it
// was settled before or its lease has run out.
func (c *Consumer) let(d *Delivery) bool {
	c.mu.Lock()
	_, inHand := c.inHand[d]
	delete(c.inHand, d)
	// A heartbeat may be renewing it: look while it can't.
	expired := d.expired(time.Now(), c.config.AckWait)
	c.settled.Broadcast()
	c.mu.Unlock()
	if !inHand {
		return false
	}
	c.config.Window.release(d.footprint)
	if expired {
		c.stats.abandoned.Add(1)
	}
	return !expired
}

// beat renews the leases of what has been in hand for a heartbeat, and abandons
// what was not renewed in time: a process that was stopped or swapped out must
// not settle what the server has given to another.
func (c *Consumer) beat(now time.Time) {
	var due []*Delivery
	c.mu.Lock()
	for d := range c.inHand {
		if now.Sub(d.renewed) >= c.config.Heartbeat {
			due = append(due, d)
		}
	}
	c.mu.Unlock()
	for _, d := range due {
		if d.expired(now, c.config.AckWait) {
			c.let(d)
			continue
		}
		if err := d.msg.InProgress(); err == nil {
			c.mu.Lock()
			d.renewed = now
			c.mu.Unlock()
		}
	}
}

// expired reports whether the lease has run out. The wall clock is asked, too:
// a suspended machine's monotonic clock may have stood still.
func (d *Delivery) expired(now time.Time, ackWait time.Duration) bool {
	return now.Sub(d.renewed) >= ackWait || now.Round(0).Sub(d.renewed.Round(0)) >= ackWait
}
