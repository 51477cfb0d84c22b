package replica

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"github.com/motefs/motefs/cache"
	"github.com/motefs/motefs/mirror/segments"
)

// ingestNames brings a segment's names, and what became of its files, into the local store.
func (r *Replica) ingestNames(ctx context.Context, s *segment, files []*os.File) error {
	err := r.store.IngestNames(ctx, cache.Table{ReaderAt: files[0], Size: s.TableSize, Sum: s.TableSum}, s.Part)
	if err == nil && len(files) > 1 {
		err = r.store.IngestOutcome(ctx, s.Part.First, table(s, files[1], 0), s.Counts)
	}
	return local(err)
}

// ingestPart brings a table of a segment's contents into the local store.
func (r *Replica) ingestPart(ctx context.Context, s *segment, k int, file *os.File) error {
	return local(r.store.IngestContents(ctx, s.Part.First, k, table(s, file, k)))
}

func table(s *segment, file *os.File, k int) cache.Table {
	return cache.Table{ReaderAt: file, Size: s.Tables[k].Size, Sum: s.Tables[k].Sum}
}

// dropPart takes a table of a segment's contents, and their blobs, out of the local store.
func (r *Replica) dropPart(ctx context.Context, s *segment, k int) error {
	freed, err := r.store.TakeBack(ctx, s.Part.First, k)
	s.freed(freed)
	if err != nil {
		return fmt.Errorf("take segment %d back: %w", s.Seq, errors.Join(err, r.mark(s)))
	}
	return nil
}

// giveBack gives the room of segments that were taken back to the disk.
func (r *Replica) giveBack(ctx context.Context, gone []*segment) error {
	firsts := make([]cache.Inode, len(gone))
	for k, s := range gone {
		firsts[k] = s.Part.First
	}
	return r.store.GiveBack(ctx, firsts)
}

// local marks an error that another download would not mend: of the local store's, or of a
// table that is what its manifest says and cannot be right. It is never cache.ErrNotFound,
// which readers would take for an answer.
func local(err error) error {
	switch {
	case err == nil, errors.Is(err, context.Canceled):
		return err
	case errors.Is(err, cache.ErrNotFound):
		return fmt.Errorf("%w: %v", errLocal, err) //nolint:errorlint // see above
	}
	return fmt.Errorf("%w: %w", errLocal, err)
}

// mark notes what of a segment is in the local store.
func (r *Replica) mark(s *segment) error {
	if s.Part.First == s.Part.End {
		s.names.Store(true)
		return nil
	}
	here, err := r.store.SegmentOf(s.Part.First)
	switch {
	case errors.Is(err, cache.ErrNotFound):
		return nil
	case err != nil:
		return err
	case here.Names.First != s.Part.First || here.Names.End != s.Part.End:
		return untrue("segment %d has the numbers from %d on and below %d; here are those below %d", s.Seq, s.Part.First, s.Part.End, here.Names.End)
	}
	s.names.Store(here.Outcome != nil || len(s.Tables) == 0)
	for k := 1; k < len(s.parts); k++ {
		_, has := here.Parts[k]
		s.parts[k].Store(has)
	}
	return nil
}

// restore goes on from where a replica was closed.
func (r *Replica) restore(index *segments.Index) error {
	empty := &catalog{}
	r.catalog.Store(empty)
	r.space.now.Store(restTicks + 1)
	c, err := empty.with(index.Segments, index.Next, index.Complete)
	if err != nil {
		r.log.Warn().Err(err).Msg("what was known of the mirror is read anew")
		return nil
	}
	if err := r.take(c, c.segs); err != nil {
		return err
	}
	var order []uint64
	if _, err := load(filepath.Join(r.dir, recencyFile), &order); err != nil {
		return fmt.Errorf("read in which order segments were read: %w", err)
	}
	for k, seq := range order {
		if s := c.bySeq(seq); s != nil {
			s.used.Store(uint64(k) + 1)
		}
	}
	r.space.now.Store(uint64(len(order)) + restTicks + 1)
	return nil
}

// blobHere reports whether the content of a Blob can be read.
func (r *Replica) blobHere(ino cache.Inode) (bool, error) { return r.store.HasBlob(ino) }

func blobMissing(err error) bool {
	_, missing := errors.AsType[*cache.BlobMissingError](err)
	return missing
}

// bringBlob has the content of a Blob be here. Where it is no Blob any more, as its segment was
// taken back, that is no error.
func (r *Replica) bringBlob(ctx context.Context, e *cache.Entry) error {
	s := r.catalog.Load().of(e.Inode)
	if s == nil {
		return fmt.Errorf("inode %d is of no segment", e.Inode) // a bug, if ever
	}
	return r.demand(ctx, s, "blobs/"+strconv.FormatUint(uint64(e.Inode), 10), func(ctx context.Context) error {
		if here, err := r.blobHere(e.Inode); err != nil || here {
			return local(err)
		}
		err := r.retry(ctx, func(ctx context.Context, p *patience) error { return r.getBlob(ctx, p, s, e) })
		if err != nil {
			return fmt.Errorf("bring the content of inode %d of segment %d: %w", e.Inode, s.Seq, err)
		}
		return nil
	})
}

// getBlob downloads a blob, once.
func (r *Replica) getBlob(ctx context.Context, p *patience, s *segment, e *cache.Entry) error {
	size := cache.BlobLen(e.Size)
	if err := p.aside(func() error { return r.slots.blobs.Acquire(ctx, 1) }); err != nil {
		return context.Cause(ctx)
	}
	defer r.slots.blobs.Release(1)
	name := segments.BlobName(s.Seq, s.Attempt, e.Inode)
	from, length, err := p.Get(ctx, name, 0, -1)
	if err != nil {
		return fmt.Errorf("download %q: %w", name, err)
	}
	defer from.Close()
	if length != size {
		return untrue("%q has %d bytes, and its entry says %d", name, length, size)
	}
	source := &tapped{from: from, n: &r.counts.downloaded}
	r.blobs.expect(e.Inode)
	if err = r.store.PutBlob(e.Inode, source); err != nil {
		size = 0
	}
	r.blobs.settle(e.Inode, s, size)
	switch {
	case errors.Is(err, cache.ErrNotFound):
		return nil // it was taken back
	case source.err != nil:
		return fmt.Errorf("download %q: %w", name, source.err)
	case errors.Is(err, cache.ErrTable):
		return err // by the object store, maybe on the way
	case err != nil:
		return local(err)
	}
	s.brought.Store(r.space.now.Load())
	r.counts.blobs.Add(1)
	return nil
}
