package cache

import (
	"errors"
	"strings"

	"github.com/cespare/xxhash/v2"
	lru "github.com/hashicorp/golang-lru/v2"
)

// matcher compares a listing with the runs of the one before, which have its names in
// the order of their numbers. It holds a window of the names that should come next.
// Where the listing has new names or lacks some, it finds its place again by looking a
// few names ahead; where much comes in another order, by an index of the window.
type matcher struct {
	r      *Refresh
	at     Inode // what the window has not taken in yet
	end    bool  // there is nothing more to take in
	window []expected
	text   []byte // the names of the window
	next   int    // the first of the window that is expected next
	used   int    // how many of the window have come
	// index, where it is not nil, has the place in the window by the hash of a name;
	// where two have the same hash, of one of them, and the other is looked up.
	index    map[uint64]int
	prefixes *lru.Cache[Inode, string]
	// looked and missed count, of the names of late, all and those that were elsewhere.
	looked, missed int
	cursor         cursor // for entries, while a page is compared
}

// expected is a name of the window.
type expected struct {
	from, to int // in text
	last     int // where in it the name in its directory begins, -1 where that is another
	parent   Inode
	ino      Inode
	came     bool
}

const (
	// matchWindow bounds the names of the window, matchText their bytes, from which on
	// the oldest that have not come are let go. One run more may come in.
	matchWindow = 64 << 10
	matchText   = 8 << 20
	// matchAhead is how far a name is looked for when another was expected.
	matchAhead = 16
	// matchJudge is after how many names it is told whether they come in another order:
	// where an eighth of them is elsewhere.
	matchJudge = 1 << 10
)

func newMatcher(r *Refresh) *matcher {
	prefixes, err := lru.New[Inode, string](plannerDirs)
	if err != nil {
		panic(err) // only for a size below 1
	}
	return &matcher{r: r, at: r.state.place, prefixes: prefixes}
}

// Match returns, in the place of names, those that do not stand where they stood in the
// listing before, or of which the listing says something new. The others are as they
// were. One goroutine calls it, in the order of the listing.
func (r *Refresh) Match(names []Name) ([]Name, error) {
	m := r.walk
	m.tidy()
	// Names in order are a step from one to the next in the store, too.
	m.cursor = cursor{db: r.s.db, alone: m.index != nil}
	rest, err := m.match(names)
	return rest, errors.Join(err, m.cursor.close())
}

func (m *matcher) match(names []Name) ([]Name, error) {
	rest := names[:0]
	for i := range names {
		ok, err := m.take(&names[i])
		if err != nil {
			return nil, err
		}
		if !ok {
			rest = append(rest, names[i])
		}
	}
	if m.looked, m.missed = m.looked+len(names), m.missed+len(rest); m.looked >= matchJudge {
		m.looked, m.missed = m.looked/2, m.missed/2
	}
	if m.index != nil || m.looked < matchJudge/2 || m.missed <= m.looked/8 {
		return rest, nil
	}
	if err := m.makeIndex(SortMost); err != nil {
		return nil, err
	}
	m.cursor.alone = true
	others := rest
	rest = rest[:0]
	for i := range others {
		ok, err := m.find(&others[i])
		if err != nil {
			return nil, err
		}
		if !ok {
			rest = append(rest, others[i])
		}
	}
	return rest, nil
}

// InOrder reports whether names are still compared in their order, so that those between
// two places are just those that came between them.
func (r *Refresh) InOrder() bool { return r.walk.index == nil }

// Place is up to where numbers were expected, for a Mark.
func (r *Refresh) Place() Inode {
	m := r.walk
	if m.next < len(m.window) {
		return m.window[m.next].ino
	}
	return m.at
}

// goTo has numbers from ino on be expected next.
func (m *matcher) goTo(ino Inode) {
	for m.next < len(m.window) && m.window[m.next].ino < ino {
		if w := &m.window[m.next]; !w.came {
			w.came = true
			m.used++
		}
		m.next++
	}
	if m.next == len(m.window) && m.at < ino {
		m.at, m.end = ino, false
	}
	m.tidy()
}

// take reports whether the name is expected here, or a little later.
func (m *matcher) take(n *Name) (bool, error) {
	if m.index != nil {
		return m.find(n)
	}
	if err := m.fill(matchAhead + 1); err != nil {
		return false, err
	}
	for k := m.next; k < len(m.window) && k <= m.next+matchAhead; k++ {
		if m.is(k, n) {
			m.next = k + 1
			return m.came(k, n)
		}
	}
	return false, nil
}

// find reports whether the name is anywhere in the window.
func (m *matcher) find(n *Name) (bool, error) {
	if err := m.fill(SortMost); err != nil {
		return false, err
	}
	k, ok := m.index[xxhash.Sum64String(n.Origin)]
	if !ok || m.window[k].came || !m.is(k, n) {
		return false, nil
	}
	m.next = max(m.next, k+1)
	return m.came(k, n)
}

func (m *matcher) is(k int, n *Name) bool {
	w := &m.window[k]
	return !w.came && string(m.text[w.from:w.to]) == n.Origin
}

// came notes that a name of the window has come, and reports whether it is as it was.
func (m *matcher) came(k int, n *Name) (bool, error) {
	w := &m.window[k]
	w.came = true
	m.used++
	if n.Size >= 0 || n.ModTime != 0 || n.ETag != "" {
		e, ok, err := m.entry(w)
		s := slot{size: n.Size, modTime: n.ModTime, etag: n.ETag}
		if err != nil || !ok || s.differsFrom(&e) {
			return false, err
		}
	}
	return true, m.r.saw(w.ino)
}

// entry is what the store has of a name of the window, without its content.
func (m *matcher) entry(w *expected) (e Entry, ok bool, err error) {
	if w.last < 0 {
		e, err = m.r.s.Get(w.ino)
		if errors.Is(err, ErrNotFound) {
			return e, false, nil
		}
		return e, err == nil, err
	}
	raw, e, err := m.cursor.entry(w.parent, string(m.text[w.last:w.to]))
	return e, raw != nil && e.Inode == w.ino, err
}

// makeIndex has names of the window be found in any order.
func (m *matcher) makeIndex(n int) error {
	if err := m.fill(n); err != nil {
		return err
	}
	m.index = make(map[uint64]int, 2*len(m.window))
	m.indexFrom(0)
	return nil
}

func (m *matcher) indexFrom(k int) {
	for ; k < len(m.window); k++ {
		if w := &m.window[k]; !w.came {
			m.index[xxhash.Sum64(m.text[w.from:w.to])] = k
		}
	}
}

// tidy lets go of what has come, and of the oldest where too much has not.
func (m *matcher) tidy() {
	left := len(m.window) - m.used
	if m.used < left+matchWindow/16 && left <= matchWindow && len(m.text) <= matchText {
		return
	}
	drop := 0
	if left > matchWindow || len(m.text) > matchText {
		drop = min(m.next, left/2)
	}
	kept, text, next := m.window[:0], m.text[:0], 0
	for k := range m.window {
		w := m.window[k]
		if k == m.next {
			next = len(kept)
		}
		if w.came {
			continue
		}
		if k < m.next && drop > 0 {
			drop--
			continue
		}
		from := len(text)
		text = append(text, m.text[w.from:w.to]...)
		if w.last >= 0 {
			w.last += from - w.from
		}
		w.from, w.to = from, len(text)
		kept = append(kept, w)
	}
	if m.next >= len(m.window) {
		next = len(kept)
	}
	m.window, m.text, m.next, m.used = kept, text, next, 0
	if m.index != nil {
		clear(m.index)
		m.indexFrom(0)
	}
}

// fill has n names be in the window from next on, if there are as many.
func (m *matcher) fill(n int) error {
	if len(m.window)-m.next >= n || m.end || len(m.text) > 2*matchText {
		return nil
	}
	before, end := len(m.window), true
	for r, err := range m.r.s.eachRun(m.at, m.r.state.limit) {
		if err != nil {
			return err
		}
		if len(m.window)-m.next >= n+fillMore {
			end = false
			break
		}
		if err := m.run(r); err != nil {
			return err
		}
	}
	m.end = end
	if m.index != nil {
		m.indexFrom(before)
	}
	return nil
}

// fillMore is how many names more than needed come into the window at a time.
const fillMore = 2 << 10

func (m *matcher) run(r *cachedRun) error {
	parent, first := r.parent, r.first
	skip := 0
	if m.at > first {
		skip = int(min(m.at-first, Inode(r.n)))
	}
	m.at = max(m.at, first+Inode(r.n))
	if r.kind == Dir || skip == r.n {
		return nil
	}
	prefix, err := m.prefix(parent)
	if err != nil {
		return err
	}
	var inner error
	err = r.each(skip, func(k int, name []byte) bool {
		from, last := len(m.text), len(m.text)+len(prefix)
		if escaped := len(name) > 1 && name[0] == '%' && name[1] == '%'; !escaped && !strings.HasSuffix(prefix, continuedMark) {
			m.text = append(append(m.text, prefix...), name...)
		} else {
			var origin string
			if origin, inner = m.r.s.OriginName(parent, string(name)); inner != nil {
				return false
			}
			m.text, last = append(m.text, origin...), -1
		}
		m.window = append(m.window, expected{from: from, to: len(m.text), last: last, parent: parent, ino: first + Inode(k)})
		return true
	})
	return errors.Join(err, inner)
}

// continuedMark ends the prefix of a directory that ends inside a component, whose
// names are put together one by one.
const continuedMark = "\x00"

// prefix is what the origin's names of a directory's files begin with.
func (m *matcher) prefix(dir Inode) (string, error) {
	if dir == RootInode {
		return "", nil
	}
	if prefix, ok := m.prefixes.Get(dir); ok {
		return prefix, nil
	}
	path, err := m.r.s.path(dir)
	if err != nil {
		return "", err
	}
	prefix, err := JoinName(path)
	if errors.Is(err, ErrName) {
		prefix, err = continuedMark, nil
	} else {
		prefix += "/"
	}
	if err == nil {
		m.prefixes.Add(dir, prefix)
	}
	return prefix, err
}
