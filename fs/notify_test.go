package fs

import (
	"sync"
	"testing"

	"github.com/hanwen/go-fuse/v2/fuse"
)

// recorder is a kernel that hangs until it is let go.
type recorder struct {
	got  chan uint64
	hang chan struct{}
}

func (r *recorder) InodeNotify(node uint64, off, length int64) fuse.Status {
	r.got <- node
	<-r.hang
	return fuse.ENOENT
}

// Invalidations never wait, and the queue is bounded.
func TestNotes(t *testing.T) {
	s := newFakeStore()
	ino := s.file(1, "first", "x")
	f := newTestFsys(t, s, nil)
	f.log.expect("invalidation dropped")
	kernel := &recorder{got: make(chan uint64, 3*maxNotes), hang: make(chan struct{})}
	done := make(chan struct{})
	m := &Mount{fs: f.fsys}
	var wg sync.WaitGroup
	wg.Go(func() { f.notify(done, kernel) })
	m.Invalidate(1, "first")
	if got := <-kernel.got; got != uint64(ino) {
		t.Error(got)
	}
	for range maxNotes + 5 {
		m.Invalidate(2, "unknown")
	}
	if n := f.stats.notesDropped.Load(); n != 5 {
		t.Errorf("%d dropped", n)
	}
	close(kernel.hang)
	for i := range maxNotes + 1 {
		if got := <-kernel.got; got != uint64(min(i, 1)+1) {
			t.Error(got)
		}
	}
	close(done)
	wg.Wait()
}
