package replica

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/motefs/motefs/cache"
	"github.com/motefs/motefs/mirror"
	"github.com/motefs/motefs/mirror/objects"
	"github.com/motefs/motefs/mirror/objects/objectstest"
	"github.com/motefs/motefs/mirror/segments"
)

// slow is an object store of which the objects below a prefix come in pieces, with a pause before
// each. From the stalls-th piece on nothing comes; 0: never.
type slow struct {
	objects.Store
	below  string
	pieces int
	pause  time.Duration
	stalls int
	gets   atomic.Int64
}

func (s *slow) Get(ctx context.Context, name string, off, n int64) (io.ReadCloser, int64, error) {
	body, size, err := s.Store.Get(ctx, name, off, n)
	if err != nil || !strings.HasPrefix(name, s.below) {
		return body, size, err
	}
	s.gets.Add(1)
	if n < 0 {
		n = size - off
	}
	return &slowly{ReadCloser: body, ctx: ctx, s: s, most: max(1, int(n)/s.pieces)}, size, nil
}

type slowly struct {
	io.ReadCloser
	ctx   context.Context
	s     *slow
	most  int
	pause int
}

func (r *slowly) Read(p []byte) (int, error) {
	pause := r.s.pause
	if r.pause++; r.pause == r.s.stalls {
		pause = 1000 * time.Hour
	}
	select {
	case <-r.ctx.Done():
		return 0, context.Cause(r.ctx)
	case <-time.After(pause):
	}
	return r.ReadCloser.Read(p[:min(len(p), r.most)])
}

const (
	testPatience = 20 * time.Second
	// readerWaits is how long the kernel lets a reader wait.
	readerWaits = time.Minute
)

// anyFile returns the name of a file that is a blob, or is none.
func (w *world) anyFile(blob bool) string {
	w.tb.Helper()
	for _, n := range w.listing {
		if (len(w.truth[n.Origin].content) > inline) == blob {
			return n.Origin
		}
	}
	w.tb.Fatal("there is no such file")
	return ""
}

// impatient looks a file up as a program does, which does not wait for ever.
func impatient(t *testing.T, r *Replica, name string) ([]byte, error) {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), readerWaits)
	defer stop()
	rd := newReader(r, 1)
	e, err := rd.lookup(ctx, cache.RootInode, name)
	if err != nil {
		return nil, err
	}
	return rd.read(ctx, e)
}

// TestSlowDownloadComes has what is read take minutes, of which no moment is without a byte for
// long: readers that stop waiting get an error that says so, the download goes on,
// and the next reader has it, of one download.
func TestSlowDownloadComes(t *testing.T) {
	for name, below := range map[string]string{"names": segments.NamesPrefix, "contents": segments.ContentsPrefix, "blob": segments.BlobsPrefix} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				plain := objectstest.New(objectstest.Options{})
				w := whole(t, 21, plain, 100, worldOptions{files: 100, flat: true, blobs: name == "blob"})
				from := &slow{Store: plain, below: below, pieces: 10, pause: testPatience * 3 / 4}
				r := opened(t, t.TempDir()+"/store", from, func(o *Options) { o.quiet, o.Patience = true, testPatience })
				file := w.anyFile(name == "blob")
				if _, err := impatient(t, r, file); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("a reader that waits for %v: %v", readerWaits, err)
				}
				gets := from.gets.Load()
				time.Sleep(10 * time.Minute)
				content, err := impatient(t, r, file)
				if name == "contents" { // first those that say what became of files, then the file's
					time.Sleep(10 * time.Minute)
					content, err = impatient(t, r, file)
				}
				if err != nil || !bytes.Equal(content, w.truth[file].content) {
					t.Errorf("after the download: %d bytes, %v", len(content), err)
				}
				if again := from.gets.Load() - gets; name == "blob" && again > 0 {
					t.Errorf("it is downloaded again: %d gets", again)
				}
				w.must(r.Close())
			})
		})
	}
}

// TestStalledDownloadEnds has the bytes stop coming in the middle: that is an error after the
// patience, and the next reader begins anew.
func TestStalledDownloadEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		plain := objectstest.New(objectstest.Options{})
		w := whole(t, 22, plain, 100, worldOptions{files: 100, flat: true, blobs: true})
		from := &slow{Store: plain, below: segments.BlobsPrefix, pieces: 10, pause: time.Second, stalls: 4}
		r := opened(t, t.TempDir()+"/store", from, func(o *Options) { o.quiet, o.Patience = true, testPatience })
		file, start := w.anyFile(true), time.Now()
		if _, err := impatient(t, r, file); !errors.Is(err, errPatience) || errors.Is(err, context.DeadlineExceeded) || strings.Count(err.Error(), errPatience.Error()) != 1 {
			t.Errorf("of a download that stalls: %v", err)
		}
		if took := time.Since(start); took < testPatience || took > testPatience+4*time.Second {
			t.Errorf("it is an error after %v", took)
		}
		from.stalls = 0
		if content, err := impatient(t, r, file); err != nil || !bytes.Equal(content, w.truth[file].content) {
			t.Errorf("of one that goes on: %d bytes, %v", len(content), err)
		}
		w.must(r.Close())
	})
}

// broken is an object store of which blobs come whole and turn out wrong, as if that might pass.
type broken struct {
	objects.Store
	gets atomic.Int64
}

func (b *broken) Get(ctx context.Context, name string, off, n int64) (io.ReadCloser, int64, error) {
	body, size, err := b.Store.Get(ctx, name, off, n)
	if err == nil && strings.HasPrefix(name, segments.BlobsPrefix) {
		b.gets.Add(1)
		body = &wrong{body}
	}
	return body, size, err
}

type wrong struct{ io.ReadCloser }

func (w *wrong) Read(p []byte) (int, error) {
	n, err := w.ReadCloser.Read(p)
	if errors.Is(err, io.EOF) {
		err = mirror.ErrChecksum
	}
	return n, err
}

// TestFruitlessDownloadEnds does not take the same bytes, again and again, for progress.
func TestFruitlessDownloadEnds(t *testing.T) {
	plain := objectstest.New(objectstest.Options{})
	w := whole(t, 23, plain, 100, worldOptions{files: 100, flat: true, blobs: true})
	from := &broken{Store: plain}
	r := opened(t, t.TempDir()+"/store", from, func(o *Options) { o.quiet = true })
	rd, file := newReader(r, 1), w.anyFile(true)
	if _, err := rd.lookup(t.Context(), cache.RootInode, file); !errors.Is(err, mirror.ErrChecksum) {
		t.Errorf("a blob that is always wrong: %v", err)
	}
	if n := from.gets.Load(); n > fruitlessTries+1 {
		t.Errorf("it is downloaded %d times", n)
	}
}
