package cluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"

	"github.com/motefs/motefs/cache"
	"github.com/motefs/motefs/mirror"
	"github.com/motefs/motefs/mirror/objects"
	"golang.org/x/sync/errgroup"
)

// engine is a source: a mirror.Engine, whose stores last for a segment each.
type engine struct {
	*mirror.Engine
	o Options
}

// openEngine returns an engine, which is to be closed. What is in Options.Dir is removed: it is of
// a process that has gone.
func openEngine(o Options) (*engine, error) {
	if err := os.RemoveAll(o.Dir); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, err
	}
	o.Engine.Prefetch = true
	o.Engine.Connections /= o.Slots
	e, err := mirror.Open(o.Engine)
	if err != nil {
		return nil, err
	}
	return &engine{e, o}, nil
}

// scratch makes a directory for a while.
func (e *engine) scratch(what string) (dir string, remove func() error, err error) {
	dir, err = os.MkdirTemp(e.o.Dir, what+"-")
	return dir, func() error { return os.RemoveAll(dir) }, err
}

// Fetch fetches a segment into a store of its own and exports that.
func (e *engine) Fetch(ctx context.Context, seg *named, out output) (counts cache.ContentCounts, err error) {
	dir, remove, err := e.scratch("segment")
	if err != nil {
		return counts, err
	}
	defer func() { err = errors.Join(err, remove()) }()
	names, err := download(ctx, seg, filepath.Join(dir, "names"))
	if err != nil {
		return counts, err
	}
	defer names.Close()
	dirs, files, above := seg.tables(names)
	store, err := cache.OpenScratch(ctx, cache.Options{Dir: filepath.Join(dir, "store"), InlineLimit: e.o.InlineLimit, Reserve: e.o.Reserve, Memory: e.o.Memory}, dirs, files, above, seg.Part)
	if err != nil {
		return counts, err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	if err := e.fill(ctx, store, out); err != nil {
		return counts, err
	}
	return export(ctx, store, out)
}

// blobsAtOnce is how many blobs of a segment are written at the same time.
const blobsAtOnce = 16

// export hands over what a store has fetched.
func export(ctx context.Context, store *cache.Store, out output) (cache.ContentCounts, error) {
	blobs, writing := errgroup.WithContext(ctx)
	blobs.SetLimit(blobsAtOnce)
	counts, err := store.Export(writing, cache.ExportTo{
		Table: func(part int, t cache.Table, last []byte) error {
			return out.Table(writing, part, objects.Body{ReaderAt: t.ReaderAt, Size: t.Size}, t.Sum, last)
		},
		Blob: func(b cache.ExportedBlob) error {
			blobs.Go(func() error {
				f, err := b.Open()
				if err != nil {
					return err
				}
				defer f.Close()
				return out.Blob(writing, b.Inode, objects.Body{ReaderAt: f, Size: b.Size})
			})
			return context.Cause(writing)
		},
	})
	if failed := blobs.Wait(); failed != nil { // it has ended the export
		err = failed
	}
	return counts, err
}

// fill fetches all files of a store.
func (e *engine) fill(ctx context.Context, store *cache.Store, out output) (err error) {
	filler := e.With(store)
	filler.BeforePasses(func() {
		store.Shrink()
		out.Waiting(int64(min(store.Progress().Bytes, math.MaxInt64)))
	})
	defer func() { err = errors.Join(err, filler.Close()) }()
	return filler.Run(ctx)
}

// tables are those of a name segment that stand in a file.
func (n *named) tables(in io.ReaderAt) (dirs, files, above cache.Table) {
	table := func(off, size int64, sum uint64) cache.Table {
		return cache.Table{ReaderAt: io.NewSectionReader(in, off, size), Size: size, Sum: sum}
	}
	return table(0, n.DirsSize, n.DirsSum), table(n.DirsSize, n.FilesSize, n.FilesSum), table(n.DirsSize+n.FilesSize, n.ContextSize, n.ContextSum)
}

// download puts the tables of a name segment into a file.
func download(ctx context.Context, seg *named, path string) (_ *os.File, err error) {
	r, err := seg.open(ctx)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600) //nolint:gosec // in a directory of ours
	if err != nil {
		return nil, err
	}
	if _, err := io.Copy(f, r); err != nil {
		return nil, fmt.Errorf("read the names of segment %d: %w", seg.Seq, errors.Join(err, f.Close()))
	}
	return f, nil
}

// numbered is a numbering: a cache.Numbering, with the store that it needs where the listing is
// in no order.
type numbered struct {
	*cache.Numbering
	e       *engine
	content int64
	store   *cache.Store
	remove  func() error
}

// Numbering returns a numbering.
func (e *engine) Numbering(state []byte) (numbering, error) {
	n, err := cache.NewNumbering(state, e.o.Mirror.Made)
	if err != nil {
		return nil, err
	}
	told := false
	n.Skip = func(name string, err error) {
		if !told {
			told = true
			e.o.Log.Warn().Err(err).Str("name", fmt.Sprintf("%.80q", name)).Msg("a name is left out, as no path can stand for it; further ones are only counted")
		}
	}
	return &numbered{Numbering: n, e: e}, nil
}

func (n *numbered) Add(names []cache.Name) (int, error) {
	taken, err := n.Numbering.Add(names)
	for i := range names[:taken] {
		n.content += max(names[i].Size, 0)
	}
	if errors.Is(err, cache.ErrUnordered) {
		err = errUnordered
	}
	return taken, err
}

func (n *numbered) Content() int64 { return n.content }

// Unordered makes a store of all names.
func (n *numbered) Unordered(ctx context.Context, before []*named) error {
	n.e.o.Log.Warn().Msg("the listing is in no order, so that all its names have to be on this disk to number them")
	dir, remove, err := n.e.scratch("names")
	if err != nil {
		return err
	}
	n.remove = remove
	n.store, err = cache.Open(cache.Options{Dir: filepath.Join(dir, "store"), Origin: n.e.o.Mirror.Origin, Segments: true, Reserve: n.e.o.Reserve, Memory: n.e.o.Memory, FlushEvery: -1})
	if err != nil {
		return err
	}
	for _, seg := range before {
		if err := n.ingest(ctx, seg, filepath.Join(dir, "table")); err != nil {
			return err
		}
	}
	return n.Numbering.Unordered(n.store)
}

func (n *numbered) ingest(ctx context.Context, seg *named, path string) error {
	f, err := download(ctx, seg, path)
	if err != nil {
		return err
	}
	dirs, files, _ := seg.tables(f)
	if err = n.store.IngestDirs(ctx, cache.SegmentDirs{Table: dirs, Counts: seg.Part}); err == nil {
		err = n.store.IngestFiles(ctx, files, seg.Part)
	}
	return errors.Join(err, f.Close(), os.Remove(path))
}

func (n *numbered) Finish(context.Context) (*tables, error) {
	t, err := n.Numbering.Finish()
	if err != nil {
		return nil, err
	}
	n.content = 0
	return &tables{
		dirs: objects.BytesBody(t.Dirs), files: objects.BytesBody(t.Files), context: objects.BytesBody(t.Context),
		dirsSum: t.DirsSum, filesSum: t.FilesSum, contextSum: t.ContextSum, part: t.Counts,
	}, nil
}

func (n *numbered) Close() (err error) {
	if n.store != nil {
		err = n.store.Close()
	}
	if n.remove != nil {
		err = errors.Join(err, n.remove())
	}
	return err
}
