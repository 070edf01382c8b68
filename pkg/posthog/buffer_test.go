package posthog

import "testing"

func TestABufferGoesBackToThoseOfItsSize(t *testing.T) {
	t.Parallel()
	for _, n := range []int{0, 1, 4096, 4097, 400_000, 1 << 20, 1<<20 + 1, 5 << 20} {
		var pool buffers
		b := pool.get(n)
		if len(b.b) != 0 || cap(b.b) < n || cap(b.b) > max(4096, 2*n) {
			t.Errorf("%d bytes: got %d, room for %d", n, len(b.b), cap(b.b))
		}
		b.b = append(b.b, make([]byte, 3*n)...) // it grows
		b.release()
		for size := range pool.pools {
			if kept, ok := pool.pools[size].Get().(*buffer); ok && (cap(kept.b) < 4096<<size || cap(kept.b) >= 8192<<size) {
				t.Errorf("size %d has a buffer of %d bytes", size, cap(kept.b))
			}
		}
	}
}
