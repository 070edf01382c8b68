package delivery

// deque is a queue with two ends, in a ring that grows as it must and never
// shrinks: it goes with its owner.
type deque[T any] struct {
	ring    []T // its length is 0 or a power of two
	head, n int
}

func (q *deque[T]) len() int { return q.n }

// at returns the i-th from the front.
func (q *deque[T]) at(i int) T { return q.ring[(q.head+i)&(len(q.ring)-1)] }

func (q *deque[T]) front() T { return q.at(0) }

func (q *deque[T]) push(v T) {
	q.grow()
	q.ring[(q.head+q.n)&(len(q.ring)-1)] = v
	q.n++
}

func (q *deque[T]) pushFront(v T) {
	q.grow()
	q.head = (q.head - 1) & (len(q.ring) - 1)
	q.ring[q.head] = v
	q.n++
}

func (q *deque[T]) pop() T {
	var none T
	v := q.ring[q.head]
	q.ring[q.head] = none
	q.head = (q.head + 1) & (len(q.ring) - 1)
	q.n--
	return v
}

func (q *deque[T]) popBack() T {
	var none T
	i := (q.head + q.n - 1) & (len(q.ring) - 1)
	v := q.ring[i]
	q.ring[i] = none
	q.n--
	return v
}

// rotate moves the first to the end.
func (q *deque[T]) rotate() { q.push(q.pop()) }

func (q *deque[T]) grow() {
	if q.n < len(q.ring) {
		return
	}
	ring := make([]T, max(4, 2*len(q.ring)))
	for i := range q.n {
		ring[i] = q.at(i)
	}
	q.ring, q.head = ring, 0
}
