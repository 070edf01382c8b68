package queue

// RankOf is the rank of a pull of a worker in that place, by its n-th fetcher.
func RankOf(place, n int, busy bool) uint8 { return rankOf(place, n, busy) }

// Places tells a worker's place in the line of each stream.
func Places(me string, workers, streams []string) []int { return places(me, workers, streams) }
