package origintest

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"time"

	"github.com/valyala/fasthttp"
)

// defaultChunk is the length of the chunks of a Chunked answer.
const defaultChunk = 1000

// job is a faulted answer that waits until fasthttp lets go of the connection.
type job struct {
	fault Fault
	keep  bool          // the connection stays open after it
	taken chan struct{} // closed when fasthttp has given the connection back
}

// hijack has the connection's answer written by hand, with that fault.
func (c *conn) hijack(ctx *fasthttp.RequestCtx, fault Fault) {
	j := &job{fault: fault, taken: make(chan struct{})}
	j.keep = !fault.Close && !ctx.Request.Header.ConnectionClose() && !ctx.Response.ConnectionClose()
	c.detach(j)
	ctx.HijackSetNoResponse(true)
	ctx.Hijack(func(hijacked net.Conn) {
		c.takeBack(hijacked)
		close(j.taken)
	})
}

// apply puts the fields of f that change the answer itself into it.
func (a *answer) apply(f *Fault) {
	status := f.Status
	if status == 0 && f.Location != "" {
		status = fasthttp.StatusFound
	}
	if status != 0 || f.Body != nil {
		a.obj.close()
		a.obj.Body, a.off, a.n = f.Body, 0, -1
		a.header = a.header[:0]
	}
	if status != 0 {
		a.status = status
	}
	if f.RetryAfter > 0 {
		a.set(fasthttp.HeaderRetryAfter, strconv.FormatInt(int64((f.RetryAfter+time.Second-1)/time.Second), 10))
	}
	if f.Location != "" {
		a.set(fasthttp.HeaderLocation, f.Location)
	}
	if f.ContentRange != "" {
		a.header = slices.DeleteFunc(a.header, func(h field) bool { return h.key == fasthttp.HeaderContentRange })
		a.set(fasthttp.HeaderContentRange, f.ContentRange)
	}
	for key, value := range f.Header {
		a.set(key, value)
	}
}

// perform writes the faulted answer, and reports whether the connection goes
// on.
func (c *conn) perform(j *job) bool {
	f, a := &j.fault, &c.answer
	defer a.obj.close()
	if !c.s.wait(f.Delay) {
		return false
	}
	switch f.Mode {
	case Cut:
		c.cut(f)
		return false
	case Hang:
		_, _ = io.Copy(io.Discard, onlyReader{c.Conn})
		return false
	case Raw:
		if _, err := c.Conn.Write(f.Body); err != nil {
			return false
		}
	default:
		c.counts.answered(a.status)
		if err := c.performAnswer(j); err != nil {
			return false
		}
	}
	switch {
	case f.Mode == CutBody:
		c.cut(f)
		return false
	case !j.keep || f.Mode == UntilClose || f.Mode == Length && f.N > 0:
		if f.Reset {
			c.wire.reset()
		}
		return false
	}
	return true
}

// cut closes the connection below TLS, without its farewell.
func (c *conn) cut(f *Fault) {
	if f.Reset {
		c.wire.reset()
		return
	}
	if _, ok := c.Conn.(*tls.Conn); ok {
		_ = c.wire.tcp.CloseWrite()
	}
	_ = c.wire.Close()
}

// performAnswer writes an answer that has at least a head.
func (c *conn) performAnswer(j *job) error {
	f, a := &j.fault, &c.answer
	var out io.Writer = c.Conn
	if f.Mode == Drip {
		out = &dripWriter{c: c, burst: f.N, every: f.Every}
	}
	w := bufio.NewWriterSize(out, connBuffer)
	var head []byte
	if f.Mode == Interim {
		head = fmt.Appendf(head, "HTTP/1.1 %d %s\r\n\r\n", orDefault(f.N, 100), fasthttp.StatusMessage(orDefault(f.N, 100)))
	}
	head = a.appendHead(head)
	_, n := a.part()
	switch {
	case bodiless(a.status):
	case f.Mode == Chunked:
		head = appendField(head, fasthttp.HeaderTransferEncoding, "chunked")
	case f.Mode == Length:
		head = appendField(head, fasthttp.HeaderContentLength, strconv.FormatInt(max(0, n+int64(f.N)), 10))
	case f.Mode != UntilClose:
		head = appendField(head, fasthttp.HeaderContentLength, strconv.FormatInt(n, 10))
	}
	if !j.keep || f.Mode == UntilClose {
		head = appendField(head, fasthttp.HeaderConnection, "close")
	}
	if _, err := w.Write(append(head, "\r\n"...)); err != nil {
		return err
	}
	if !a.head && !bodiless(a.status) {
		if err := a.writeBody(w, f); err != nil {
			return err
		}
	}
	return w.Flush()
}

// writeBody writes the body, or what the fault lets through of it.
func (a *answer) writeBody(w *bufio.Writer, f *Fault) error {
	body := a.body()
	switch f.Mode {
	case CutBody:
		body = io.LimitReader(body, int64(f.N))
	case Chunked:
		return writeChunks(w, body, orDefault(f.N, defaultChunk))
	}
	_, err := io.Copy(w, body)
	return err
}

// writeChunks writes body in the chunked coding, RFC 9112 section 7.1.
func writeChunks(w *bufio.Writer, body io.Reader, size int) error {
	buf := make([]byte, size)
	for {
		n, err := io.ReadFull(body, buf)
		if n > 0 {
			if _, err := fmt.Fprintf(w, "%x\r\n%s\r\n", n, buf[:n]); err != nil {
				return err
			}
		}
		switch {
		case err == nil:
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			_, err = w.WriteString("0\r\n\r\n")
			return err
		default:
			return err
		}
	}
}

// dripWriter writes a burst and then byte after byte.
type dripWriter struct {
	c     *conn
	burst int
	every time.Duration
}

// Write writes all of p, slowly. It fails when the server closes.
func (d *dripWriter) Write(p []byte) (int, error) {
	done := 0
	for done < len(p) {
		n := min(max(d.burst, 1), len(p)-done)
		if d.burst <= 0 && !d.c.s.wait(d.every) {
			return done, net.ErrClosed
		}
		d.burst -= n
		if _, err := d.c.Conn.Write(p[done : done+n]); err != nil {
			return done, err
		}
		done += n
	}
	return done, nil
}

// orDefault is n, or def where n is 0.
func orDefault(n, def int) int {
	if n == 0 {
		return def
	}
	return n
}
