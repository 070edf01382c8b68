package fleet

import "slices"

// Me is this worker's name among the Living.
func (b *Board) Me() string { return keyOf(b.params.Worker) }

// Living names the workers that live, in their order, this one among them; as
// of the last beat.
func (b *Board) Living() []string {
	if all := b.living.Load(); all != nil {
		return *all
	}
	return []string{b.Me()}
}

// counted notes who lives.
func (b *Board) counted(living []string) {
	if me := b.Me(); !slices.Contains(living, me) {
		living = append(living, me)
	}
	slices.Sort(living)
	b.living.Store(&living)
}
