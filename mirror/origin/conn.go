package origin

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync/atomic"
	"time"

	"github.com/motefs/motefs/mirror"
	"github.com/valyala/fasthttp"
)

const (
	// readBuffer bounds the head of an answer, and is what one read may bring.
	readBuffer = 64 << 10
	// writeBuffer is the length at which collected requests are written.
	writeBuffer = 32 << 10
)

// conn is one connection. But for kill and for the writer, which has buf.out,
// asked and wrote, it belongs to one goroutine at a time.
type conn struct {
	raw     net.Conn // the socket
	nc      net.Conn // raw, or TLS on it
	timing  *timing
	call    *call
	buf     *buffers
	br      *bufio.Reader // buf.in
	reused  bool          // comes from the idle pool
	idleAt  time.Time     // when it went there
	total   int64         // answers over its life
	asked   atomic.Int64  // index behind the last name of this round that may be on its way
	wrote   chan error    // the writer's end
	head    head
	lowat   int    // bytes that a read waits for, see gather
	resume  int    // what lowat was before gatherTime ran out, 0 if it did not
	ahead   bool   // more than one request is on its way
	date    []byte // the last Last-Modified,
	seconds int64  // and what it means

	// The clock of the answer that is being read; see Read.
	seq, timed uint64
	waited     time.Duration
	came       int64
	deadline   time.Time
	failed     error
}

// buffers are what is worth keeping of a connection that is gone.
type buffers struct {
	in      *bufio.Reader
	out     []byte
	scratch []byte // bodies that are not in one piece in the read buffer
	parsed  fasthttp.ResponseHeader
}

func (c *Client) newConn(raw, nc net.Conn) *conn {
	cn := &conn{raw: raw, nc: nc, timing: &c.o.timing, lowat: 1, wrote: make(chan error, 1)}
	if b, ok := c.buffs.Get().(*buffers); ok {
		cn.buf = b
	} else {
		cn.buf = &buffers{in: bufio.NewReaderSize(nil, readBuffer), out: make([]byte, 0, writeBuffer+1<<10)}
	}
	cn.br = cn.buf.in
	cn.br.Reset(cn)
	return cn
}

// kill closes the socket, from any goroutine. It does so below TLS, whose
// Close may wait to send an alert.
func (cn *conn) kill() { cn.raw.Close() }

// answered ends the clock of an answer and starts the next one's.
func (cn *conn) answered() {
	cn.seq++
	cn.total++
}

// Read gives every system call a deadline: idle without a byte, and what the
// answer at hand may take in all. Only time spent waiting for the origin is
// counted, so a slow reader of a stream is not taken for a slow origin, and an
// answer that was read along with others before it costs nothing here.
func (cn *conn) Read(p []byte) (int, error) {
	if cn.failed != nil {
		return 0, cn.failed
	}
	if err := cn.call.err(); err != nil {
		// kill comes too, but maybe late, while answers keep coming.
		return 0, err
	}
	if cn.timed != cn.seq {
		cn.timed, cn.waited, cn.came = cn.seq, 0, 0
	}
	t := cn.timing
	rest := t.answer + time.Duration(float64(cn.came)/float64(t.minRate)*float64(time.Second)) - cn.waited
	wait := min(t.idle, rest)
	n, err := 0, os.ErrDeadlineExceeded
	if cn.lowat > 1 {
		if n, err = cn.readWithin(p, min(gatherTime, wait)); errors.Is(err, os.ErrDeadlineExceeded) {
			cn.resume = cn.lowat
			cn.setLowat(1)
		}
	}
	if n == 0 && errors.Is(err, os.ErrDeadlineExceeded) {
		n, err = cn.readWithin(p, wait)
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		if wait == rest {
			err = fmt.Errorf("timeout: answer slower than %d bytes/s: %w", t.minRate, err)
		} else {
			err = fmt.Errorf("timeout: no byte for %v: %w", t.idle, err)
		}
	}
	cn.failed = err
	if n > 0 {
		return n, nil
	}
	return 0, err
}

// readWithin reads what comes in that time, and counts both.
func (cn *conn) readWithin(p []byte, wait time.Duration) (int, error) {
	start := time.Now()
	// Moving a deadline costs a good part of what a short read does, so one
	// that is about right stays.
	if at := start.Add(wait); cn.deadline.After(at) || cn.deadline.Before(at.Add(-wait/8)) {
		cn.deadline = at
		if err := cn.nc.SetReadDeadline(at); err != nil {
			return 0, err
		}
	}
	n, err := cn.nc.Read(p)
	cn.waited += time.Since(start)
	cn.came += int64(n)
	return n, err
}

// surplus reports bytes that were read along with the answers and belong to
// none. TLS may hold some back in its own buffer.
func (cn *conn) surplus() bool {
	if cn.br.Buffered() > 0 {
		return true
	}
	if cn.nc == cn.raw {
		return false
	}
	cn.deadline = time.Unix(1, 0)
	if cn.nc.SetReadDeadline(cn.deadline) != nil {
		return true
	}
	var b [1]byte
	_, err := cn.nc.Read(b[:])
	return !errors.Is(err, os.ErrDeadlineExceeded)
}

// overrun is an error if there are bytes behind the answer to the only request
// on its way. Either its length is wrong, or one of the two is not the answer.
func (cn *conn) overrun() error {
	if cn.ahead || cn.head.closing || cn.br.Buffered() == 0 {
		return nil
	}
	return framingError("bytes beyond the end of the answer")
}

// early is an error if a connection speaks, or ends, before it was ever asked
// anything. What it says would be taken for the answer to the first request.
// Under TLS the session itself makes the server speak first.
func (cn *conn) early() error {
	if cn.reused || cn.total > 0 || cn.nc != cn.raw || quiet(cn.raw) {
		return nil
	}
	return fmt.Errorf("%w: it spoke, or hung up, before it was asked", mirror.ErrUnreachable)
}

// cut is the error for an answer that broke off at err.
func (cn *conn) cut(where string, err error) error {
	if cause := cn.call.err(); cause != nil {
		return cause
	}
	if errors.Is(err, io.EOF) {
		return cutError("connection closed %s", where)
	}
	return cutError("%s: %w", where, err)
}

// write sends one small request that nothing was pipelined before.
func (cn *conn) write(request []byte) error {
	if err := cn.nc.SetWriteDeadline(time.Now().Add(cn.timing.idle)); err != nil {
		return err
	}
	_, err := cn.nc.Write(request)
	return err
}
