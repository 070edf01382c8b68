package delivery

import "github.com/hogcast/hogcast/pkg/outcome"

// ending is an item that is given up, and is to be told so.
type ending struct {
	item *Item
	end  End
}

// giveUp ends an item that gets no attempt any more; it is told when mu is let
// go of. Without one before, there is no verdict but that there was no time.
func (d *Dispatcher) giveUp(item *Item, end End) {
	if item.attempts == 0 || end == Interrupted {
		item.verdict = outcome.Verdict{Action: outcome.Retry, Cause: outcome.Interrupted}
	}
	d.ended = append(d.ended, ending{item, end})
}

// crowdOut ends an item that has no room in its lane.
func (d *Dispatcher) crowdOut(item *Item) {
	item.verdict = outcome.Verdict{Action: outcome.Retry, Cause: outcome.Crowded}
	d.ended = append(d.ended, ending{item, Undelivered})
}

// unlock lets go of mu, and then tells what was given up: Done is the caller's
// code.
func (d *Dispatcher) unlock() {
	ended := d.ended
	d.ended = nil
	if len(ended) == 0 {
		d.mu.Unlock()
		return
	}
	d.telling++
	d.mu.Unlock()
	for _, e := range ended {
		e.item.finish(e.end)
	}
	d.mu.Lock()
	d.telling--
	d.idle.Broadcast()
	d.mu.Unlock()
}

// unlockForCaller is unlock for those whose goroutine is not ours to call Done
// from; one goroutine does it for all of them.
func (d *Dispatcher) unlockForCaller() {
	if len(d.ended) > 0 && !d.teller {
		d.teller = true
		go d.tell()
	}
	d.mu.Unlock()
}

func (d *Dispatcher) tell() {
	d.mu.Lock()
	for len(d.ended) > 0 {
		d.unlock()
		d.mu.Lock()
	}
	d.teller = false
	d.idle.Broadcast()
	d.mu.Unlock()
}
