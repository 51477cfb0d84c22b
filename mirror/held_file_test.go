package mirror_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/motefs/motefs/cache"
	"github.com/motefs/motefs/mirror"
	"github.com/motefs/motefs/mirror/origin/origintest"
	"github.com/motefs/motefs/mirror/origin/serve"
)

// heldFile is a source of one long file whose content does not go on beyond a
// point until the test says so. Ranges are served whatever is held.
type heldFile struct {
	*origintest.Files
	body *serve.Synthetic
	mu   struct {
		sync.Mutex
		version int64 // file of body
		etag    string
		size    int64
		free    int64 // what a stream may send
		gone    bool  // it is not there any more
		unheld  bool  // streams that begin now are not held
		change  chan struct{}
	}
}

const longName = "long"

func newHeldFile(size, free int64) *heldFile {
	h := &heldFile{Files: origintest.NewFiles(origintest.File{Name: longName}), body: serve.NewSynthetic(serve.SyntheticOptions{Files: 2, BodySize: 1 << 40})}
	h.mu.change = make(chan struct{})
	h.set(func() { h.mu.size, h.mu.free, h.mu.etag = size, free, `"v0"` })
	return h
}

func (h *heldFile) set(change func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	change()
	close(h.mu.change)
	h.mu.change = make(chan struct{})
}

// release lets everything through.
func (h *heldFile) release() { h.set(func() { h.mu.free = 1 << 60 }) }

func (h *heldFile) Get(name []byte, o *serve.Object) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if string(name) != longName {
		return h.Files.Get(name, o)
	}
	if h.mu.gone {
		return serve.ErrNotFound
	}
	o.At, o.Size, o.ETag = &heldReader{h: h, at: h.body.Reader(h.mu.version), free: h.mu.unheld}, h.mu.size, append(o.ETag[:0], h.mu.etag...)
	return nil
}

// heldReader is one answer. One that does not begin at 0 is a range.
type heldReader struct {
	h     *heldFile
	at    io.ReaderAt
	begun bool
	free  bool
}

func (r *heldReader) ReadAt(p []byte, off int64) (int, error) {
	if !r.begun {
		r.begun, r.free = true, r.free || off > 0
	}
	for !r.free {
		r.h.mu.Lock()
		free, change := r.h.mu.free, r.h.mu.change
		r.h.mu.Unlock()
		if off < free {
			p = p[:min(int64(len(p)), free-off)]
			break
		}
		<-change
	}
	return r.at.ReadAt(p, off)
}

func (h *heldFile) content(version, off, n int64) []byte {
	b := make([]byte, n)
	_, _ = h.body.Reader(version).ReadAt(b, off)
	return b
}

// longRig is a rig with a long file; the engine is not run unless a test does.
func longRig(t *testing.T, size, free int64) (*rig, *heldFile) {
	t.Helper()
	h := newHeldFile(size, free)
	r := newRig(t, serve.Options{}, h)
	t.Cleanup(h.release) // before the server closes
	return r, h
}

func (r *rig) fetch(e *mirror.Engine) cache.Entry {
	r.t.Helper()
	entry, err := e.Fetch(context.Background(), cache.RootInode, longName)
	r.must(err)
	return entry
}

// sees checks that a reader gets the bytes of a version.
func (r *rig) sees(e *mirror.Engine, h *heldFile, entry cache.Entry, version, off, n int64) {
	r.t.Helper()
	p := make([]byte, n)
	got, ok, err := e.ReadAt(context.Background(), entry.Inode, p, off, time.Minute)
	if err == nil && !ok {
		got, err = r.store.ReadAt(entry.Inode, p, off)
	}
	if err != nil || int64(got) != n || !bytes.Equal(p, h.content(version, off, n)) {
		r.t.Errorf("read of %d bytes at %d: %d, %v", n, off, got, err)
	}
}

// landed waits until the store has the file.
func (r *rig) landed(e *mirror.Engine) cache.Entry {
	r.t.Helper()
	for {
		entry, err := r.store.Lookup(cache.RootInode, longName)
		r.must(err)
		a, err := e.Arriving(entry.Inode)
		r.must(err)
		if a == nil {
			entry, err = r.store.Lookup(cache.RootInode, longName)
			r.must(err)
			return entry
		}
		runtime.Gosched()
	}
}

// whole checks the file in the store, and that nothing is left of its fetch.
func (r *rig) whole(e *mirror.Engine, h *heldFile, version int64) {
	r.t.Helper()
	entry := r.landed(e)
	if !entry.Here() {
		r.t.Fatalf("it ends as %+v", entry)
	}
	for off := int64(0); off < entry.Size; off += 1 << 20 {
		r.sees(e, h, entry, version, off, min(1<<20, entry.Size-off))
	}
	r.must(e.Close())
	r.verify()
	r.noTemporaryFile()
}

func (r *rig) noTemporaryFile() {
	r.t.Helper()
	if left, err := filepath.Glob(filepath.Join(r.store.Dir(), "blobs", "tmp", "*")); err != nil || len(left) > 0 {
		r.t.Errorf("left: %q, %v", left, err)
	}
}

const mib = 1 << 20

// listedOrNot runs a test with a file that is listed, and with one that is not.
func listedOrNot(t *testing.T, size, free int64, test func(t *testing.T, r *rig, h *heldFile, e *mirror.Engine)) {
	for _, listed := range []bool{true, false} {
		t.Run(fmt.Sprintf("listed=%v", listed), func(t *testing.T) {
			r, h := longRig(t, size, free)
			e := r.engine(func(o *mirror.Options) { o.Prefetch = false })
			if listed {
				r.must(e.Run(context.Background()))
			}
			test(t, r, h, e)
		})
	}
}
