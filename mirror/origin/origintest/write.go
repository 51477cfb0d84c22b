package origintest

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"time"

	"github.com/motefs/motefs/mirror/origin/serve"
	"github.com/valyala/fasthttp"
)

const (
	// defaultChunk is the length of the chunks of a Chunked response.
	defaultChunk = 1000

	// writeBuffer is how much of a response is collected before a write.
	writeBuffer = 64 << 10
)

// write writes x with the fault, and reports whether the connection goes on.
func (f *Fault) write(x *serve.Exchange) bool {
	f.apply(x)
	if !x.Wait(f.Delay) {
		return false
	}
	switch f.Mode {
	case Cut:
		x.Cut(f.Reset)
		return false
	case Hang:
		_, _ = io.Copy(io.Discard, onlyReader{x.Conn})
		return false
	case Raw:
		if _, err := x.Conn.Write(f.Body); err != nil {
			return false
		}
	default:
		x.Count()
		if err := f.writeResponse(x); err != nil {
			return false
		}
	}
	ends := !x.KeepAlive || f.Mode == UntilClose || f.Mode == Length && f.N > 0
	if f.Mode == CutBody || ends && f.Reset {
		x.Cut(f.Reset)
		return false
	}
	return !ends
}

// onlyReader hides all methods but Read.
type onlyReader struct{ io.Reader }

// apply puts the fields of f that change the response itself into it.
func (f *Fault) apply(x *serve.Exchange) {
	status := f.Status
	if status == 0 && f.Location != "" {
		status = fasthttp.StatusFound
	}
	if status != 0 || f.Body != nil {
		x.Replace(f.Body)
	}
	if status != 0 {
		x.Status = status
	}
	if f.RetryAfter > 0 {
		x.Set(fasthttp.HeaderRetryAfter, strconv.FormatInt(int64((f.RetryAfter+time.Second-1)/time.Second), 10))
	}
	if f.Location != "" {
		x.Set(fasthttp.HeaderLocation, f.Location)
	}
	if f.ContentRange != "" {
		x.Delete(fasthttp.HeaderContentRange)
		x.Set(fasthttp.HeaderContentRange, f.ContentRange)
	}
	for key, value := range f.Header {
		x.Set(key, value)
	}
	x.KeepAlive = x.KeepAlive && !f.Close
}

// writeResponse writes a response that has at least a head.
func (f *Fault) writeResponse(x *serve.Exchange) error {
	var out io.Writer = x.Conn
	if f.Mode == Drip {
		out = &dripWriter{x: x, burst: f.N, every: f.Every}
	}
	w := bufio.NewWriterSize(out, writeBuffer)
	var head []byte
	if f.Mode == Interim {
		head = fmt.Appendf(head, "HTTP/1.1 %d %s\r\n\r\n", orDefault(f.N, 100), fasthttp.StatusMessage(orDefault(f.N, 100)))
	}
	head = x.AppendHead(head)
	switch n := x.Len(); {
	case x.Bodiless():
	case f.Mode == Chunked:
		head = serve.AppendField(head, fasthttp.HeaderTransferEncoding, "chunked")
	case f.Mode == Length:
		head = serve.AppendField(head, fasthttp.HeaderContentLength, strconv.FormatInt(max(0, n+int64(f.N)), 10))
	case f.Mode != UntilClose:
		head = serve.AppendField(head, fasthttp.HeaderContentLength, strconv.FormatInt(n, 10))
	}
	if !x.KeepAlive || f.Mode == UntilClose {
		head = serve.AppendField(head, fasthttp.HeaderConnection, "close")
	}
	if _, err := w.Write(append(head, "\r\n"...)); err != nil {
		return err
	}
	if !x.Head && !x.Bodiless() {
		body := x.Body()
		if f.Corrupt {
			body = &corruptReader{Reader: body, at: x.Len() / 2}
		}
		if err := f.writeBody(w, body); err != nil {
			return err
		}
	}
	return w.Flush()
}

// corruptReader changes one bit of the byte at an offset.
type corruptReader struct {
	io.Reader
	at int64 // from where it stands
}

func (c *corruptReader) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	if c.at >= 0 && c.at < int64(n) {
		p[c.at] ^= 1
	}
	c.at -= int64(n)
	return n, err
}

// writeBody writes the body, or what the fault lets through of it.
func (f *Fault) writeBody(w *bufio.Writer, body io.Reader) error {
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
	x     *serve.Exchange
	burst int
	every time.Duration
}

// Write writes all of p, slowly. It fails when the server closes.
func (d *dripWriter) Write(p []byte) (int, error) {
	done := 0
	for done < len(p) {
		n := min(max(d.burst, 1), len(p)-done)
		if d.burst <= 0 && !d.x.Wait(d.every) {
			return done, net.ErrClosed
		}
		d.burst -= n
		if _, err := d.x.Conn.Write(p[done : done+n]); err != nil {
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
