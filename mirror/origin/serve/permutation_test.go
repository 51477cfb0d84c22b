package serve

import "testing"

func TestPermutationIsBijection(t *testing.T) {
	sizes := []uint64{127, 128, 129, 1000, 4095, 4096, 4097, 100_003}
	for n := range uint64(70) {
		sizes = append(sizes, n)
	}
	for _, n := range sizes {
		for _, seed := range []uint64{0, 1, 1 << 63} {
			p := newPermutation(n, seed)
			seen := make([]bool, n)
			for k := range n {
				v := p.at(k)
				if v >= n || seen[v] {
					t.Fatalf("n %d, seed %d: %d is sent to %d, which is taken or out of range", n, seed, k, v)
				}
				seen[v] = true
			}
		}
	}
}

func TestPermutationShuffles(t *testing.T) {
	const n = 10_000
	p, q := newPermutation(n, 1), newPermutation(n, 2)
	var rising, fixed, same int
	for k := range uint64(n - 1) {
		if p.at(k) < p.at(k+1) {
			rising++
		}
		if p.at(k) == k {
			fixed++
		}
		if p.at(k) == q.at(k) {
			same++
		}
	}
	if rising < n*45/100 || rising > n*55/100 || fixed > 10 || same > 10 {
		t.Errorf("%d rising, %d fixed points, %d as with another seed, of %d", rising, fixed, same, n)
	}
}

func TestPermutationOfMany(t *testing.T) {
	const n = 1_000_000_000
	p := newPermutation(n, 0)
	seen := make(map[uint64]bool)
	for k := range uint64(100_000) {
		v := p.at(n - 1 - k)
		if v >= n || seen[v] {
			t.Fatalf("%d is sent to %d, which is taken or out of range", k, v)
		}
		seen[v] = true
	}
}
