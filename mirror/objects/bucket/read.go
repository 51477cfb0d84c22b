package bucket

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/motefs/motefs/mirror"
	"github.com/motefs/motefs/mirror/objects"
	"github.com/motefs/motefs/mirror/s3"
)

const (
	// noKey is how S3 says that there is no such object. A 404 that does not say so may be a
	// proxy's, or be about the bucket.
	noKey = "NoSuchKey"
	// maxPage bounds a page of a listing, in bytes: ten times a thousand keys of 1,024 bytes that
	// are all percent-encoded.
	maxPage = 32 << 20
)

// Get implements objects.Store.
func (s *Store) Get(ctx context.Context, name string, off, n int64) (io.ReadCloser, int64, error) {
	if err := s.check(ctx, "get", name); err != nil {
		return nil, 0, err
	}
	r, size, err := s.get(ctx, name, off, n)
	if refusal, ok := errors.AsType[*s3.Refusal](err); ok && refusal.Code == noKey {
		err = objects.ErrNotFound
	}
	if err != nil {
		return nil, 0, about("get", name, err)
	}
	return r, size, nil
}

func (s *Store) get(ctx context.Context, name string, off, n int64) (io.ReadCloser, int64, error) {
	switch {
	case off < 0:
		return nil, 0, fmt.Errorf("%w: from %d on", objects.ErrRange, off)
	case off == 0 && n < 0:
		return s.whole(ctx, name)
	case n == 0:
		return s.nothing(ctx, name, off)
	}
	return s.ranged(ctx, name, off, n)
}

// whole reads all of an object, and checks its sum.
func (s *Store) whole(ctx context.Context, name string) (io.ReadCloser, int64, error) {
	response, err := s.send(ctx, &request{method: http.MethodGet, name: name, header: http.Header{"X-Amz-Checksum-Mode": {"ENABLED"}}})
	if err != nil {
		return nil, 0, err
	}
	size := response.ContentLength
	if response.StatusCode != http.StatusOK || size < 0 || response.Header.Get("Content-Encoding") != "" {
		response.Body.Close()
		return nil, 0, fmt.Errorf("%w: a get is answered with status %d, length %d, encoding %.20q", objects.ErrUnfit, response.StatusCode, size, response.Header.Get("Content-Encoding"))
	}
	r := &reader{ctx: ctx, body: response.Body, name: name, left: size}
	if sum, algorithm := s3.SumOf(response.Header); algorithm != nil {
		r.want, r.algorithm, r.hash = sum, algorithm.Name, algorithm.New()
	}
	return r, size, nil
}

// nothing reads no byte of an object: there is no range for that.
func (s *Store) nothing(ctx context.Context, name string, off int64) (io.ReadCloser, int64, error) {
	r, size, err := s.whole(ctx, name)
	if err != nil {
		return nil, 0, err
	}
	r.Close()
	if off > size {
		return nil, 0, beyond(off, 0, size)
	}
	return io.NopCloser(bytes.NewReader(nil)), size, nil
}

// beyond is the error of a part that is not there.
func beyond(off, n, size int64) error {
	return fmt.Errorf("%w: %d bytes from %d on, of %d", objects.ErrRange, n, off, size)
}

// ranged reads a part of an object.
func (s *Store) ranged(ctx context.Context, name string, off, n int64) (io.ReadCloser, int64, error) {
	span := fmt.Sprintf("bytes=%d-", off)
	if n > 0 {
		span += fmt.Sprint(off + n - 1)
	}
	response, err := s.send(ctx, &request{method: http.MethodGet, name: name, header: http.Header{"Range": {span}}})
	if refusal, ok := errors.AsType[*s3.Refusal](err); ok && refusal.Status() == http.StatusRequestedRangeNotSatisfiable {
		// It begins at the end, or behind it.
		empty, size, err := s.nothing(ctx, name, off)
		if err == nil && n > 0 {
			err = beyond(off, n, size)
		}
		return empty, size, err
	}
	if err != nil {
		return nil, 0, err
	}
	var first, last, size int64
	_, err = fmt.Sscanf(response.Header.Get("Content-Range"), "bytes %d-%d/%d", &first, &last, &size)
	length := last - first + 1
	switch {
	case response.StatusCode != http.StatusPartialContent || err != nil || first != off || last >= size || response.ContentLength >= 0 && response.ContentLength != length:
		err = fmt.Errorf("%w: a get of %s is answered with status %d, range %.60q, length %d", objects.ErrUnfit, span, response.StatusCode, response.Header.Get("Content-Range"), response.ContentLength)
	case n > 0 && off+n > size:
		err = beyond(off, n, size)
	case n > 0 && length != n || n < 0 && last != size-1:
		err = fmt.Errorf("%w: a get of %s is answered with %.60q", objects.ErrUnfit, span, response.Header.Get("Content-Range"))
	}
	if err != nil {
		response.Body.Close()
		return nil, 0, err
	}
	return &reader{ctx: ctx, body: response.Body, name: name, left: length}, size, nil
}

// reader is a response's body, of which all bytes come.
type reader struct {
	ctx       context.Context
	body      io.ReadCloser
	name      string
	left      int64
	hash      hash.Hash // nil: there is no sum
	want      []byte
	algorithm string
}

func (r *reader) Read(p []byte) (int, error) {
	if r.left == 0 {
		return 0, r.end()
	}
	n, err := r.body.Read(p[:min(int64(len(p)), r.left)])
	r.left -= int64(n)
	if r.hash != nil {
		r.hash.Write(p[:n])
	}
	switch {
	case err == nil || r.left == 0:
		return n, nil
	case r.ctx.Err() != nil:
		return n, context.Cause(r.ctx)
	case errors.Is(err, context.Canceled):
		return n, fmt.Errorf("read %q: %w", r.name, objects.ErrClosed)
	case err == io.EOF: // of the body itself
		err = io.ErrUnexpectedEOF
	}
	return n, fmt.Errorf("read %q: %w: %d bytes are missing: %w", r.name, objects.ErrAway, r.left, err)
}

// end is io.EOF where the sum is right.
func (r *reader) end() error {
	if r.hash != nil && !bytes.Equal(r.hash.Sum(nil), r.want) {
		return fmt.Errorf("read %q: %w (%s)", r.name, mirror.ErrChecksum, r.algorithm)
	}
	return io.EOF
}

func (r *reader) Close() error { return r.body.Close() }

// List implements objects.Store.
func (s *Store) List(ctx context.Context, prefix, after string, fn func(objects.Info) bool) error {
	if s.ctx.Err() != nil {
		return fmt.Errorf("list %q: %w", prefix, objects.ErrClosed)
	}
	if err := objects.CheckPrefix(prefix); err != nil {
		return err
	}
	query := url.Values{"list-type": {"2"}, "encoding-type": {"url"}}
	if s.o.Prefix+prefix != "" {
		query.Set("prefix", s.o.Prefix+prefix)
	}
	if after != "" {
		query.Set("start-after", s.o.Prefix+after)
	}
	last := after
	for {
		page, err := s.page(ctx, query)
		if err != nil {
			return about("list", prefix, err)
		}
		for _, o := range page.Objects {
			if o.Name <= after || objects.CheckName(o.Name) != nil {
				continue // a server that ignores start-after; another's object
			}
			if o.Name <= last {
				return fmt.Errorf("list %q: %w: %q comes after %q, and this needs listings in the order of the names", prefix, objects.ErrUnfit, o.Name, last)
			}
			last = o.Name
			if o.Size < 0 {
				return fmt.Errorf("list %q: %w: it does not say how long %q is", prefix, objects.ErrUnfit, o.Name)
			}
			if !fn(objects.Info{Name: o.Name, Size: o.Size, ModTime: time.Unix(o.ModTime, 0)}) {
				return nil
			}
		}
		if page.Token == "" {
			return nil
		}
		if len(page.Objects) == 0 && page.Token == query.Get("continuation-token") {
			return fmt.Errorf("list %q: %w: an empty page leads to itself", prefix, objects.ErrUnfit)
		}
		query.Del("start-after")
		query.Set("continuation-token", page.Token)
	}
}

// page asks for a page of a listing.
func (s *Store) page(ctx context.Context, query url.Values) (s3.Page, error) {
	response, err := s.send(ctx, &request{method: http.MethodGet, query: query})
	if err != nil {
		return s3.Page{}, err
	}
	defer response.Body.Close()
	raw, err := readAll(ctx, response, maxPage)
	if err != nil {
		return s3.Page{}, err
	}
	return s3.ParsePage(raw, s.o.Prefix)
}
