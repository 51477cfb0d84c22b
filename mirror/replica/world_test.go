package replica

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	iofs "io/fs"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/motefs/motefs/cache"
	"github.com/motefs/motefs/mirror/objects"
	"github.com/motefs/motefs/mirror/segments"
)

// truth is what a mirror has of a name.
type truth struct {
	content []byte
	gone    bool
	failed  bool
	modTime int64
	etag    string
}

// world makes a mirror in segments, a piece at a time, of files that it makes up by a seed.
type world struct {
	tb      testing.TB
	o       worldOptions
	random  *rand.Rand
	objects objects.Store
	mirror  segments.Mirror
	reader  segments.Reader

	listing   []cache.Name
	listed    int // of the listing are in segments
	truth     map[string]truth
	numbering *cache.Numbering
	all       *cache.Store // the numbering's, where the listing is in no order
	seq       uint64
	prev      string
	manifest  uint64
	ready     []segments.Sealed // committed, but not sealed
	readyOf   map[uint64][]string
	segmentOf map[string]uint64 // by the names, and the directories with a slash behind them
	sealedTo  uint64            // one more than the highest segment that is sealed
	// sealed are the names that readers are told of.
	sealed map[string]bool
}

type worldOptions struct {
	files    int
	shuffled bool // the listing is in no order
	sizes    bool // the listing says length and time
	odd      bool // some files are gone, failed, replaced, or have odd names
	blobs    bool // some contents are over the inline limit
	flat     bool // all files are in one directory
	long     bool // contents are as long as they can be without being blobs
	mixed    bool // files and directories come between each other
	deep     bool // the root and its directories have directories alone
}

// inline is the inline limit of the mirrors of tests.
const inline = 2000

func newWorld(tb testing.TB, seed uint64, to objects.Store, o worldOptions) *world {
	tb.Helper()
	w := &world{
		tb: tb, o: o, random: rand.New(rand.NewPCG(seed, 7)), objects: to,
		truth: map[string]truth{}, sealed: map[string]bool{}, readyOf: map[uint64][]string{}, segmentOf: map[string]uint64{},
	}
	m, err := segments.Open(tb.Context(), to, fmt.Sprintf("http://origin/%d/", seed), time.Now())
	w.must(err)
	w.mirror, w.reader = m, segments.Reader{Store: to, Mirror: m.ID}
	w.numbering, err = cache.NewNumbering(nil, 1_600_000_000)
	w.must(err)
	for len(w.truth) < o.files {
		w.makeUp()
	}
	for _, name := range slices.Sorted(maps.Keys(w.truth)) {
		n := cache.Name{Origin: name, Size: -1}
		if f := w.truth[name]; o.sizes {
			n.Size, n.ModTime, n.ETag = int64(len(f.content)), f.modTime, f.etag
			if o.odd && w.random.IntN(20) == 0 {
				n.Size, n.ETag = n.Size+1, `"before"` // it turns out another
			}
		}
		w.listing = append(w.listing, n)
	}
	if o.shuffled {
		w.random.Shuffle(len(w.listing), func(a, b int) { w.listing[a], w.listing[b] = w.listing[b], w.listing[a] })
	}
	return w
}

func (w *world) must(err error) {
	w.tb.Helper()
	if err != nil {
		w.tb.Fatal(err)
	}
}

// makeUp makes one more file up.
func (w *world) makeUp() {
	file, dir := "f", "d"
	if w.o.mixed {
		file, dir = string(rune('a'+w.random.IntN(8))), string(rune('a'+w.random.IntN(8)))
	}
	name := fmt.Sprintf("%s%06d", file, w.random.IntN(1_000_000))
	if !w.o.flat {
		depth := w.random.IntN(4)
		if w.o.deep {
			depth = 2 + depth/2
		}
		for range depth {
			name = fmt.Sprintf("%s%d/%s", dir, w.random.IntN(6), name)
		}
	}
	if w.o.odd {
		switch w.random.IntN(40) {
		case 0:
			name += "//x"
		case 1:
			name += "/../%%"
		case 2:
			name = strings.Repeat("long", 100) + "/" + name
		case 3:
			name = "d1" // a file and a directory of one name
		}
	}
	size := w.random.IntN(200)
	if w.o.long {
		size = inline - w.random.IntN(200)
	}
	if w.o.blobs && w.random.IntN(10) == 0 {
		size = inline + w.random.IntN(200_000)
	}
	f := truth{content: make([]byte, size), modTime: 1_500_000_000 + int64(w.random.IntN(1000))}
	for k := range f.content {
		f.content[k] = byte(w.random.Uint32())
	}
	if w.random.IntN(2) == 0 {
		f.etag = fmt.Sprintf("%q", name)
	}
	if !w.o.sizes && w.random.IntN(3) == 0 {
		f.modTime = 0
	}
	if w.o.odd {
		switch w.random.IntN(20) {
		case 0:
			f = truth{gone: true, modTime: f.modTime}
		case 1:
			f = truth{failed: true, modTime: f.modTime}
		}
	}
	w.truth[name] = f
}

// grow makes a segment of the next n names, fetches its files and commits it.
func (w *world) grow(n int) {
	w.tb.Helper()
	names := w.listing[w.listed:min(w.listed+n, len(w.listing))]
	w.listed += len(names)
	sealed, tables := w.namedTables(names, w.listed == len(w.listing))
	w.fetch(tables, &sealed)
	w.ready = append(w.ready, sealed)
	for _, n := range names {
		w.readyOf[sealed.Seq] = append(w.readyOf[sealed.Seq], n.Origin)
		w.place(n.Origin, sealed.Seq)
	}
}

// named makes the names of a segment.
func (w *world) named(names []cache.Name, complete bool) segments.Sealed {
	sealed, _ := w.namedTables(names, complete)
	return sealed
}

func (w *world) namedTables(names []cache.Name, complete bool) (segments.Sealed, *cache.NameTables) {
	w.tb.Helper()
	taken, err := w.numbering.Add(names)
	if errors.Is(err, cache.ErrUnordered) {
		w.unordered()
		_, err = w.numbering.Add(names[taken:])
	}
	w.must(err)
	tables, err := w.numbering.Finish()
	w.must(err)
	head := segments.Names{
		Seq: w.seq, Attempt: segments.NewAttempt(), Prev: w.prev, Epoch: 1, Complete: complete, State: w.numbering.State(),
		Part: tables.Counts, NameSizes: segments.NameSizes{DirsSum: tables.DirsSum, FilesSum: tables.FilesSum}, ContextSum: tables.ContextSum,
	}
	if !complete {
		head.Marker = names[len(names)-1].Origin
	}
	head, err = w.reader.WriteNames(w.tb.Context(), head, objects.BytesBody(tables.Dirs), objects.BytesBody(tables.Files), objects.BytesBody(tables.Context))
	w.must(err)
	_, headSize, err := w.reader.Names(w.tb.Context(), w.seq)
	w.must(err)
	sealed := segments.Sealed{
		Seq: w.seq, Names: head.Attempt, HeadSize: headSize, NameSizes: head.NameSizes, Part: head.Part, Attempt: segments.NewAttempt(),
	}
	w.prev = head.Attempt
	w.seq++
	return sealed, tables
}

// place notes that a name is in the segment that is made, with the directories that it is the first of.
func (w *world) place(name string, seq uint64) {
	for k := range name {
		if _, known := w.segmentOf[name[:k+1]]; name[k] == '/' && !known {
			w.segmentOf[name[:k+1]] = seq
		}
	}
	w.segmentOf[name] = seq
}

// unordered gives the numbering a store with all names so far.
func (w *world) unordered() {
	w.tb.Helper()
	var err error
	w.all, err = cache.Open(cache.Options{Dir: filepath.Join(w.tb.TempDir(), "all"), Origin: "all", Segments: true})
	w.must(err)
	w.tb.Cleanup(func() { w.must(w.all.Close()) })
	for seq := range w.seq {
		head, headSize, err := w.reader.Names(w.tb.Context(), seq)
		w.must(err)
		from, _, err := w.objects.Get(w.tb.Context(), segments.NamesName(seq), headSize, head.All())
		w.must(err)
		text, err := io.ReadAll(from)
		w.must(errors.Join(err, from.Close()))
		w.must(w.all.IngestDirs(w.tb.Context(), cache.SegmentDirs{Table: cache.TableOf(text[:head.DirsSize]), Counts: head.Part}))
		w.must(w.all.IngestFiles(w.tb.Context(), cache.TableOf(text[head.DirsSize:][:head.FilesSize]), head.Part))
	}
	w.must(w.numbering.Unordered(w.all))
}

// fetch makes the contents of a segment as a worker does.
func (w *world) fetch(tables *cache.NameTables, sealed *segments.Sealed) {
	w.tb.Helper()
	ctx := w.tb.Context()
	o := cache.Options{Dir: filepath.Join(w.tb.TempDir(), fmt.Sprintf("scratch-%d", sealed.Seq)), InlineLimit: inline}
	s, err := cache.OpenScratch(ctx, o, cache.TableOf(tables.Dirs), cache.TableOf(tables.Files), cache.TableOf(tables.Context), tables.Counts)
	w.must(err)
	limit := s.Progress().Next
	for from := cache.Inode(0); from < limit; {
		page, next, err := s.Pending(from, limit, 990)
		w.must(err)
		from = next
		if page == nil {
			continue
		}
		for k := range page.Len() {
			w.must(w.put(s, page, k))
		}
		w.must(errors.Join(page.Commit(), page.Close()))
	}
	made := map[int]segments.Table{}
	sealed.Counts, err = s.Export(ctx, cache.ExportTo{
		Table: func(part int, t cache.Table, last []byte) error {
			made[part] = segments.Table{Size: t.Size, Sum: t.Sum, Last: last}
			return w.objects.Put(ctx, segments.TableName(sealed.Seq, sealed.Attempt, part), objects.Body{ReaderAt: t.ReaderAt, Size: t.Size})
		},
		Blob: func(b cache.ExportedBlob) error {
			file, err := b.Open()
			if err != nil {
				return err
			}
			defer file.Close()
			return w.objects.Put(ctx, segments.BlobName(sealed.Seq, sealed.Attempt, b.Inode), objects.Body{ReaderAt: file, Size: b.Size})
		},
	})
	w.must(err)
	for k := range len(made) {
		sealed.Tables = append(sealed.Tables, made[k])
	}
	w.must(s.Close())
	_, err = w.reader.WriteCommit(ctx, segments.Commit{Seq: sealed.Seq, Names: sealed.Names, Attempt: sealed.Attempt, Tables: sealed.Tables, Counts: sealed.Counts})
	w.must(err)
}

func (w *world) put(s *cache.Store, page *cache.Page, k int) error {
	f, ok := w.truth[page.Name(k)]
	switch {
	case !ok:
		return fmt.Errorf("%q was never listed", page.Name(k))
	case f.gone:
		return page.Gone(k)
	case f.failed:
		page.Fail(k, cache.Final, errors.New("the origin says 403"))
		return nil
	case len(f.content) <= inline:
		return page.Put(k, f.content, f.modTime, []byte(f.etag))
	}
	blob, err := s.NewBlob()
	if err != nil {
		return err
	}
	if _, err := io.Copy(blob, bytes.NewReader(f.content)); err != nil {
		return err
	}
	return page.PutBlob(k, blob, f.modTime, []byte(f.etag))
}

// seal tells readers of the segments that are committed, or only of some of them.
func (w *world) seal(which func(seq uint64) bool) {
	w.tb.Helper()
	m := segments.Manifest{Number: w.manifest, Attempt: segments.NewAttempt()}
	ready := w.ready
	w.ready = nil
	for _, s := range ready {
		if which == nil || which(s.Seq) {
			m.Segments = append(m.Segments, s)
		} else {
			w.ready = append(w.ready, s)
		}
	}
	m.Complete = w.listed == len(w.listing) && len(w.ready) == 0
	_, err := w.reader.WriteManifest(w.tb.Context(), m)
	w.must(err)
	w.manifest++
	for _, s := range m.Segments {
		w.sealedTo = max(w.sealedTo, s.Seq+1)
		for _, name := range w.readyOf[s.Seq] {
			w.sealed[name] = true
		}
	}
}

// inOrder reports whether all segments are sealed that come before one that is.
func (w *world) inOrder() bool {
	return len(w.ready) == 0 || w.ready[0].Seq >= w.sealedTo
}

// finish makes all segments, and seals them.
func (w *world) finish(n int) {
	w.tb.Helper()
	for w.listed < len(w.listing) {
		w.grow(n)
	}
	w.seal(nil)
}

// whole makes a complete mirror of segments of n names.
func whole(tb testing.TB, seed uint64, to objects.Store, n int, o worldOptions) *world {
	tb.Helper()
	w := newWorld(tb, seed, to, o)
	w.finish(n)
	return w
}

func optionsOf(dir string) cache.Options { return cache.Options{Dir: dir, Reserve: -1} }

// diskUsage is how long all files below a folder are, in bytes.
func diskUsage(tb testing.TB, dir string) (n int64) {
	tb.Helper()
	if err := filepath.WalkDir(dir, func(_ string, d iofs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			if info, gone := d.Info(); gone == nil {
				n += info.Size()
			}
		}
		if errors.Is(err, iofs.ErrNotExist) {
			err = nil
		}
		return err
	}); err != nil {
		tb.Fatal(err)
	}
	return n
}

// opened opens a replica in dir.
func opened(tb testing.TB, dir string, from objects.Store, change ...func(*Options)) *Replica {
	tb.Helper()
	o := Options{
		Objects: from, Store: optionsOf(dir), Poll: 5 * time.Millisecond, Patience: time.Minute, backoff: time.Millisecond,
		Log: zerolog.New(zerolog.NewTestWriter(tb)),
	}
	for _, c := range change {
		c(&o)
	}
	r, err := Open(context.Background(), o)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := r.Close(); err != nil {
			tb.Errorf("close: %v", err)
		}
	})
	return r
}
