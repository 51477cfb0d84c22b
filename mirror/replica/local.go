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

// ingestNames brings a segment's files, and what became of them, into the local store.
func (r *Replica) ingestNames(ctx context.Context, s *segment, files []*os.File) error {
	err := r.store.IngestFiles(ctx, cache.Table{ReaderAt: files[0], Size: s.FilesSize, Sum: s.FilesSum}, s.Part)
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

// mark notes what of a segment is in the local store. Names that are here stay.
func (r *Replica) mark(s *segment) error {
	if s.Part.Dirs == 0 {
		s.dirs.Store(true)
	}
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
		return r.strange("segment %d has the numbers from %d on and below %d; here are those below %d", s.Seq, s.Part.First, s.Part.End, here.Names.End)
	}
	s.dirs.Store(true)
	s.names.Store(here.HasFiles && (here.Outcome != nil || len(s.Tables) == 0))
	for k := 1; k < len(s.parts); k++ {
		_, has := here.Parts[k]
		s.parts[k].Store(has)
	}
	return nil
}

// restore goes on from where a replica was closed. Where what it remembers is not all that its
// readers were told, whole is false: names that no known segment has may be those of others.
func (r *Replica) restore(known *remembered) (whole bool, err error) {
	r.catalog.Store(&catalog{})
	r.space.now.Store(restTicks + 1)
	bad := known.bad
	if bad == nil && known.mirror != "" && known.mirror != r.id {
		bad = fmt.Errorf("%w: it is of mirror %s", errIndex, known.mirror)
	}
	var c *catalog
	if bad == nil {
		c, bad = r.catalog.Load().with(known.Segments, known.Next, known.Complete)
	}
	if bad == nil {
		bad = r.markAll(c.segs)
	}
	switch {
	case errors.Is(bad, errIndex), errors.Is(bad, segments.ErrBad):
		r.log.Warn().Err(bad).Msg("what was remembered of the mirror does not fit: it is read anew")
		return false, nil
	case bad != nil:
		return false, bad
	}
	r.indexSize = known.size
	r.show(c, c.segs)
	if err := r.knowsAll(); errors.Is(err, segments.ErrBad) {
		r.log.Warn().Err(err).Msg("what was remembered of the mirror is not all")
	} else if err != nil {
		return false, err
	} else {
		whole = true
	}
	return whole, r.restoreOrder()
}

// learn has the manifests say what the mirror is, where what was remembered is not enough.
func (r *Replica) learn(ctx context.Context) error {
	if err := r.retry(ctx, r.poll); err != nil {
		return fmt.Errorf("read which segments the mirror has: %w", err)
	}
	return r.knowsAll()
}

// strange is the error of a local store that has what the mirror has not.
func (r *Replica) strange(format string, args ...any) error {
	return fmt.Errorf("the folder %s is not of this mirror; give another, or remove it: %w", r.opts.Store.Dir, untrue(format, args...))
}

// knowsAll returns an error where the local store has a segment that is not known.
func (r *Replica) knowsAll() (err error) {
	c := r.catalog.Load()
	bad := r.store.Segments(func(here cache.Segment) bool {
		s := c.of(here.Names.First)
		if here.Names.First < here.Names.End && (s == nil || s.Part.First != here.Names.First || s.Part.End != here.Names.End) {
			err = r.strange("the local store has names with the numbers from %d on, and no segment has", here.Names.First)
		}
		return err == nil
	})
	return errors.Join(bad, err)
}

// restoreOrder reads in which order segments were read.
func (r *Replica) restoreOrder() error {
	var order []uint64
	if _, err := load(filepath.Join(r.dir, recencyFile), &order); err != nil {
		return fmt.Errorf("read in which order segments were read: %w", err)
	}
	for k, seq := range order {
		if s := r.catalog.Load().bySeq(seq); s != nil {
			s.used.Store(uint64(k) + 1)
		}
	}
	r.space.now.Store(uint64(len(order)) + restTicks + 1)
	return nil
}

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
		if here, err := r.store.HasBlob(e.Inode); err != nil || here {
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
