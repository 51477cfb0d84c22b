package cache

import (
	"hash/maphash"
	"math/bits"
)

// nameFilter is a Bloom filter of names that grows in layers, each a few times as long
// as the one before. It says of every name that was added that it may be there, and of
// others mostly that they are not: wrongly of 0.5 % for each layer, while filterBits are
// there for a name. The last layer takes whatever comes, and then says more and more
// often that a name may be there, in the end always.
type nameFilter struct {
	sizes  []int // of the layers to come, in bytes
	layers [][]filterBlock
	room   int // names that the last layer is made for and has not
	added  int
}

const (
	// filterBits is for how many bits a name is added, filterProbes how many it sets,
	// all in one cache line.
	filterBits, filterProbes = 12, 6
	filterLine               = 64 // bytes
)

type filterBlock [filterLine / 8]uint64

// filterSeed keeps an origin from choosing names that all look alike.
var filterSeed = maphash.MakeSeed()

// nameHash is what a filter knows of a name. The same name of another directory has
// another one.
func nameHash[T string | []byte](parent Inode, name T) uint64 {
	h := maphash.String(filterSeed, string(name)) ^ bits.RotateLeft64(uint64(parent)*0x9e3779b97f4a7c15, 29)
	h *= 0xd6e8feb86659fd93
	return h ^ h>>32
}

// add adds a name by its hash.
func (f *nameFilter) add(hash uint64) {
	if f.room == 0 && len(f.sizes) > 0 {
		f.layers = append(f.layers, make([]filterBlock, f.sizes[0]/filterLine))
		f.room = f.sizes[0] * 8 / filterBits
		f.sizes = f.sizes[1:]
	}
	f.room = max(f.room-1, 0)
	f.added++
	last := f.layers[len(f.layers)-1]
	block := &last[place(hash, len(last))]
	for probe := probes(hash); ; probe >>= 9 {
		if probe == 1 {
			return
		}
		block[probe>>6&7] |= 1 << (probe & 63)
	}
}

// has reports whether a name with that hash may have been added.
func (f *nameFilter) has(hash uint64) bool {
	for i := len(f.layers) - 1; i >= 0; i-- {
		block := &f.layers[i][place(hash, len(f.layers[i]))]
		probe := probes(hash)
		for probe != 1 && block[probe>>6&7]&(1<<(probe&63)) != 0 {
			probe >>= 9
		}
		if probe == 1 {
			return true
		}
	}
	return false
}

// place is the block of a layer that a name stands in.
func place(hash uint64, blocks int) uint64 {
	high, _ := bits.Mul64(hash, uint64(blocks))
	return high
}

// probes are the bits of the block that a name sets, nine bits for each, below a one
// that ends them.
func probes(hash uint64) uint64 {
	return hash*0x9e3779b97f4a7c15>>(64-9*filterProbes) | 1<<(9*filterProbes)
}
