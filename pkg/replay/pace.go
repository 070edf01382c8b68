package replay

import (
	"context"
	"time"
)

// pace spaces letters out. It is for one goroutine.
type pace struct {
	rate float64       // a second; 0: none
	look time.Duration // how often who waits looks whether to go on
	next time.Time
}

// wait waits for the next letter's turn. It reports false, at once, where ctx
// has ended or goOn says no.
func (p *pace) wait(ctx context.Context, goOn func(context.Context) bool) bool {
	if ctx.Err() != nil {
		return false
	}
	if p.rate <= 0 {
		return true
	}
	now := time.Now()
	if p.next.Before(now) {
		p.next = now
	}
	for left := p.next.Sub(now); left > 0; left = time.Until(p.next) {
		select {
		case <-ctx.Done():
			return false
		case <-time.After(min(left, p.look)):
		}
		if left > p.look && !goOn(ctx) {
			return false
		}
	}
	p.next = p.next.Add(time.Duration(float64(time.Second) / p.rate))
	return true
}
