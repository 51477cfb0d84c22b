package serve

import (
	"crypto/tls"
	"io"
	"net"
	"time"
)

// lingerTime is how long a connection that the server ends is still read, so
// that requests under way to it do not make the kernel reset it and take the
// last answers from the client. nginx calls it lingering_close.
const lingerTime = time.Second

// conn is one connection with everything that serving it needs, so that a
// request finds its memory there. Only its goroutine uses it, but for counts.
//
// fasthttp reads requests from it and writes responses to it. One that a Writer
// writes is put off: the handler leaves a job and hijacks the connection, which
// makes fasthttp flush the responses before it and give back the requests that
// it has read behind it. They are read first when serving goes on.
type conn struct {
	net.Conn // the wire, or TLS over it

	s      *Server
	wire   *wire
	counts connCounts

	requests int
	request  Request
	response Response
	page     pageEncoder
	name     []byte  // decoded name or marker
	s3       *s3Conn // nil unless the server speaks S3

	job      *job
	detached bool   // reads end where fasthttp's buffer ends
	unread   []byte // requests that fasthttp gave back
}

// serve answers the connection's requests until it ends.
func (c *conn) serve() {
	defer c.s.forget(c)
	defer c.Close() //nolint:errcheck // nothing is lost
	for {
		err := c.s.http.ServeConn(c)
		if err != nil {
			c.response.obj.close() // of a job that was not begun
			return
		}
		if c.job == nil {
			return
		}
		j := c.job
		c.job = nil
		<-j.taken
		c.detached = false
		more := j.write(&Exchange{Response: &c.response, Conn: c.Conn, KeepAlive: j.keep, c: c})
		c.response.obj.close()
		if !more {
			return
		}
	}
}

// Read reads requests.
func (c *conn) Read(p []byte) (int, error) {
	if len(c.unread) > 0 {
		n := copy(p, c.unread)
		c.unread = c.unread[n:]
		return n, nil
	}
	if c.detached {
		return 0, errDetached
	}
	return c.Conn.Read(p)
}

// Close ends the connection in order. fasthttp calls it too.
func (c *conn) Close() error {
	if t, ok := c.Conn.(*tls.Conn); ok {
		_ = t.CloseWrite()
	}
	return c.wire.Close()
}

// wire is the TCP connection itself. It counts bytes and, with latency, notes
// when they arrived.
type wire struct {
	tcp    *net.TCPConn
	counts *connCounts
	closed bool

	in *delayLine // nil without latency
	// arrived is when the bytes last read came in; zero without latency.
	arrived time.Time
}

var _ net.Conn = (*wire)(nil)

// Read reads what came in.
func (w *wire) Read(p []byte) (n int, err error) {
	if w.in != nil {
		n, w.arrived, err = w.in.read(p)
	} else {
		n, err = w.tcp.Read(p)
	}
	w.counts.bytesIn.Add(int64(n))
	return n, err
}

// Write writes p.
func (w *wire) Write(p []byte) (int, error) {
	n, err := w.tcp.Write(p)
	w.counts.bytesOut.Add(int64(n))
	return n, err
}

// Close sends an end of file, waits a moment for the client's, and closes.
func (w *wire) Close() error {
	if w.closed {
		return nil
	}
	w.closed = true
	if w.tcp.CloseWrite() == nil && w.tcp.SetReadDeadline(time.Now().Add(lingerTime)) == nil {
		_, _ = io.Copy(io.Discard, onlyReader{w})
	}
	return w.shut()
}

// reset closes with a reset.
func (w *wire) reset() {
	if w.closed {
		return
	}
	w.closed = true
	_ = w.tcp.SetLinger(0)
	_ = w.shut()
}

// shut closes the socket and stops the reader.
func (w *wire) shut() error {
	err := w.tcp.Close()
	if w.in != nil {
		w.in.stop()
	}
	return err
}

// onlyReader hides all methods but Read.
type onlyReader struct{ io.Reader }

// LocalAddr is the server's address.
func (w *wire) LocalAddr() net.Addr { return w.tcp.LocalAddr() }

// RemoteAddr is the client's address.
func (w *wire) RemoteAddr() net.Addr { return w.tcp.RemoteAddr() }

// SetDeadline does nothing: the server has no timeouts, and fasthttp would
// only take away the one of lingering.
func (w *wire) SetDeadline(time.Time) error { return nil }

// SetReadDeadline does nothing, as SetDeadline.
func (w *wire) SetReadDeadline(time.Time) error { return nil }

// SetWriteDeadline is for TLS, which bounds the sending of its farewell.
func (w *wire) SetWriteDeadline(t time.Time) error { return w.tcp.SetWriteDeadline(t) }
