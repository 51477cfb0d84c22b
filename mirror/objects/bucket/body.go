package bucket

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
	"sync/atomic"

	"github.com/motefs/motefs/mirror/objects"
)

// emptySum is the SHA-256 of nothing.
const emptySum = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// body is what is sent, with its sums.
type body struct {
	io.ReaderAt
	off, size int64
	sha256    string // hexadecimal
	crc32c    string // base64
	err       atomic.Pointer[error]
}

// newBody reads n bytes of what is to be written from off on, for their sums.
func newBody(ctx context.Context, b objects.Body, off, n int64) (*body, error) {
	out := &body{ReaderAt: b.ReaderAt, off: off, size: n}
	long, short := sha256.New(), hash.Hash(crc32.New(castagnoli))
	done, err := io.Copy(io.MultiWriter(long, short), out.reader(ctx))
	if err == nil && done != n {
		err = io.ErrUnexpectedEOF
	}
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if err != nil {
		return nil, fmt.Errorf("read what is to be written: %d bytes of %d: %w", done, n, err)
	}
	out.sha256 = hex.EncodeToString(long.Sum(nil))
	out.crc32c = base64.StdEncoding.EncodeToString(short.Sum(nil))
	return out, nil
}

// reader reads the body once.
func (b *body) reader(ctx context.Context) io.ReadCloser {
	return io.NopCloser(&bodyReader{ctx, b, io.NewSectionReader(b, b.off, b.size)})
}

// failed is why the body could not be read.
func (b *body) failed() error {
	if err := b.err.Load(); err != nil {
		return *err
	}
	return nil
}

type bodyReader struct {
	ctx  context.Context
	body *body
	io.Reader
}

func (r *bodyReader) Read(p []byte) (int, error) {
	if r.ctx.Err() != nil {
		return 0, context.Cause(r.ctx)
	}
	n, err := r.Reader.Read(p)
	if err != nil && err != io.EOF {
		r.body.err.Store(&err)
	}
	return n, err
}
