package between

import (
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// readSize is how much is read from the socket before it is taken apart.
const readSize = 32 << 10

var (
	// errReset is what reading ends with where a connection is cut by a reset.
	errReset = &net.OpError{Op: "read", Net: "tcp", Err: os.NewSyscallError("read", syscall.ECONNRESET)}
	// errPipe is what writing ends with where a connection is cut.
	errPipe = &net.OpError{Op: "write", Net: "tcp", Err: os.NewSyscallError("write", syscall.EPIPE)}
)

// conn is one connection through the network. It is no syscall.Conn: what is to
// be read is not what the socket has.
type conn struct {
	net.Conn // raw
	raw      *net.TCPConn
	n        *Network

	in, out flow
	pending []byte // what was read and is not handed out, part of buf
	buf     []byte
	stream  *stream // of responses; nil where nothing happens to them

	reset  bool // how the connection is cut
	wasCut atomic.Bool
	closed chan struct{}
	once   sync.Once
}

// newConn returns the connection of that number. The order in which the sources
// of randomness are used is part of what a seed means.
func newConn(n *Network, raw *net.TCPConn, number uint64) *conn {
	rng := func(use uint64) *rand.Rand { return rand.New(rand.NewPCG(n.o.Seed, number*4+use)) }
	c := &conn{Conn: raw, raw: raw, n: n, buf: make([]byte, readSize), closed: make(chan struct{})}
	c.in.init(n, c.closed, rng(0))
	c.out.init(n, c.closed, rng(1))
	fate := rng(2)
	kind := noFault
	if kinds := n.o.faults(); len(kinds) > 0 {
		kind = kinds[fate.IntN(len(kinds))]
	}
	c.reset = fate.IntN(2) == 0
	if kind == truncate {
		cut := &c.in.cut
		if fate.IntN(4) == 0 {
			cut = &c.out.cut
		}
		*cut = gap(fate, n.o.TruncateBytes) - 1
	}
	if kind == duplicate || kind == drop || n.o.LateEvery > 0 || n.o.MaxFragment > 0 {
		c.stream = newStream(n, raw, fate, kind)
	}
	return c
}

// Read reads from the fragment at hand.
func (c *conn) Read(p []byte) (int, error) {
	c.in.turn.Lock()
	defer c.in.turn.Unlock()
	if len(p) == 0 {
		return 0, nil
	}
	var late time.Duration
	if len(c.pending) == 0 {
		var err error
		if late, err = c.fill(); len(c.pending) == 0 {
			return 0, c.readError(err)
		}
	}
	n, err := c.in.next(min(len(p), len(c.pending)), late)
	if n == 0 {
		if err == nil {
			c.truncate()
		}
		return 0, c.readError(err)
	}
	copy(p, c.pending[:n])
	c.pending = c.pending[n:]
	c.in.went(n)
	return n, nil
}

// fill reads what is to be handed out next. An error counts where nothing came;
// else it comes again.
func (c *conn) fill() (late time.Duration, err error) {
	n := 0
	if c.stream != nil {
		// Many servers send each response by itself.
		one := c.n.o.MaxFragment > 0 && c.in.rng.IntN(2) == 0
		n, late, err = c.stream.read(c.buf, one)
		c.in.left = 0
	} else {
		n, err = c.raw.Read(c.buf)
	}
	c.pending = c.buf[:n]
	return late, err
}

// Write writes p, fragment by fragment.
func (c *conn) Write(p []byte) (done int, err error) {
	c.out.turn.Lock()
	defer c.out.turn.Unlock()
	if c.stream != nil {
		c.stream.requests.scan(p)
	}
	for done < len(p) {
		n, err := c.out.next(len(p)-done, 0)
		if n > 0 {
			n, err = c.raw.Write(p[done : done+n])
			c.out.went(n)
			done += n
		} else if err == nil {
			c.truncate()
		}
		if c.isCut() {
			err = errPipe
		}
		if err != nil {
			return done, err
		}
	}
	return done, nil
}

// truncate cuts the connection.
func (c *conn) truncate() {
	if c.wasCut.Swap(true) {
		return
	}
	c.n.counts.truncations.Add(1)
	if c.reset {
		_ = c.raw.SetLinger(0)
	}
	_ = c.Close()
}

func (c *conn) isCut() bool { return c.wasCut.Load() }

// readError is err, unless that comes from the connection's being cut.
func (c *conn) readError(err error) error {
	switch {
	case !c.isCut():
		return err
	case c.reset:
		return errReset
	}
	return io.EOF
}

// Close closes the connection.
func (c *conn) Close() (err error) {
	c.once.Do(func() {
		close(c.closed)
		err = c.raw.Close()
		c.n.forget(c)
	})
	return err
}

// CloseWrite ends what is written.
func (c *conn) CloseWrite() error { return c.raw.CloseWrite() }

// SetDeadline sets both deadlines.
func (c *conn) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.SetWriteDeadline(t))
}

// SetReadDeadline ends what Read waits for at t.
func (c *conn) SetReadDeadline(t time.Time) error {
	c.in.setDeadline(t)
	return c.unlessCut(c.raw.SetReadDeadline(t))
}

// SetWriteDeadline ends what Write waits for at t.
func (c *conn) SetWriteDeadline(t time.Time) error {
	c.out.setDeadline(t)
	return c.unlessCut(c.raw.SetWriteDeadline(t))
}

// unlessCut is err, but nil where the connection was cut: only reading and
// writing show that.
func (c *conn) unlessCut(err error) error {
	if c.isCut() {
		return nil
	}
	return err
}
