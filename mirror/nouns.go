package mirror

import (
	"context"
	"io"
)

// OwnMarker begins the markers that a Lister makes itself, for others than those of
// the talk's protocol, which are the origin's words. So a checkpoint of one kind of
// listing is refused by another, and not taken for a place in it.
const OwnMarker = "\x00motefs:"

// Page is one page of the origin's listing.
type Page struct {
	// Next is the marker of the page that follows; empty on the last page.
	Next string
	// ETag is the page's validator, for ConditionalLister; empty where the origin
	// says none that could be sent back.
	ETag string
	// Size is what the page holds in memory until it is decoded, in bytes.
	Size int
	// Decode appends the page's next entries to dst, at most most of them, and
	// reports whether there are more. Where a name cannot be decoded it is left
	// out, and told to skip as it stands in the page, with the reason. Decode is
	// separate from the page so that the next page can be asked for before this
	// one's names are decoded, and goes in pieces so that a page of millions of
	// names takes no more than its own bytes and those of one piece. One goroutine
	// calls it, until there are no more entries or it returns an error.
	Decode func(dst []Listed, most int, skip func(name string, err error)) (_ []Listed, more bool, err error)
}

// Listed is one entry of a page: a name and, where the origin says them, more.
type Listed struct {
	// Name is the origin's name for the file, byte for byte.
	Name string
	// Size is the file's length in bytes, -1 where the listing does not say.
	Size int64
	// ModTime is when the file was changed last, in seconds since 1970, 0 where
	// the listing does not say.
	ModTime int64
	// ETag is the file's validator, as a get of it would say, empty where the
	// listing does not say. It is a string, as Name is: one that is empty costs
	// nothing, and one that is not can share the page's memory.
	ETag string
}

// Lister walks the origin's listing, one page after another.
type Lister interface {
	// List returns the page at marker; the empty marker is the first page.
	// An answer that is no page is an error that wraps ErrListing; anything
	// that may pass is one for which Temporary holds.
	List(ctx context.Context, marker string) (Page, error)
}

// ConditionalLister is a Lister that can be told which page the caller has. The
// engine does without where there is none.
type ConditionalLister interface {
	// ListIf is List, but that its error is ErrNotModified where the origin says
	// that the page at marker still is the one that had this ETag, and where it is
	// certain that it says so of this page. With an empty etag it is List.
	ListIf(ctx context.Context, marker, etag string) (Page, error)
}

// Object is the content of a file. It and everything in it is valid only until
// the function that it was handed to returns.
type Object struct {
	// Body is the whole content, unless Stream is set.
	Body []byte
	// Stream, where it is not nil, is the content of a file too long for
	// Body. It ends with io.EOF only where the content is whole; any other
	// end is an error for which Temporary may hold. The rest of a stream that
	// is not read to its end is dropped together with its connection.
	Stream io.Reader
	// Size is the length of the content in bytes, -1 where a Stream does not
	// say it beforehand.
	Size int64
	// ModTime is the origin's Last-Modified in seconds since 1970, 0 where it
	// does not say.
	ModTime int64
	// ETag is the origin's validator, as it stands in the header.
	ETag []byte
	// Check, where it is not nil, is for who puts a content together from a Stream and
	// other answers: it reads the whole, and returns ErrChecksum if that is not what this
	// answer says, or the error of whole. A Stream that is read to its end is checked.
	// Check, unlike all else here, stays valid.
	Check func(whole io.Reader) error
	// Spooled says that the content is what Receiver.Spool was handed last.
	Spooled bool
}

// Receiver takes what a Fetcher gets. Its functions are called by the goroutine
// that called Fetch.
type Receiver struct {
	// Receive is called exactly once for each name, in any order: with its
	// content, of which it is certain by then that it is this name's, or with the
	// error for which there is none. That is ErrNotModified where the origin
	// has just the version that Known told of, which is as certain.
	Receive func(i int, obj *Object, err error)
	// Known tells which version of a name the caller has: its ETag as an Object
	// had it, empty if none, and its ModTime in seconds since 1970, 0 if unknown.
	// It is called once for each name before any is asked for, and the ETag is
	// not kept. With neither, or where Known is nil, the content comes whatever
	// it is. A ModTime alone cannot tell apart two versions of one second.
	Known func(i int) (etag []byte, modTime int64)
	// Settled, where it is not nil, is called now and then when files have been
	// received and others may be a while in coming.
	Settled func()
	// Spool is called for a longer file as its content comes, before it is certain
	// whose it is. It reads obj.Stream to its end and keeps what it read apart
	// until Receive is called. It may be called again for the same name, and what
	// came before is then void. Its error is handed to Receive. Where Spool is nil
	// such files are asked for in a way that leaves no doubt, which is slower.
	Spool func(i int, obj *Object) error
}

// Fetcher gets files from the origin.
type Fetcher interface {
	// Fetch asks for every name. It makes one attempt: an error for which
	// Temporary holds may be tried again by the caller. Fetch itself returns an
	// error only if ctx was cancelled; the names that had no answer by then are
	// received with it.
	Fetch(ctx context.Context, names []string, r Receiver) error
}

// Pipeliner is a Fetcher that says whether it asks for many names at once.
type Pipeliner interface {
	// Pipelines reports whether it takes little longer to fetch many names than one.
	Pipelines() bool
}

// Guarder is a Fetcher that asks for some files more than once, to be certain of its answers.
type Guarder interface {
	// Guards are how many requests there were more than files that were asked for.
	Guards() int64
}

// Part is a part of one version of a file.
type Part struct {
	// Off is where it begins and Len how long it is, in bytes; Len is at
	// least 1. Size is the length of the whole file.
	Off, Len, Size int64
	// ETag and ModTime say which version, as in an Object.
	ETag    string
	ModTime int64
}

// RangeFetcher is a Fetcher that can get a part of a file. The engine does
// without where there is none.
type RangeFetcher interface {
	// FetchRange asks for a part of a file, once, and hands the answer to use,
	// whose error it returns. The Stream of that Object is the part, Size its
	// length. The error is ErrRange where the answer is anything else than this
	// very part of this very version; otherwise as those that Fetch delivers.
	FetchRange(ctx context.Context, name string, part Part, use func(obj *Object) error) error
}
