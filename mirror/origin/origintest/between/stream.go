package between

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"strconv"
	"sync/atomic"
	"time"
)

// maxResponse bounds the head of a response that is understood, and the length
// of one that is duplicated or dropped.
const maxResponse = 64 << 10

// version is how a response begins that is understood.
const version = "HTTP/1.1 "

var endOfHead = []byte("\r\n\r\n")

// stream reads a connection's responses, and duplicates, drops or holds back
// some of them.
type stream struct {
	n        *Network
	br       *bufio.Reader
	requests requests
	rng      *rand.Rand

	kind        fault // duplicate or drop, if any
	shift, late int   // responses until the next one of that kind, and the next late one

	opaque    bool          // what comes is passed on as it is
	responses int64         // that have begun
	left      int           // bytes of the one at hand
	fate      fault         // what happens to it
	copied    []byte        // of one that is duplicated
	again     []byte        // what is left of the duplicate
	holdBack  time.Duration // before the one at hand
}

func newStream(n *Network, src io.Reader, rng *rand.Rand, kind fault) *stream {
	s := &stream{n: n, br: bufio.NewReaderSize(src, maxResponse), rng: rng, kind: kind}
	s.shift, s.late = s.nextShift(), gap(rng, n.o.LateEvery)
	return s
}

// nextShift draws how many responses there are to the next fault.
func (s *stream) nextShift() int {
	switch s.kind {
	case duplicate:
		return gap(s.rng, s.n.o.DuplicateEvery)
	case drop:
		return gap(s.rng, s.n.o.DropEvery)
	}
	return 0
}

// read reads what is there, of one response or of many, waiting for the first
// of it, and says how long it is to be held back. With one it stops where a
// response ends.
func (s *stream) read(p []byte, one bool) (n int, late time.Duration, err error) {
	for n < len(p) && err == nil {
		if s.left == 0 && len(s.again) == 0 && !s.opaque {
			if n > 0 && (one || !s.headIsThere()) {
				break
			}
			if err = s.begin(); err != nil {
				break
			}
		}
		if n > 0 && (s.holdBack > 0 || len(s.again) == 0 && s.br.Buffered() == 0) {
			break
		}
		late, s.holdBack = late+s.holdBack, 0
		var m int
		m, err = s.part(p[n:])
		n += m
	}
	return n, late, err
}

// part reads from the response at hand.
func (s *stream) part(p []byte) (n int, err error) {
	switch {
	case len(s.again) > 0:
		n = copy(p, s.again)
		s.again = s.again[n:]
		return n, nil
	case s.opaque:
		return s.br.Read(p)
	case s.fate == drop:
		n, err = s.br.Discard(min(s.left, max(1, s.br.Buffered())))
		s.left -= n
		return 0, err
	}
	n, err = s.br.Read(p[:min(len(p), s.left)])
	s.left -= n
	if s.fate == duplicate {
		s.copied = append(s.copied, p[:n]...)
		if s.left == 0 {
			s.again, s.copied = s.copied, s.copied[:0]
		}
	}
	return n, err
}

// headIsThere reports whether begin need not wait.
func (s *stream) headIsThere() bool {
	there, _ := s.br.Peek(s.br.Buffered())
	return bytes.Contains(there, endOfHead)
}

// begin waits for the head of the next response, and decides what happens to it.
func (s *stream) begin() error {
	head, err := s.peekHead()
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return err
	}
	status, length, ok := parseHead(head)
	if !ok || s.requests.strange.Load() {
		s.opaque = true // and any other error comes when all is read
		return nil
	}
	s.left, s.fate = len(head)+length, noFault
	if status >= 200 {
		s.responses++
		s.n.counts.responses.Add(1)
		s.decide()
	}
	return nil
}

// decide says what happens to the response at hand.
func (s *stream) decide() {
	if s.late > 0 {
		if s.late--; s.late == 0 {
			s.n.counts.late.Add(1)
			s.holdBack = atLeastHalf(s.rng, s.n.o.MaxLate)
			s.late = gap(s.rng, s.n.o.LateEvery)
		}
	}
	if s.shift > 1 {
		s.shift--
		return
	}
	// One that is due waits for a response with a request behind it.
	if s.shift == 0 || s.left > maxResponse || s.requests.ended.Load() <= s.responses {
		return
	}
	s.fate, s.shift = s.kind, s.nextShift()
	switch s.kind {
	case duplicate:
		s.n.counts.duplicates.Add(1)
	case drop:
		s.n.counts.drops.Add(1)
	}
}

// peekHead waits for a whole head, to the end of its empty line, or for what can
// be none.
func (s *stream) peekHead() ([]byte, error) {
	for want := 1; ; want = s.br.Buffered() + 1 {
		if _, err := s.br.Peek(want); err != nil {
			return nil, err
		}
		there, _ := s.br.Peek(s.br.Buffered())
		if i := bytes.Index(there, endOfHead); i >= 0 {
			return there[:i+len(endOfHead)], nil
		}
		if n := min(len(there), len(version)); string(there[:n]) != version[:n] {
			return nil, nil
		}
	}
}

// parseHead returns the status of a response and the length of its body, and
// whether they are known.
func parseHead(head []byte) (status, length int, ok bool) {
	line, fields, _ := bytes.Cut(head, []byte("\r\n"))
	rest, understood := bytes.CutPrefix(line, []byte(version))
	code, _, _ := bytes.Cut(rest, []byte(" "))
	status, err := strconv.Atoi(string(code))
	if err != nil || !understood || status == 101 {
		return 0, 0, false
	}
	ok = status < 200 || status == 204 || status == 304
	for field := range bytes.SplitSeq(fields, []byte("\r\n")) {
		name, value, _ := bytes.Cut(field, []byte(":"))
		switch {
		case bytes.EqualFold(name, []byte("Transfer-Encoding")):
			return 0, 0, false
		case bytes.EqualFold(name, []byte("Content-Length")) && !ok:
			length, err = strconv.Atoi(string(bytes.TrimSpace(value)))
			if err != nil || length < 0 {
				return 0, 0, false
			}
			ok = true
		}
	}
	return status, length, ok
}

// requests counts requests, none of which has a body.
type requests struct {
	ended   atomic.Int64 // whose last byte was written
	strange atomic.Bool  // one was no GET

	begun   int // bytes of the request line that were compared
	matched int // bytes of endOfHead
}

// scan reads on in what is written.
func (r *requests) scan(p []byte) {
	const get = "GET "
	for _, b := range p {
		if r.begun < len(get) {
			if b != get[r.begun] {
				r.strange.Store(true)
			}
			r.begun++
		}
		switch b {
		case endOfHead[r.matched]:
			r.matched++
		case endOfHead[0]:
			r.matched = 1
		default:
			r.matched = 0
		}
		if r.matched == len(endOfHead) {
			r.ended.Add(1)
			r.begun, r.matched = 0, 0
		}
	}
}
