package s3

import (
	"math"
	"math/bits"
	"strings"
	"unicode/utf8"
)

// shapeDepth is how many bytes of a key are looked at.
const shapeDepth = 256

// shape is what is known of how keys look: which bytes stand at each place. It makes
// numbers of keys, in which the distance of two keys is about that of their places in
// the listing, if keys are spread evenly; and keys of numbers. Where they are not, or a
// key has another length than those before, what comes of it is a bad guess, and still
// a key between two others.
type shape [shapeDepth]struct {
	seen alphabet
	// likely has also the bytes that will come: those change slowly that stand at the
	// front, where the listing has shown few of them.
	likely alphabet
	// known says that a place further to the front has changed, so that all that can
	// stand here has been there before.
	known bool
}

// alphabet is a set of bytes.
type alphabet [4]uint64

// classes are bytes that mostly come together.
var classes = []string{"0123456789", "abcdef", "abcdefghijklmnopqrstuvwxyz", "ABCDEF", "ABCDEFGHIJKLMNOPQRSTUVWXYZ"}

// addClass adds a byte, and those that will come: all digits with one, all letters with
// one; beside digits, those of hexadecimal numbers with one of them.
func (a *alphabet) addClass(c byte) {
	a.set(c)
	for i, class := range classes {
		hex := i == 1 || i == 3
		if strings.IndexByte(class, c) < 0 || hex && !a.has('0') {
			continue
		}
		for j := range len(class) {
			a.set(class[j])
		}
		return
	}
}

func (a *alphabet) set(c byte)      { a[c>>6] |= 1 << (c & 63) }
func (a *alphabet) has(c byte) bool { return a[c>>6]>>(c&63)&1 != 0 }

func (a *alphabet) size() (n int) {
	for _, w := range a {
		n += bits.OnesCount64(w)
	}
	return n
}

// rank is how many bytes of the alphabet come before c.
func (a *alphabet) rank(c byte) (n int) {
	for i := range c >> 6 {
		n += bits.OnesCount64(a[i])
	}
	return n + bits.OnesCount64(a[c>>6]&(1<<(c&63)-1))
}

// at is the byte of that rank.
func (a *alphabet) at(rank int) byte {
	for i, w := range a {
		n := bits.OnesCount64(w)
		if rank >= n {
			rank -= n
			continue
		}
		for ; rank > 0; rank-- {
			w &= w - 1
		}
		return byte(i<<6 | bits.TrailingZeros64(w))
	}
	return 0
}

// learn looks at a key.
func (s *shape) learn(key string) {
	for i := range min(len(key), shapeDepth) {
		if at := &s[i]; !at.seen.has(key[i]) {
			at.seen.set(key[i])
			at.likely.addClass(key[i])
		}
	}
}

// learnPage looks at the first key of a page, one in it, and the last.
func (s *shape) learnPage(first, middle, last string) {
	s.learn(first)
	s.learn(middle)
	s.learn(last)
	for i := common(first, last) + 1; i < shapeDepth && !s[i].known; i++ {
		s[i].known = true
	}
}

// alphabet is what stands at place i of keys of which all up to place p are the same.
func (s *shape) alphabet(p, i int) *alphabet {
	if i == p && !s[i].known {
		return &s[i].likely
	}
	return &s[i].seen
}

// finest is the resolution of coordinates: that of a float64, less some bits for what
// is calculated with them.
const finest = 1.0 / (1 << 46)

// coordinate is where a key is, from 0 to 1, among all that begin with its first p
// bytes.
func (s *shape) coordinate(p int, key string) (x float64) {
	scale := 1.0
	for i := p; i < min(len(key), shapeDepth) && scale > finest; i++ {
		a := s.alphabet(p, i)
		scale /= float64(max(a.size(), 1))
		x += float64(a.rank(key[i])) * scale
	}
	return x
}

// key appends to a key of p bytes what has that coordinate.
func (s *shape) key(start string, x float64) string {
	b := []byte(start)
	for i, scale := len(start), 1.0; i < shapeDepth && scale > finest; i++ {
		a := s.alphabet(len(start), i)
		n := a.size()
		if n == 0 {
			break
		}
		x *= float64(n)
		digit := min(int(x), n-1)
		x -= float64(digit)
		scale /= float64(n)
		b = append(b, a.at(digit))
	}
	for len(b) > 0 && !utf8.Valid(b) {
		b = b[:len(b)-1]
	}
	return string(b)
}

// gap is a part of the key space that is not listed yet: behind after, up to to, or
// without an end.
type gap struct {
	after, to string
	endless   bool
	lo, hi    string // the first and the last key of a page near its beginning
}

const (
	// leastSplit is how many pages a gap has at least that is split.
	leastSplit = 6
	// splitAhead is how many pages the part of a split has at most that is listed
	// first.
	splitAhead = 64
)

// split returns a key that splits a gap: in the middle, but not further than splitAhead
// pages from its beginning. It is false where the gap is short, or no such key is known.
func (s *shape) split(g gap) (at string, ok bool) {
	if g.endless {
		for p := common(g.lo, g.hi); p >= 0; p-- {
			width := s.coordinate(p, g.hi) - s.coordinate(p, g.lo)
			if x := s.coordinate(p, g.after) + splitAhead*width; width > 0 && x < 1 && strings.HasPrefix(g.after, g.hi[:p]) {
				at = s.key(g.after[:p], x)
				return at, at > g.after
			}
		}
		return "", false
	}
	p := common(g.lo, g.to)
	from, to, width := s.coordinate(p, g.after), s.coordinate(p, g.to), s.coordinate(p, g.hi)-s.coordinate(p, g.lo)
	pages := math.Inf(1)
	if width > 0 {
		pages = (to - from) / width
	}
	if pages < leastSplit || !(to > from) {
		return "", false
	}
	x := (from + to) / 2
	if pages > 2*splitAhead && !math.IsInf(pages, 1) {
		x = from + splitAhead*width
	}
	at = s.key(g.after[:p], x)
	return at, g.after < at && at < g.to
}

// common is how many bytes two keys have in common at their beginning.
func common(a, b string) int {
	n := min(len(a), len(b))
	for i := range n {
		if a[i] != b[i] {
			return i
		}
	}
	return n
}
