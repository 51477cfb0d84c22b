package serve

import "math/bits"

// permutation is a bijection of [0, n) that needs no memory: a Feistel network
// over the next power of two, walked until the value is below n again. The
// power of two is less than 2n, so that fewer than two steps are needed on
// average.
type permutation struct {
	n              uint64
	loBits         uint
	loMask, hiMask uint64
	keys           [6]uint64
}

// newPermutation returns the permutation of [0, n) that belongs to seed.
func newPermutation(n, seed uint64) permutation {
	width := 2
	if n > 1 {
		width = max(2, bits.Len64(n-1))
	}
	lo := uint(width / 2)
	p := permutation{
		n:      n,
		loBits: lo,
		loMask: 1<<lo - 1,
		hiMask: 1<<(uint(width)-lo) - 1,
	}
	for i := range p.keys {
		p.keys[i] = mix(seed + uint64(i+1)*golden)
	}
	return p
}

// at returns where the permutation sends k, which must be below n.
func (p *permutation) at(k uint64) uint64 {
	for {
		hi, lo := k>>p.loBits, k&p.loMask
		// Each half is changed by a function of the other alone, which is
		// undone by doing it again: a bijection whatever mix does.
		for i := 0; i < len(p.keys); i += 2 {
			hi ^= mix(lo^p.keys[i]) & p.hiMask
			lo ^= mix(hi^p.keys[i+1]) & p.loMask
		}
		if k = hi<<p.loBits | lo; k < p.n {
			return k
		}
	}
}

// golden is 2⁶⁴ divided by the golden ratio, the step of SplitMix64.
const golden = 0x9e3779b97f4a7c15

// mix is the output function of SplitMix64, a bijection of 64 bits.
func mix(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
