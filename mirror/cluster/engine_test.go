package cluster

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/motefs/motefs/cache"
	"github.com/motefs/motefs/mirror"
	"github.com/motefs/motefs/mirror/objects"
	"github.com/motefs/motefs/mirror/objects/folder"
	"github.com/motefs/motefs/mirror/origin"
	"github.com/motefs/motefs/mirror/origin/origintest"
	"github.com/motefs/motefs/mirror/origin/serve"
	"github.com/motefs/motefs/mirror/segments"
	"github.com/motefs/motefs/mirror/wire"
	"github.com/rs/zerolog"
)

// testInline is the inline limit of these tests, in bytes.
const testInline = 100

// testFiles are files of several directories, of which every tenth is over testInline.
func testFiles(n int) []origintest.File {
	files := make([]origintest.File, n)
	for i := range files {
		name := fmt.Sprintf("d%02d/e%d/f%06d", i/300, i/70, i)
		body := "the content of " + name
		if i%10 == 3 {
			body = strings.Repeat(body, 10)
		}
		files[i] = origintest.File{Name: name, Body: []byte(body)}
	}
	return files
}

// rig is an origin, and a folder that is to have its mirror.
type rig struct {
	t      *testing.T
	src    *origintest.Files
	server *origintest.Server
	store  objects.Store
}

func newRig(t *testing.T, files []origintest.File, page int) *rig {
	t.Helper()
	r := &rig{t: t, src: origintest.NewFiles(files...)}
	var err error
	if r.server, err = origintest.Open(serve.Options{PageSize: page}, r.src); err != nil {
		t.Fatal(err)
	}
	dir, err := folder.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	r.store = objects.Retry(dir, zerolog.Nop())
	t.Cleanup(func() {
		if err := errors.Join(r.store.Close(), r.server.Close()); err != nil {
			t.Error(err)
		}
	})
	return r
}

// run mirrors with one process.
func (r *rig) run(ctx context.Context, set func(*Options)) (Result, error) {
	r.t.Helper()
	client, err := origin.New(origin.Options{BaseURL: r.server.URL(), Options: wire.Options{InlineLimit: testInline}})
	if err != nil {
		r.t.Fatal(err)
	}
	head, err := segments.Open(ctx, r.store, r.server.URL(), time.Now())
	if err != nil {
		r.t.Fatal(err)
	}
	bus := NewLocal()
	o := Options{
		Store: r.store, Mirror: head, Bus: bus, Dir: filepath.Join(r.t.TempDir(), "work"), InlineLimit: testInline, SegmentNames: 500,
		Engine: mirror.Options{Lister: client, Fetcher: client, Connections: 4, Backoff: time.Millisecond},
	}
	if set != nil {
		set(&o)
	}
	p, err := Open(o)
	if err != nil {
		r.t.Fatal(err)
	}
	result, err := p.Run(ctx)
	if closed := errors.Join(p.Close(), client.Close(), bus.Close()); closed != nil {
		r.t.Error(closed)
	}
	return result, err
}

// bring brings the mirror into a store, as who reads it does.
func (r *rig) bring(ctx context.Context) (*cache.Store, *segments.Index, segments.Mirror) {
	r.t.Helper()
	head, err := segments.Open(ctx, r.store, "", time.Time{})
	if err != nil {
		r.t.Fatal(err)
	}
	var all segments.Index
	if _, err := (segments.Reader{Store: r.store, Mirror: head.ID}).Follow(ctx, &all); err != nil {
		r.t.Fatal(err)
	}
	store, err := cache.Open(cache.Options{Dir: filepath.Join(r.t.TempDir(), "replica"), Origin: head.Origin, Segments: true, InlineLimit: testInline})
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() {
		if err := store.Close(); err != nil {
			r.t.Error(err)
		}
	})
	table := func(name string, off, size int64, sum uint64) cache.Table {
		return cache.Table{ReaderAt: bytes.NewReader(r.read(ctx, name, off, size)), Size: size, Sum: sum}
	}
	for i := range all.Segments {
		s := &all.Segments[i]
		for part := range s.Tables {
			if (part > 0) != (len(s.Tables[part].Last) > 0) {
				r.t.Errorf("segment %d: the last key of table %d is %q", s.Seq, part, s.Tables[part].Last)
			}
		}
		err := store.IngestNames(ctx, table(segments.NamesName(s.Seq), s.HeadSize, s.TableSize, s.TableSum), s.Part)
		for part := range s.Tables {
			t := table(segments.TableName(s.Seq, s.Attempt, part), 0, s.Tables[part].Size, s.Tables[part].Sum)
			if part == 0 {
				err = errors.Join(err, store.IngestOutcome(ctx, s.Part.First, t, s.Counts))
			} else {
				err = errors.Join(err, store.IngestContents(ctx, s.Part.First, part, t))
			}
		}
		if err != nil {
			r.t.Fatalf("segment %d: %v", s.Seq, err)
		}
	}
	return store, &all, head
}

func (r *rig) read(ctx context.Context, name string, off, n int64) []byte {
	r.t.Helper()
	reader, _, err := r.store.Get(ctx, name, off, n)
	if err != nil {
		r.t.Fatal(err)
	}
	defer reader.Close()
	text, err := io.ReadAll(reader)
	if err != nil {
		r.t.Fatal(err)
	}
	return text
}

// compare compares the mirror with files, each of which is in it with one number; gone are
// those that vanished.
func (r *rig) compare(ctx context.Context, files []origintest.File, gone map[string]bool) {
	r.t.Helper()
	store, all, _ := r.bring(ctx)
	if !all.Complete {
		r.t.Error("the mirror is not complete")
	}
	numbers := map[cache.Inode]bool{}
	for _, f := range files {
		parent, e := cache.RootInode, cache.Entry{}
		path, err := cache.SplitName(nil, f.Name)
		for _, name := range path {
			if err == nil {
				e, err = store.Lookup(parent, name)
				parent = e.Inode
			}
		}
		switch {
		case err != nil:
			r.t.Fatalf("%s: %v", f.Name, err)
		case numbers[e.Inode]:
			r.t.Errorf("%s has a number that another has too", f.Name)
		case gone[f.Name]:
			if e.State != cache.Gone {
				r.t.Errorf("%s is %v, and gone at the origin", f.Name, e.State)
			}
		case len(f.Body) <= testInline:
			content := make([]byte, testInline+1)
			n, err := store.ReadAt(e.Inode, content, 0)
			if e.State != cache.Inline || !bytes.Equal(content[:n], f.Body) || err != nil && !errors.Is(err, io.EOF) {
				r.t.Errorf("%s is %v %q, %v", f.Name, e.State, content[:n], err)
			}
		default:
			r.blob(ctx, all, f, &e)
		}
		numbers[e.Inode] = true
	}
	if p := store.Progress(); p.Files != uint64(len(files)) {
		r.t.Errorf("%d files, not %d", p.Files, len(files))
	}
}

func (r *rig) blob(ctx context.Context, all *segments.Index, f origintest.File, e *cache.Entry) {
	r.t.Helper()
	for i := range all.Segments {
		s := &all.Segments[i]
		if e.Inode < s.Part.First || e.Inode >= s.Part.End {
			continue
		}
		text := r.read(ctx, segments.BlobName(s.Seq, s.Attempt, e.Inode), 0, -1)
		if e.Size != int64(len(f.Body)) || !bytes.HasPrefix(text, f.Body) {
			r.t.Errorf("%s is a blob of %d bytes, in an object of %d", f.Name, e.Size, len(text))
		}
		return
	}
	r.t.Errorf("%s has the number %d, which is in no segment", f.Name, e.Inode)
}

// TestAskedTwice counts what is asked for more than once where nothing fails: a process proves with
// a few files that answers are those of what was asked, and fetches all others once.
func TestAskedTwice(t *testing.T) {
	files := testFiles(5000)
	r := newRig(t, files, 1000)
	r.server.CountNames()
	if _, err := r.run(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	twice := 0
	for _, f := range files {
		switch n := r.server.Gets(f.Name); {
		case n == 0:
			t.Errorf("%s is not asked for", f.Name)
		case n > 1:
			twice++
		}
	}
	gets := r.server.Counts().Gets
	t.Logf("%d gets, %d files more than once", gets, twice)
	if twice > 256 || gets > int64(2*len(files)) { // as many guards as a client knows
		t.Errorf("%d gets of %d files, %d of them more than once", gets, len(files), twice)
	}
}

// TestMirror mirrors with one process, with pages shorter and longer than a segment.
func TestMirror(t *testing.T) {
	for _, page := range []int{10, 333, 500, 100_000} {
		t.Run(fmt.Sprint(page), func(t *testing.T) {
			files := testFiles(2600)
			r := newRig(t, files, page)
			result, err := r.run(t.Context(), nil)
			if err != nil {
				t.Fatal(err)
			}
			if !result.Complete || result.Files != 2600 || result.Fetched != 2600 || result.Left() != 0 || result.Segments < 6 {
				t.Errorf("%+v", result)
			}
			r.compare(t.Context(), files, nil)
			before := r.server.Counts()
			if again, err := r.run(t.Context(), nil); err != nil || again != result {
				t.Errorf("run again: %+v, %v", again, err)
			}
			if after := r.server.Counts(); after.Gets != before.Gets || after.Lists != before.Lists {
				t.Error("a complete mirror asks its origin")
			}
		})
	}
}
