package cluster

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/motefs/motefs/cache"
	"github.com/motefs/motefs/mirror"
	"github.com/motefs/motefs/mirror/objects"
	"github.com/motefs/motefs/mirror/segments"
)

// source is the origin and the tables that are made of what comes from it: an
// engine, but for tests.
type source interface {
	// Walk is that of mirror.Engine.
	Walk(ctx context.Context, marker string, take func(mirror.WalkedPage) error) error
	// Numbering returns the numbering that goes on from a State, or begins with nil.
	Numbering(state []byte) (numbering, error)
	// Fetch fetches the files of a name segment and hands over what they are. Its counts
	// are of all of them, those that failed included.
	Fetch(ctx context.Context, seg *named, out output) (cache.ContentCounts, error)
	// Share, Slow and Pause are those of mirror.Engine, and Counts too.
	Share(n int)
	Slow()
	Pause(d time.Duration)
	Counts() mirror.Counts
}

// errUnordered says that the listing is in no order; see numbering.
var errUnordered = errors.New("the listing is in no order")

// numbering gives names their numbers: a cache.Numbering.
type numbering interface {
	// Add takes names, and returns how many of them. With errUnordered, Unordered is
	// called, and Add with the rest.
	Add(names []cache.Name) (taken int, err error)
	// Unordered has the numbering know all names of the segments before.
	Unordered(ctx context.Context, before []*named) error
	// Names and Bytes are what was added since the last Finish, and Content the bytes of
	// those files, as far as the listing says them.
	Names() int
	Bytes() int64
	Content() int64
	// Finish ends a segment.
	Finish(ctx context.Context) (*tables, error)
	// State is that after the last Finish.
	State() []byte
	Close() error
}

// tables are what a name segment has beside its head.
type tables struct {
	dirs, files, context objects.Body
	// sums are those of a head.
	dirsSum, filesSum, contextSum uint64
	part                          segments.Part
}

// output takes what the files of a segment are.
type output interface {
	// Waiting says that from now on there are more pauses than fetches, so that something else
	// may be fetched meanwhile, and how many bytes of files are here.
	Waiting(bytes int64)
	// Table writes a table, of several in any order: 0 is that of the outcome, and contents
	// are from 1 on. last is the key of the last entry of a table of contents.
	Table(ctx context.Context, part int, body objects.Body, sum uint64, last []byte) error
	// Blob writes a content over the inline limit, once. It may be called from any goroutine.
	Blob(ctx context.Context, inode cache.Inode, body objects.Body) error
}

// named is a name segment in the object store.
type named struct {
	segments.Names
	headSize int64
	store    objects.Store
}

// open reads its tables, one after the other.
func (n *named) open(ctx context.Context) (io.ReadCloser, error) {
	r, _, err := n.store.Get(ctx, segments.NamesName(n.Seq), n.headSize, n.All())
	return r, err
}

// named reads the head of a name segment.
func (p *Process) named(ctx context.Context, seq uint64) (*named, error) {
	head, size, err := p.reader.Names(ctx, seq)
	if err != nil {
		return nil, err
	}
	return &named{head, size, p.store}, nil
}
