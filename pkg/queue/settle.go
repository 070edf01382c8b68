package queue

import (
	"fmt"
	"time"

	"go.uber.org/zap"
)

// The words of JetStream's acknowledgements (NATS docs, "JetStream wire API
// Reference"). A jetstream.Msg says the same, but keeps its headers, and its
// pull's subscription, for as long: some 700 bytes and five objects a record in
// hand, which the collector walks through at each turn.
const (
	wordAck      = "+ACK"
	wordNak      = "-NAK"
	wordProgress = "+WPI"
)

func (d *Delivery) tell(word string) error { return d.lease.nats.Publish(d.reply, []byte(word)) }

// Verdict is what should happen to a message. This file alone talks to the
// server about it.
type Verdict struct {
	kind  verdictKind
	delay time.Duration
}

type verdictKind int

const (
	ack verdictKind = iota
	ackConfirmed
	again
	handBack
)

// Ack says that every branch of the record is done and stored where it belongs.
func Ack() Verdict { return Verdict{kind: ack} }

// AckConfirmed is Ack, and waits for the server's word that the message is
// gone. For timers, which are looked after once they are; records need no such.
func AckConfirmed() Verdict { return Verdict{kind: ackConfirmed} }

// Again has it redelivered after a delay. For timers and few messages only:
// they stay in the consumer's ack window meanwhile.
func Again(delay time.Duration) Verdict { return Verdict{kind: again, delay: delay} }

// HandBack gives it to somebody else, at once.
func HandBack() Verdict { return Verdict{kind: handBack} }

// Settle does what the verdict says, once: a later call does nothing. A lease
// that has run out is not settled: the server has given the message to another.
// A settling that does not reach the server makes a redelivery, not a loss.
func (h *Hand) Settle(d *Delivery, v Verdict) {
	if !h.let(d) {
		return
	}
	var err error
	switch v.kind {
	case ack:
		err = d.tell(wordAck)
		h.stats.acked.Add(1)
	case ackConfirmed:
		_, err = d.lease.nats.Request(d.reply, []byte(wordAck), apiTimeout)
		h.stats.acked.Add(1)
	case again:
		err = d.tell(fmt.Sprintf(wordNak+` {"delay": %d}`, v.delay.Nanoseconds()))
		h.stats.retried.Add(1)
	case handBack:
		err = d.tell(wordNak)
		h.stats.handedBack.Add(1)
	}
	if err != nil {
		h.stats.failed.Add(1)
		h.log.Warn("settling failed; the record will come again",
			zap.Uint64("sequence", d.Sequence), zap.String("stream", d.Stream), zap.Error(err))
	}
}

// InHand reports whether a delivery's lease holds, and it is not settled.
func (h *Hand) InHand(d *Delivery) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	_, inHand := h.inHand[d]
	return inHand && !d.expired(time.Now())
}

// let takes the delivery out of hand and gives its room back; false where it
// was settled before or its lease has run out.
func (h *Hand) let(d *Delivery) bool {
	h.mu.Lock()
	_, inHand := h.inHand[d]
	delete(h.inHand, d)
	// A heartbeat may be renewing it: look while it can't.
	expired := d.expired(time.Now())
	h.settled.Broadcast()
	h.mu.Unlock()
	if !inHand {
		return false
	}
	h.bytes.Add(-d.footprint)
	d.lease.window.release(d.footprint)
	if expired {
		h.stats.abandoned.Add(1)
	}
	return !expired
}

// beat renews the leases of what has been in hand for a heartbeat, and abandons
// what was not renewed in time: a process that was stopped or swapped out must
// not settle what the server has given to another.
func (h *Hand) beat(now time.Time) {
	var due []*Delivery
	h.mu.Lock()
	for d := range h.inHand {
		if now.Sub(d.renewed) >= min(h.heartbeat, d.lease.ackWait/3) {
			due = append(due, d)
		}
	}
	h.mu.Unlock()
	for _, d := range due {
		if d.expired(now) {
			h.let(d)
			continue
		}
		if err := d.tell(wordProgress); err == nil {
			h.mu.Lock()
			d.renewed = now
			h.mu.Unlock()
		}
	}
}

// expired reports whether the lease has run out. The wall clock is asked, too:
// a suspended machine's monotonic clock may have stood still.
func (d *Delivery) expired(now time.Time) bool {
	return now.Sub(d.renewed) >= d.lease.ackWait || now.Round(0).Sub(d.renewed.Round(0)) >= d.lease.ackWait
}
