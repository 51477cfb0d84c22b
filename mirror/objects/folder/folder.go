package folder

import (
	"context"
	"errors"
	"fmt"
	"io"
	iofs "io/fs"
	"os"
	"path"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/motefs/motefs/mirror/objects"
)

var (
	_ objects.Store  = (*Store)(nil)
	_ objects.Waiter = (*Store)(nil)
)

// Modes before the umask.
const (
	dirMode  = 0o777
	fileMode = 0o666
)

// Store is a folder. Its methods may be called from any goroutine, and from several processes and
// machines.
type Store struct {
	dir    string
	root   *os.Root
	closed atomic.Bool
	link   func(temp, name string) error // gives a file a name that is free
	// readDir reads the next entries of a folder: (*os.File).ReadDir, but for tests.
	readDir func(f *os.File, n int) ([]iofs.DirEntry, error)
	waits   func(write bool, since time.Time, why error) // see Waits
	// These are the constants, but for tests.
	listAtOnce int
	hangsAfter time.Duration
	first      sync.Mutex
	swept      bool // by this process; with first
	calls      *semaphore.Weighted
}

// Make makes the folder dir where its parent is there, unless it exists.
func Make(dir string) error {
	err := os.Mkdir(dir, dirMode)
	if errors.Is(err, iofs.ErrExist) {
		return nil
	}
	if err == nil {
		err = syncPath(filepath.Dir(dir))
	}
	return err
}

// Open opens the folder dir. It writes nothing: who only reads need not be allowed to.
func Open(dir string) (*Store, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		if info, there := os.Stat(dir); there == nil && !info.IsDir() { //nolint:gosec // the folder that the user gives
			err = &iofs.PathError{Op: "open", Path: dir, Err: syscall.ENOTDIR} // which OpenRoot says in words of its own
		}
		return nil, err
	}
	s := &Store{dir: dir, root: root, readDir: (*os.File).ReadDir, waits: func(bool, time.Time, error) {}, listAtOnce: listAtOnce, hangsAfter: hangsAfter, calls: semaphore.NewWeighted(maxCalls)}
	s.link = s.linkOrRename
	return s, nil
}

// Waits implements objects.Waiter.
func (s *Store) Waits(tell func(write bool, since time.Time, why error)) { s.waits = tell }

// check is what every method does first.
func (s *Store) check(ctx context.Context, op, name string) error {
	if s.closed.Load() {
		return fmt.Errorf("%s %q: %w", op, name, objects.ErrClosed)
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return objects.CheckName(name)
}

// Get implements objects.Store.
func (s *Store) Get(ctx context.Context, name string, off, n int64) (io.ReadCloser, int64, error) {
	if err := s.check(ctx, "get", name); err != nil {
		return nil, 0, err
	}
	r, err := call(ctx, s, func() (*reader, error) { return s.open(name, off, n) }, func(r *reader) {
		if r != nil {
			_ = r.f.Close() // it was not read
		}
	})
	if err != nil {
		return nil, 0, err
	}
	r.ctx = ctx
	return r, r.size, nil
}

// open opens a part of an object.
func (s *Store) open(name string, off, n int64) (*reader, error) {
	f, err := s.root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0) // a pipe would hang
	if err != nil {
		return nil, s.explain("get", name, err)
	}
	r, err := s.part(f, name, off, n)
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return r, nil
}

func (s *Store) part(f *os.File, name string, off, n int64) (*reader, error) {
	info, err := f.Stat()
	switch {
	case err != nil:
		return nil, s.explain("get", name, err)
	case info.IsDir():
		return nil, fmt.Errorf("get %q: %w", name, objects.ErrNotFound)
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("get %q: it is no file, but %s", name, info.Mode())
	}
	size := info.Size()
	switch {
	case off < 0 || off > size || n > size-off:
		return nil, fmt.Errorf("get %d bytes from %d on of %q, which has %d: %w", n, off, name, size, objects.ErrRange)
	case n < 0:
		n = size - off
	}
	return &reader{s: s, f: f, name: name, size: size, off: off, left: n}, nil
}

// readAtOnceMost bounds one read of an object, in bytes.
const readAtOnceMost = 256 << 10

// reader reads a part of an object.
type reader struct {
	ctx       context.Context
	s         *Store
	f         *os.File
	name      string
	size      int64 // of the object
	off, left int64
	// buf is what is read into: who asked may be gone when it comes.
	buf []byte
}

func (r *reader) Read(p []byte) (int, error) {
	if r.ctx.Err() != nil {
		return 0, context.Cause(r.ctx)
	}
	if r.left == 0 {
		return 0, io.EOF
	}
	n, err := r.readAt(p[:min(int64(len(p)), r.left, readAtOnceMost)])
	r.off, r.left = r.off+int64(n), r.left-int64(n)
	switch {
	case n > 0 || len(p) == 0:
		return n, nil // what is wrong behind it, the next read says
	case errors.Is(err, io.EOF):
		return 0, fmt.Errorf("read %q: %d bytes are missing at its end: %w", r.name, r.left, io.ErrUnexpectedEOF)
	}
	return 0, r.s.explain("read", r.name, err)
}

// readAt reads from off on, until the context ends.
func (r *reader) readAt(p []byte) (int, error) {
	if len(r.buf) < len(p) {
		r.buf = make([]byte, len(p))
	}
	buf, off := r.buf[:len(p)], r.off
	n, err := call(r.ctx, r.s, func() (int, error) { return r.f.ReadAt(buf, off) }, nil)
	if errors.Is(err, ErrHangs) {
		r.buf = nil // it may be written to yet
		return 0, err
	}
	return copy(p, buf[:n]), err
}

// Close returns no error: all that was wanted of the file was read.
func (r *reader) Close() error {
	r.s.closeSoon(r.f)
	return nil
}

// Delete implements objects.Store.
func (s *Store) Delete(ctx context.Context, name string) error {
	if err := s.check(ctx, "delete", name); err != nil {
		return err
	}
	return act(ctx, s, 0, func(ctx context.Context) error { return s.remove(ctx, name) })
}

func (s *Store) remove(ctx context.Context, name string) error {
	info, err := s.root.Lstat(name)
	if missing(err) || err == nil && info.IsDir() {
		return nil
	}
	if err == nil {
		err = context.Cause(ctx) // it may have hung, and another may have written it again
	}
	if err == nil {
		err = s.root.Remove(name)
	}
	if err != nil && !missing(err) {
		return s.explain("delete", name, err)
	}
	// One that others put something into at this time is not empty, or is made again. A file that
	// a power cut brings back is deleted again by whoever wants it gone.
	for dir := path.Dir(name); dir != "." && s.root.Remove(dir) == nil; {
		dir = path.Dir(dir)
	}
	return nil
}

// Close implements objects.Store. Readers that are open stay good. Calls that hang end with the
// filesystem, or the process.
func (s *Store) Close() error {
	if s.closed.Swap(true) {
		return nil
	}
	return s.root.Close()
}
