package queue

// RankOf is the rank of a pull of a worker in that place.
func RankOf(place int, busy bool) uint8 { return rankOf(place, busy) }

// Places tells a worker's place in the line of each stream.
func Places(me string, workers, streams []string) []int { return places(me, workers, streams) }
