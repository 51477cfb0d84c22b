package wire

import (
	"hash/maphash"
	"sync"
	"sync/atomic"
	"time"
)

// guard is a request of which the response is known. It is asked for behind
// others: that it is answered rightly proves that there were neither more nor
// fewer responses before it than requests.
type guard struct {
	target string
	ranged bool // for the first byte alone
	status int
	size   int // of the body
	sum    uint64
	took   time.Duration
}

// firstByte are the fields of a ranged guard.
var firstByte = []byte("Range: bytes=0-0\r\n")

var guardSeed = maphash.MakeSeed()

func newGuard(target string, status int, body []byte, took time.Duration) guard {
	return guard{target: target, status: status, size: len(body), sum: maphash.Bytes(guardSeed, body), took: took}
}

// same reports whether two responses cannot be told apart. Of an error only the
// status counts: its body may hold the time, or the request's number.
func (g *guard) same(o *guard) bool {
	return g.status == o.status && (g.status >= 300 || g.size == o.size && g.sum == o.sum)
}

func (g *guard) fields() []byte {
	if g.ranged {
		return firstByte
	}
	return nil
}

// pair is two guards whose responses differ.
type pair [2]guard

const (
	// maxGuard is the longest body that a guard may have, in bytes; of files
	// over shortGuard the first byte serves as one, if the server has ranges.
	maxGuard   = 64 << 10
	shortGuard = 4 << 10
	// fewRequests is a round so short that more guards would be most of it.
	fewRequests = 32
	// maxAlike is how many files may be all alike before Options.Absent becomes
	// a guard, and how often the first byte of a file is asked for in vain.
	maxAlike = 8
)

// guardWord returns how many guards end a round of n requests; the first is
// pair[0], all others pair[1]. Such a word differs from itself shifted by any
// number of places below its length. So with that many responses too many or
// missing it cannot come right, whatever the files are; with more of them it
// does only where as many files in a row have just the contents of the guards.
func guardWord(n int) int {
	if n < fewRequests {
		return 2
	}
	return 4
}

// guards are what a client knows that it can prove order with.
type guards struct {
	now atomic.Pointer[pair] // nil: not known yet
	// rangeless is how many files in a row the server did not serve a part of.
	rangeless atomic.Int32

	mu struct {
		sync.Mutex
		first *guard
		alike int // files that were like the first
		// absent says that Options.Absent was asked for.
		absent bool
	}
}

func (g *guards) pair() *pair { return g.now.Load() }

// learn notes a proven response. absent says that Options.Absent has to be asked
// for, as files alone will not do.
func (g *guards) learn(found guard) (absent bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case g.now.Load() != nil:
	case g.mu.first == nil:
		g.mu.first = &found
	case !g.mu.first.same(&found):
		g.now.Store(&pair{*g.mu.first, found})
		g.mu.first, g.mu.alike, g.mu.absent = nil, 0, false
	case !g.mu.absent:
		// Files of one kind often begin with the same byte.
		if g.mu.alike++; g.mu.alike >= maxAlike || found.ranged {
			g.mu.absent = true
			return true
		}
	}
	return false
}

// retryAbsent has Options.Absent be asked for again after more files that are alike.
func (g *guards) retryAbsent() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.mu.alike, g.mu.absent = 0, false
}

// forget drops a pair that does not hold any more.
func (g *guards) forget(p *pair) { g.now.CompareAndSwap(p, nil) }
