package cache

// The least of what Options.Memory makes of the store's memory, in bytes.
const (
	minBlockCache = 8 << 20
	minMemTable   = 4 << 20
)

// share is a part of Options.Memory, within bounds; most where there is no limit.
func (o *Options) share(of, least, most int64) int64 {
	if o.Memory <= 0 {
		return most
	}
	return min(max(o.Memory/of, least), most)
}

func (o *Options) blockCache() int64 { return o.share(8, minBlockCache, blockCacheSize) }
func (o *Options) memTable() int64   { return o.share(16, minMemTable, memTableSize) }

// batchLimit is how much content a page gathers before it is committed in part.
func (o *Options) batchLimit() int { return int(o.share(64, BatchLimit/8, BatchLimit)) }

// OffHeap is how many bytes the store takes at most outside of Go's heap, which Go's
// memory limit does not count.
func (o *Options) OffHeap() int64 {
	if !manualMemory {
		return 0
	}
	return o.blockCache() + memTableStop*o.memTable()
}

// ScratchOffHeap is OffHeap of a store that OpenScratch makes.
func ScratchOffHeap() int64 {
	if !manualMemory {
		return 0
	}
	return scratchCache + memTableStop*scratchMemTable
}
