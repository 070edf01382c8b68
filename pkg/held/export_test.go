package held

import "context"

// Sweep is one sweep.
func (k *Keeper) Sweep(ctx context.Context) error { return k.sweep(ctx) }
