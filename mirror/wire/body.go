package wire

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/motefs/motefs/mirror"
)

const (
	// maxTrailer bounds the trailer of a chunked body, in lines.
	maxTrailer = 128
	// maxChunkDigits keeps a chunk's length within 60 bits.
	maxChunkDigits = 15
)

// body reads one body from a connection, whatever its framing, and not a byte
// more. It ends with io.EOF only where the body is whole, and comes to its sum.
type body struct {
	cn    *conn
	sum   *sum  // nil: it is not known
	mode  int64 // chunked, untilEOF, or 0: a known length
	left  int64 // of the body, or of the chunk
	size  int64 // the known length
	got   int64 // in all
	limit int64
	err   error // once set, for ever
}

func (cn *conn) body(limit int64) body {
	b := body{cn: cn, mode: min(cn.head.length, 0), limit: limit}
	if cn.head.length >= 0 {
		b.left, b.size = cn.head.length, cn.head.length
	}
	return b
}

// summed is the body with what it has to come to.
func (b body) summed(s *sum) body {
	b.sum = s
	return b
}

// whole reports whether the body was read to its end.
func (b *body) whole() bool {
	return errors.Is(b.err, io.EOF) || mismatch(b.err) || b.err == nil && b.mode == 0 && b.left == 0 && b.cn.overrun() == nil
}

// ended is the error behind the last byte: io.EOF if nothing is wrong.
func (b *body) ended() error { return cmp.Or(b.cn.overrun(), b.sum.wrong(), io.EOF) }

func (b *body) Read(p []byte) (int, error) {
	if b.err != nil || len(p) == 0 {
		return 0, b.err
	}
	if b.left == 0 && b.mode != untilEOF {
		b.err = io.EOF
		if b.mode == chunked {
			b.err = b.nextChunk()
		}
		if errors.Is(b.err, io.EOF) {
			b.err = b.ended()
		}
		if b.err != nil {
			return 0, b.err
		}
	}
	if b.mode != untilEOF {
		p = p[:min(int64(len(p)), b.left)]
	}
	n, err := b.cn.br.Read(p)
	b.left -= int64(n)
	b.got += int64(n)
	b.sum.add(p[:n])
	if err != nil {
		if b.err = b.readError(err); errors.Is(b.err, io.EOF) {
			b.err = b.ended()
		}
		return n, b.err
	}
	if b.got > b.limit {
		b.err = fmt.Errorf("%w: body over %d bytes", mirror.ErrTooLarge, b.limit)
		return 0, b.err
	}
	if b.mode == chunked && b.left == 0 {
		b.err = b.endChunk()
	}
	if b.mode == 0 && b.left == 0 && b.sum != nil {
		// Who knows the length reads no further: the last piece is not for him either.
		if end := b.ended(); !errors.Is(end, io.EOF) {
			b.err = end
			return 0, end
		}
	}
	return n, b.err
}

func (b *body) readError(err error) error {
	switch {
	case b.mode == 0:
		return b.cn.cutBody(b.got, b.size, err)
	case b.mode == untilEOF && errors.Is(err, io.EOF):
		if cause := b.cn.call.err(); cause != nil {
			return cause
		}
		return io.EOF
	default:
		return b.cn.cut("inside a body", err)
	}
}

// nextChunk reads a chunk's head, and after the last chunk the trailer.
func (b *body) nextChunk() error {
	line, err := b.line()
	if err != nil {
		return err
	}
	digits, _, _ := bytes.Cut(line, []byte(";")) // extensions mean nothing to us
	digits = bytes.TrimRight(digits, " \t")
	if len(digits) == 0 || len(digits) > maxChunkDigits {
		return framingError("chunk length %.40q", line)
	}
	if b.left, err = strconv.ParseInt(string(digits), 16, 64); err != nil || digits[0] == '+' || digits[0] == '-' {
		return framingError("chunk length %.40q", line)
	}
	if b.left > 0 {
		return nil
	}
	for range maxTrailer {
		line, err := b.line()
		if err != nil {
			return err
		}
		if len(line) == 0 {
			return io.EOF
		}
	}
	return framingError("trailer over %d lines", maxTrailer)
}

func (b *body) endChunk() error {
	end, err := b.cn.br.Peek(2)
	if err != nil {
		return b.cn.cut("inside a body", err)
	}
	if string(end) != "\r\n" {
		return framingError("chunk runs over its length")
	}
	b.cn.br.Discard(2)
	return nil
}

// line reads a line that ends in CRLF, without that.
func (b *body) line() ([]byte, error) {
	line, err := b.cn.br.ReadSlice('\n')
	if err != nil {
		if len(line) == b.cn.br.Size() {
			return nil, framingError("line over %d bytes in a chunked body", len(line))
		}
		return nil, b.cn.cut("inside a body", err)
	}
	if len(line) < 2 || line[len(line)-2] != '\r' {
		return nil, framingError("bare line feed in a chunked body")
	}
	return line[:len(line)-2], nil
}
