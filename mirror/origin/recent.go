package origin

import (
	"hash/maphash"
	"sync"
)

// recentPages is how many pages, or their ETags, are remembered to tell a late one by.
const recentPages = 8

var pageSeed = maphash.MakeSeed()

// recent remembers the last pages and the markers that they came for, or the ETags
// and the markers that they were sent for.
type recent struct {
	mu struct {
		sync.Mutex
		pages [recentPages]struct{ page, marker uint64 }
		next  int
	}
}

// add notes a page or an ETag, and reports whether it belonged to another marker before.
func (r *recent) add(page []byte, marker string) (other bool) {
	p, m := maphash.Bytes(pageSeed, page), maphash.String(pageSeed, marker)
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, old := range r.mu.pages {
		if old.page == p {
			return old.marker != m
		}
	}
	r.mu.pages[r.mu.next] = struct{ page, marker uint64 }{p, m}
	r.mu.next = (r.mu.next + 1) % recentPages
	return false
}
