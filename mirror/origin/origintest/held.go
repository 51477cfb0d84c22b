package origintest

import (
	"io"
	"sync"

	"github.com/motefs/motefs/mirror/origin/serve"
)

// HeldFile is a source of one long file whose content does not go on beyond a
// point until the test says so. Ranges that do not begin at 0 are not held. It is
// to be released before the server closes.
type HeldFile struct {
	*Files
	name string
	body *serve.Synthetic
	mu   struct {
		sync.Mutex
		HeldState
		change chan struct{} // closed when the state changes
	}
}

// HeldState is what may change of a HeldFile.
type HeldState struct {
	Version int64 // each has another content
	ETag    string
	Size    int64
	Free    int64 // how much of the content is not held
}

// NewHeldFile returns a file of that name and state.
func NewHeldFile(name string, state HeldState) *HeldFile {
	h := &HeldFile{
		Files: NewFiles(File{Name: name}), name: name,
		body: serve.NewSynthetic(serve.SyntheticOptions{Files: 1 << 40, BodySize: 1 << 40}),
	}
	h.mu.HeldState, h.mu.change = state, make(chan struct{})
	return h
}

// Set changes the state.
func (h *HeldFile) Set(change func(*HeldState)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	change(&h.mu.HeldState)
	close(h.mu.change)
	h.mu.change = make(chan struct{})
}

// Release lets everything through.
func (h *HeldFile) Release() { h.Set(func(s *HeldState) { s.Free = 1 << 60 }) }

// Reader returns the content of a version.
func (h *HeldFile) Reader(version int64) *io.SectionReader {
	h.mu.Lock()
	defer h.mu.Unlock()
	return io.NewSectionReader(h.body.Reader(version), 0, h.mu.Size)
}

// Content returns n bytes at off of a version.
func (h *HeldFile) Content(version, off, n int64) []byte {
	b := make([]byte, n)
	_, _ = h.Reader(version).ReadAt(b, off)
	return b
}

// Get describes the file.
func (h *HeldFile) Get(name []byte, o *serve.Object) error {
	if string(name) != h.name {
		return serve.ErrNotFound
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	o.At, o.Size, o.ETag = &heldReader{h: h, at: h.body.Reader(h.mu.Version)}, h.mu.Size, append(o.ETag[:0], h.mu.ETag...)
	return nil
}

// heldReader is one response. One that does not begin at 0 is a range.
type heldReader struct {
	h     *HeldFile
	at    io.ReaderAt
	begun bool
	free  bool
}

// ReadAt reads what is not held, and waits where that is nothing.
func (r *heldReader) ReadAt(p []byte, off int64) (int, error) {
	if !r.begun {
		r.begun, r.free = true, off > 0
	}
	for !r.free {
		r.h.mu.Lock()
		free, change := r.h.mu.Free, r.h.mu.change
		r.h.mu.Unlock()
		if off < free {
			p = p[:min(int64(len(p)), free-off)]
			break
		}
		<-change
	}
	return r.at.ReadAt(p, off)
}
