package serve

import (
	"io"
	"time"
)

// Source is what an origin serves. Its methods are called from one goroutine
// for each connection.
type Source interface {
	// Page calls add for each name of the page at marker, at most limit times
	// (limit is at least 1), and returns the marker of the next page, "" on
	// the last page. The empty marker is the first page. add does not keep
	// the name. A marker that the source did not give out is ErrMarker.
	Page(marker string, limit int, add func(name []byte)) (next string, err error)

	// Get describes the file of that name in o, which it gets empty but for
	// Buf. A name that the source has not got is ErrNotFound.
	Get(name []byte, o *Object) error
}

// PageTagger is a Source whose pages have ETags.
type PageTagger interface {
	Source
	// TaggedPage is Page, but that it first tells the page's ETag, where that has
	// one, quotes included. Where told reports false the page is not wanted.
	TaggedPage(marker string, limit int, told func(etag []byte) bool, add func(name []byte)) (next string, err error)
}

// KeyLister is a Source that can list its files in the order of the bytes of their
// names, from any name on, as S3 does.
type KeyLister interface {
	Source
	// Keys calls add for each file whose name is from or comes after it, in the
	// order of the bytes of the names, until add reports false or there are no
	// more. from need not be a name. add does not keep the key. A source that is
	// in another order returns ErrUnordered.
	Keys(from []byte, add func(*Key) bool) error
}

// Key is what a listing by name says of a file: the same as Get.
type Key struct {
	Name []byte
	// Size is the length of the content in bytes.
	Size int64
	// ModTime is the zero time, and ETag is empty, where Get tells none.
	ModTime time.Time
	ETag    []byte
}

// Object is one file on its way out.
type Object struct {
	// Body is the content, unless At is set. It is not changed, and not used
	// any more after the next call to Get on the same connection.
	Body []byte
	// At, where it is not nil, is a content too long for memory, Size bytes of
	// it. It is closed if it is an io.Closer.
	At   io.ReaderAt
	Size int64
	// ETag is the validator with its quotes, or empty.
	ETag []byte
	// ModTime is sent as Last-Modified unless it is zero.
	ModTime time.Time

	// Buf is memory for Body that is kept from one Get to the next.
	Buf []byte
}

// reset empties o but keeps its memory.
func (o *Object) reset() {
	*o = Object{Buf: o.Buf, ETag: o.ETag[:0]}
}

// size is the length of the content.
func (o *Object) size() int64 {
	if o.At != nil {
		return o.Size
	}
	return int64(len(o.Body))
}

// close releases what At holds.
func (o *Object) close() {
	if c, ok := o.At.(io.Closer); ok {
		_ = c.Close() // opened for reading
	}
	o.At = nil
}
