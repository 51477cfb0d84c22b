package wire

import (
	"bytes"
	"errors"
	"io"
	"net/http"
)

const (
	// maxInterim bounds the 1xx answers before a final one.
	maxInterim = 16

	// Lengths of bodies that Content-Length does not tell.
	chunked   = -1
	untilEOF  = -2
	headStart = "HTTP/1."
)

var headEnd = []byte("\r\n\r\n")

// head is what the client wants to know of an answer's head. The rest stays in
// conn.buf.fields until the next head is read.
type head struct {
	status  int
	length  int64 // of the body; or chunked, or untilEOF
	closing bool  // nothing follows this answer
}

// readHead reads the head of the final answer to the oldest request.
func (cn *conn) readHead() error {
	for range maxInterim {
		if err := cn.readAnyHead(); err != nil {
			return err
		}
		if cn.head.status >= 200 {
			return nil
		}
		if cn.head.status == http.StatusSwitchingProtocols {
			return framingError("status 101 without an upgrade")
		}
	}
	return framingError("%d interim answers in a row", maxInterim)
}

func (cn *conn) readAnyHead() error {
	raw, err := cn.peekHead()
	if err != nil {
		return err
	}
	old := raw[len(headStart)] == '0'
	if raw[len(headStart)+1] != ' ' || !old && raw[len(headStart)] != '1' {
		return framingError("version %.40q", raw)
	}
	if !threeDigits(raw[len(headStart)+2:]) {
		return framingError("status %.40q", raw)
	}
	if err := cn.buf.fields.Parse(raw); err != nil {
		return err
	}
	length, closing, err := cn.buf.fields.framing()
	if err != nil {
		return err
	}
	status := raw[len(headStart)+2:]
	cn.head = head{status: digits(status[:3]), length: length, closing: old || closing}
	cn.br.Discard(len(raw))
	switch {
	case cn.head.status < 200:
		return nil
	case cn.head.status == http.StatusNoContent || cn.head.status == http.StatusNotModified:
		// These have no body whatever they declare (RFC 9110 sections 15.3.5
		// and 15.4.5). Whoever sends one all the same is found out by the guards.
		cn.head.length = 0
	case cn.head.length == chunked && old:
		return framingError("Transfer-Encoding in HTTP/1.0")
	case cn.head.length == untilEOF:
		cn.head.closing = true
		if cn.ahead {
			return errAlone
		}
	}
	return nil
}

// threeDigits reports whether a status follows, from 100 to 999.
func threeDigits(raw []byte) bool {
	return len(raw) > 3 && raw[0]-'1' < 9 && raw[1]-'0' < 10 && raw[2]-'0' < 10 && (raw[3] == ' ' || raw[3] == '\r')
}

// peekHead waits until a whole head is in the read buffer, which bounds its
// length. It is valid until the next read from the buffer.
func (cn *conn) peekHead() ([]byte, error) {
	searched := 0
	for {
		b, _ := cn.br.Peek(cn.br.Buffered())
		if n := min(len(b), len(headStart)); string(b[:n]) != headStart[:n] {
			return nil, framingError("no HTTP/1 head: %.40q", b)
		}
		// Before the end is looked for, so that it does not matter how much came at once.
		if i := bytes.IndexByte(b, '\n'); i > 0 && b[i-1] != '\r' {
			return nil, framingError("bare line feed in the head: %.40q", b)
		}
		if i := bytes.Index(b[searched:], headEnd); i >= 0 {
			return b[:searched+i+len(headEnd)], nil
		}
		if len(b) == cn.br.Size() {
			return nil, framingError("head over %d bytes", len(b))
		}
		searched = max(0, len(b)-len(headEnd)+1)
		if _, err := cn.br.Peek(len(b) + 1); err != nil {
			where := "before an answer"
			if len(b) > 0 {
				where = "inside a head"
			}
			return nil, cn.cut(where, err)
		}
	}
}

// encoding is the Content-Encoding, empty for identity.
func (cn *conn) encoding() []byte {
	e := cn.buf.fields.Get("content-encoding")
	if bytes.EqualFold(e, []byte("identity")) {
		return nil
	}
	return e
}

// dateCache remembers what the last Last-Modified meant. Neighbours in a listing
// often share it, and parsing costs more than all the rest of a head.
type dateCache struct {
	text    []byte
	seconds int64
}

// modTime is the Last-Modified in seconds since 1970, or 0.
func (cn *conn) modTime() int64 {
	date, d := cn.buf.fields.Get("last-modified"), &cn.dates
	if len(date) == 0 || bytes.Equal(date, d.text) {
		if len(date) == 0 {
			return 0
		}
		return d.seconds
	}
	d.text, d.seconds = append(d.text[:0], date...), parseDate(date)
	return d.seconds
}

// whole returns a body of n bytes, in the read buffer where it fits.
func (cn *conn) whole(n int) ([]byte, error) {
	if n <= cn.br.Size() {
		b, err := cn.br.Peek(n)
		if err != nil {
			return nil, cn.cutBody(int64(len(b)), int64(n), err)
		}
		cn.br.Discard(n) // leaves the bytes where they are until the next read
		return b, nil
	}
	if cap(cn.buf.scratch) < n {
		cn.buf.scratch = make([]byte, n)
	}
	b := cn.buf.scratch[:n]
	if got, err := io.ReadFull(cn.br, b); err != nil {
		return nil, cn.cutBody(int64(got), int64(n), err)
	}
	return b, nil
}

func (cn *conn) cutBody(got, want int64, err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		if cause := cn.call.err(); cause != nil {
			return cause
		}
		return cutError("body of %d bytes ended after %d", want, got)
	}
	return cn.cut("inside a body", err)
}
