package pipeline

import "time"

// PoisonWithin has the keeper call poison in seconds what takes minutes else.
func (k *Keeper) PoisonWithin(span, pause time.Duration) *Keeper {
	k.poison.span, k.poison.pause = span, pause
	return k
}
