package wire

import (
	"slices"
	"sync"
	"sync/atomic"
)

const (
	// maxGuards is how many guards a client knows. Each round of a connection needs
	// one that is new to it, so that is also how many rounds a connection has.
	maxGuards = 256
	// maxGuardBytes bounds their targets, in bytes.
	maxGuardBytes = 64 << 10
)

// known is a guard of a client.
type known struct {
	guard
	gone atomic.Bool // it does not hold any more
}

// guardSet is guards of which no two have the same response, in the order in which
// they were learned. It never changes.
type guardSet struct {
	all     []*known
	bytes   int                       // of their targets
	longest int                       // body of those that are whole files, in bytes
	absent  bool                      // one of them is an error
	keys    [1 << keyBits / 64]uint64 // of those that are whole files
}

// full says that no more are wanted.
func (s *guardSet) full() bool { return len(s.all) >= maxGuards || s.bytes >= maxGuardBytes }

// mayHave is false where no guard is a file of that key.
func (s *guardSet) mayHave(key uint16) bool { return s.keys[key/64]>>(key%64)&1 != 0 }

func (s *guardSet) add(k *known) {
	s.all = append(s.all, k)
	s.bytes += len(k.target)
	s.absent = s.absent || k.status >= 300
	if k.status == 200 {
		s.longest = max(s.longest, k.size)
		s.keys[k.key/64] |= 1 << (k.key % 64)
	}
}

// with is the set with those of more that are like none of it.
func (s *guardSet) with(more ...guard) *guardSet {
	next := &guardSet{}
	if s != nil {
		*next = *s
		next.all = slices.Clone(s.all)
	}
	for _, g := range more {
		alike := slices.ContainsFunc(next.all, func(k *known) bool { return k.same(&g) })
		if !alike && !next.full() && next.bytes+len(g.target) <= maxGuardBytes {
			next.add(&known{guard: g})
		}
	}
	return next
}

// guards are what a client knows that it can prove order with.
type guards struct {
	now atomic.Pointer[guardSet] // nil: less than two are known
	// rangeless is how many files in a row the server did not serve a part of.
	rangeless atomic.Int32
	// growing is held by the call that asks for more. It is only ever tried.
	growing sync.Mutex

	mu struct {
		sync.Mutex
		first *guard
		alike int // files that were like the first
		// absent says that Options.Absent was asked for.
		absent bool
	}
}

// enough reports whether guards are known, so that rounds can be proven.
func (g *guards) enough() bool { return g.now.Load() != nil }

// learn notes proven responses, of which no two are the same, while there are not
// enough. absent says that Options.Absent has to be asked for, as files alone will
// not do.
func (g *guards) learn(found ...guard) (absent bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	first := g.mu.first
	switch {
	case g.now.Load() != nil:
	case first == nil && len(found) > 1:
		g.foundLocked(found[0], found[1:])
	case first == nil:
		g.mu.first = &found[0]
	case len(found) > 1 || !first.same(&found[0]):
		g.foundLocked(*first, found)
	case !g.mu.absent:
		if g.mu.alike++; g.mu.alike >= maxAlike {
			g.mu.absent = true
			return true
		}
	}
	return false
}

func (g *guards) foundLocked(first guard, more []guard) {
	g.now.Store((*guardSet)(nil).with(first).with(more...))
	g.mu.first, g.mu.alike, g.mu.absent = nil, 0, false
}

// more notes further proven responses.
func (g *guards) more(found []guard) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if s := g.now.Load(); s != nil {
		g.now.Store(s.with(found...))
	}
}

// retryAbsent has Options.Absent be asked for again after more files that are alike.
func (g *guards) retryAbsent() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.mu.alike, g.mu.absent = 0, false
}

// forget drops guards.
func (g *guards) forget(dropped ...*known) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, k := range dropped {
		if k != nil {
			k.gone.Store(true)
		}
	}
	s, left := g.now.Load(), &guardSet{}
	if s == nil {
		return
	}
	for _, k := range s.all {
		if !k.gone.Load() {
			left.add(k)
		}
	}
	if len(left.all) < 2 {
		left = nil
	}
	g.now.Store(left)
}

// forgetAll drops all guards: where one has changed, so may others have, and each
// would cost a round.
func (g *guards) forgetAll() {
	if s := g.now.Load(); s != nil {
		g.forget(s.all...)
	}
}
