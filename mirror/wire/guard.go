package wire

import (
	"encoding/binary"
	"fmt"
	"hash/maphash"
	"net/http"
	"time"
)

// guard is a request of which the response is known. It is asked for behind
// others: that it is answered rightly proves that there were neither more nor
// fewer responses before it than requests.
type guard struct {
	target string
	part   int // the bytes of its beginning that are asked for, 0 for all of it
	status int
	size   int // of the body
	sum    uint64
	key    uint16 // see bodyKey
	took   time.Duration
}

var guardSeed = maphash.MakeSeed()

func newGuard(target string, status int, body []byte, took time.Duration) guard {
	return guard{target: target, status: status, size: len(body), sum: maphash.Bytes(guardSeed, body), key: bodyKey(body), took: took}
}

// same reports whether two responses cannot be told apart. Of an error only the
// status counts: its body may hold the time, or the request's number.
func (g *guard) same(o *guard) bool {
	return g.status == o.status && (g.status >= 300 || g.size == o.size && g.sum == o.sum)
}

// maxParts is how many beginnings of a long file are guards, of 1 to so many bytes.
const maxParts = 64

// partFields are the fields that ask for the beginning of a file.
var partFields = func() (fields [maxParts + 1][]byte) {
	for n := 1; n <= maxParts; n++ {
		fields[n] = fmt.Appendf(nil, "Range: bytes=0-%d\r\n", n-1)
	}
	return fields
}()

func (g *guard) fields() []byte { return partFields[g.part] }

const (
	// maxGuard is the longest body that a guard may have, in bytes; of files
	// over shortGuard their beginnings serve, if the server has ranges.
	maxGuard   = 64 << 10
	shortGuard = 4 << 10
	// fewRequests is a round so short that more guards would be most of it.
	fewRequests = 32
	// maxAlike is how many files may be all alike before Options.Absent becomes
	// a guard, and how often the beginning of a file is asked for in vain.
	maxAlike = 8
)

// guardWord returns how many guards end a round of n requests; the first is
// word.first, all others word.rest. Such a word differs from itself shifted by any
// number of places below its length. So with that many responses too many or
// missing it cannot come right, whatever the files are.
func guardWord(n int) int {
	if n < fewRequests {
		return 2
	}
	return 4
}

// word is the two guards of a round, of which the responses differ.
type word [2]*known

// word is the next one of the connection: its first guard's response is one that the
// connection has not had, neither for a guard nor for another request. So no response
// that comes again can be taken for it. ok is false where there is none left.
func (cn *conn) word() (w word, ok bool) {
	if cn.guards == nil {
		return w, false
	}
	first, rest, second := -1, -1, -1
	for i, g := range cn.guards.all {
		switch {
		case g.gone.Load():
		case rest < 0:
			rest = i
		case !cn.hasHad(i):
			first = i
		case second < 0:
			second = i
		}
		if first >= 0 {
			break
		}
	}
	if first < 0 && rest >= 0 && second >= 0 && !cn.hasHad(rest) {
		first, rest = rest, second
	}
	if first < 0 {
		return w, false
	}
	cn.mark(first)
	cn.mark(rest)
	return word{cn.guards.all[first], cn.guards.all[rest]}, true
}

func (cn *conn) hasHad(i int) bool { return cn.had[i/64]>>(i%64)&1 != 0 }

func (cn *conn) mark(i int) { cn.had[i/64] |= 1 << (i % 64) }

// hadFile notes that the connection has had a file.
func (cn *conn) hadFile(body []byte) {
	s := cn.guards
	if s == nil || !s.mayHave(bodyKey(body)) {
		return
	}
	found := newGuard("", http.StatusOK, body, 0)
	for i, g := range s.all {
		if g.same(&found) {
			cn.mark(i)
		}
	}
}

// hadLike notes that the connection has had a response of which the body is not
// known, nor its size where that is negative: it could be that of any such guard.
func (cn *conn) hadLike(status int, size int64) {
	s := cn.guards
	if s == nil || status >= 300 && !s.absent {
		return
	}
	for i, g := range s.all {
		if g.status == status && (status >= 300 || size < 0 || int64(g.size) == size) {
			cn.mark(i)
		}
	}
}

// keyBits is the length of a bodyKey.
const keyBits = 12

// bodyKey is the same for bodies that are the same, and seldom for others. It takes
// no time to speak of.
func bodyKey(body []byte) uint16 {
	n := len(body)
	h := uint64(n)
	if n >= 8 {
		h ^= binary.LittleEndian.Uint64(body) * 0x9e3779b97f4a7c15
		h ^= h>>29 ^ binary.LittleEndian.Uint64(body[n-8:])
	} else {
		for _, c := range body {
			h = h<<8 | uint64(c)
		}
	}
	return uint16(h * 0x9e3779b97f4a7c15 >> (64 - keyBits))
}
