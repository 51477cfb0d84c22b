package cache

import (
	"sync"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

// sizedCache is an LRU with a bound in bytes rather than in entries.
type sizedCache[K comparable, V any] struct {
	mu struct {
		sync.Mutex
		lru  *simplelru.LRU[K, V]
		size int
		// purged counts purges; see putSince.
		purged uint64
	}
	limit int
	cost  func(V) int
}

func newSizedCache[K comparable, V any](limit, minCost int, cost func(V) int) *sizedCache[K, V] {
	c := &sizedCache[K, V]{limit: limit, cost: cost}
	// The count can never be what bounds it, since no entry costs less.
	l, err := simplelru.NewLRU(limit/minCost+1, func(_ K, v V) { c.mu.size -= cost(v) })
	if err != nil {
		panic(err) // only for a size below 1
	}
	c.mu.lru = l
	return c
}

func (c *sizedCache[K, V]) get(k K) (V, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.mu.lru.Get(k)
}

// purge drops all.
func (c *sizedCache[K, V]) purge() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mu.purged++
	c.mu.lru.Purge()
}

// purges counts the purges.
func (c *sizedCache[K, V]) purges() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.mu.purged
}

func (c *sizedCache[K, V]) put(k K, v V) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.putLocked(k, v)
}

// putSince puts what was read after purges had returned purged, unless it may be out of
// date since.
func (c *sizedCache[K, V]) putSince(purged uint64, k K, v V) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.mu.purged == purged {
		c.putLocked(k, v)
	}
}

func (c *sizedCache[K, V]) putLocked(k K, v V) {
	n := c.cost(v)
	if n > c.limit/8 {
		return // one entry shall not drive out all the others
	}
	c.mu.lru.Remove(k)
	for c.mu.size+n > c.limit {
		c.mu.lru.RemoveOldest()
	}
	c.mu.lru.Add(k, v)
	c.mu.size += n
}

func (c *sizedCache[K, V]) remove(k K) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mu.lru.Remove(k)
}

// entryOverhead is what one cached entry costs beside its content: the entry in
// its place in the list, and its place in the map.
const entryOverhead = 256

// entryCache keeps entries that were looked up, by inode. Only such entries may
// be put that do not change any more: directories and files that are here.
type entryCache = sizedCache[Inode, Entry]

func newEntryCache(limit int) *entryCache {
	return newSizedCache[Inode](limit, entryOverhead, func(e Entry) int {
		return entryOverhead + len(e.Content) + len(e.ETag)
	})
}

// cachedRun is a run and where it stands.
type cachedRun struct {
	run
	parent, first Inode
}

const runOverhead = 256

// runCache keeps runs by their first inode.
type runCache = sizedCache[Inode, *cachedRun]

func newRunCache(limit int) *runCache {
	return newSizedCache[Inode](limit, runOverhead, func(r *cachedRun) int { return runOverhead + len(r.value) })
}
