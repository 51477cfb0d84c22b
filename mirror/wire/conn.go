package wire

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"sync/atomic"
	"time"

	"github.com/motefs/motefs/mirror"
)

const (
	// readBuffer bounds the head of a response, and is what one read may bring.
	readBuffer = 64 << 10
	// writeBuffer is the length at which collected requests are written.
	writeBuffer = 32 << 10
)

// conn is one connection. But for kill and for the sender, which has buf.out
// and asked, it belongs to one goroutine at a time.
type conn struct {
	raw    net.Conn // the socket
	nc     net.Conn // raw, or TLS on it
	call   *call
	buf    *buffers
	br     *bufio.Reader // buf.in
	clock  clock
	gather gatherer
	head   head
	dates  dateCache

	born   time.Time
	idle   struct{ mono, wall time.Time } // since when, by both clocks
	pooled bool                           // comes from the idle pool, and has answered nothing since

	guards *guardSet              // those that were known before it was asked anything
	had    [maxGuards / 64]uint64 // bits: of which of them it had the response, or was asked for it

	total int64        // responses over its life
	came  [codes]int32 // responses that are not reported yet; see Traffic
	asked atomic.Int64 // requests over its life that may be on their way or answered
	ahead bool         // more than one request is on its way
	left  bool         // this side ended it, with a response that it did not read whole
}

// buffers are what is worth keeping of a connection that is gone.
type buffers struct {
	in      *bufio.Reader
	out     []byte
	scratch []byte // bodies that are not in one piece in the read buffer
	fields  Fields // of the response at hand
	sum     sum
}

func (c *Client) newConn(raw, nc net.Conn) *conn {
	c.counts.open.Add(1)
	cn := &conn{raw: raw, nc: nc, born: time.Now(), guards: c.guards.now.Load(), gather: gatherer{raw: raw, lowat: 1}}
	cn.clock = clock{nc: nc, t: &c.o.Timeouts}
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

// fresh reports whether nothing was ever asked on the connection, so that its
// next response can belong to its next request alone.
func (cn *conn) fresh() bool { return cn.asked.Load() == 0 }

// old reports whether the connection may not be used for another round.
func (cn *conn) old() bool { return time.Since(cn.born) > cn.clock.t.Age }

// answered ends a response.
func (cn *conn) answered() {
	cn.clock.restart()
	cn.total++
	cn.came[codeOf(cn.head.status)]++
	cn.pooled = false
}

// Read is for the connection's buffer.
func (cn *conn) Read(p []byte) (int, error) {
	if err := cn.call.err(); err != nil {
		// kill comes too, but maybe late, while responses keep coming.
		return 0, err
	}
	return cn.clock.read(p, &cn.gather)
}

// surplus reports bytes that were read along with the responses and belong to
// none. TLS may hold some back in its own buffer. It is no proof that none are
// on their way; the guards are.
func (cn *conn) surplus() bool {
	if cn.br.Buffered() > 0 {
		return true
	}
	if cn.nc == cn.raw {
		return false
	}
	cn.clock.deadline = time.Unix(1, 0)
	if cn.nc.SetReadDeadline(cn.clock.deadline) != nil {
		return true
	}
	var b [1]byte
	_, err := cn.nc.Read(b[:])
	return !isTimeout(err)
}

func isTimeout(err error) bool {
	timeout, ok := errors.AsType[net.Error](err)
	return ok && timeout.Timeout()
}

// overrun is an error if there are bytes behind the response to the only request
// on its way. Either its length is wrong, or one of the two is not the response.
func (cn *conn) overrun() error {
	if cn.ahead || cn.head.closing || cn.br.Buffered() == 0 {
		return nil
	}
	return framingError("bytes beyond the end of the response")
}

// early is an error if a connection speaks, or ends, before it was ever asked
// anything. What it says would be taken for the response to the first request.
// Under TLS the session itself makes the server speak first.
func (cn *conn) early() error {
	if !cn.fresh() || cn.nc != cn.raw || quiet(cn.raw) {
		return nil
	}
	return fmt.Errorf("%w: it spoke, or hung up, before it was asked", mirror.ErrUnreachable)
}

// cut is the error for a response that broke off at err.
func (cn *conn) cut(where string, err error) error {
	if cause := cn.call.err(); cause != nil {
		return fmt.Errorf("%s: %w", where, cause)
	}
	if errors.Is(err, io.EOF) {
		return cutError("connection closed %s", where)
	}
	return cutError("%s: %w", where, err)
}

// write sends requests that are short enough for the socket's buffer, where
// nothing or little is on its way before them.
func (cn *conn) write(requests []byte, n int) error {
	cn.asked.Add(int64(n))
	err := cn.nc.SetWriteDeadline(time.Now().Add(cn.clock.t.Idle))
	if err == nil {
		_, err = cn.nc.Write(requests)
	}
	if err != nil {
		return cn.cut("writing the request", err)
	}
	return nil
}
