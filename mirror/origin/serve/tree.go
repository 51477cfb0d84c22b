package serve

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	iofs "io/fs"
	"os"
	"strconv"
	"sync"
	"syscall"
)

// Tree is a source that serves a directory. Only regular files are listed, by
// their slash-separated paths in the order of the bytes of these paths. No
// symbolic link is listed or followed while listing; a get follows one as long
// as it stays inside the directory, except in the last place.
//
// Nothing is kept between pages but a cache of the directories on the way to
// the last marker: memory is bounded by the largest directories of one path,
// however large the tree is. A page reads each directory at most once. Files
// that appear or vanish between two pages are listed or not, and change
// nothing for the others.
//
// It is safe for use by many goroutines.
type Tree struct {
	// LeftOut, if it is set before the tree is served, is called once for each kind of
	// what a listing has no place for, with the first of it that is met: "symbolic links",
	// "empty directories" and the like.
	LeftOut func(kind, path string)
	// Unreadable, if it is set, is called for the first directory at which a listing fails.
	Unreadable func(path string, err error)

	root       *os.Root
	cache      dirCache
	unreadable sync.Once
	told       sync.Map // the kinds that LeftOut was called for
	mu         struct {
		sync.Mutex
		closed bool
		err    error
	}
}

var _ KeyLister = (*Tree)(nil)

// OpenTree opens the directory dir for serving.
func OpenTree(dir string) (*Tree, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("open tree: %w", err)
	}
	return &Tree{root: root}, nil
}

// Close lets go of the directory.
func (t *Tree) Close() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.mu.closed {
		t.mu.closed = true
		t.mu.err = t.root.Close()
	}
	return t.mu.err
}

// leftOut tells of what is not listed.
func (t *Tree) leftOut(kind, path string) {
	if t.LeftOut == nil {
		return
	}
	if _, told := t.told.LoadOrStore(kind, true); !told {
		t.LeftOut(kind, path)
	}
}

// kindOf names what is neither a regular file nor a directory.
func kindOf(mode iofs.FileMode) string {
	switch {
	case mode&iofs.ModeSymlink != 0:
		return "symbolic links"
	case mode&iofs.ModeNamedPipe != 0:
		return "FIFOs"
	case mode&iofs.ModeSocket != 0:
		return "sockets"
	}
	return "devices"
}

// Get describes the file at that path.
func (t *Tree) Get(name []byte, o *Object) error {
	if !validPath(name) {
		return ErrNotFound
	}
	path := string(name)
	// A look before opening: to open a device or a FIFO may block or have
	// effects. It may have become one in between, hence O_NONBLOCK and the
	// second look.
	if info, err := t.root.Lstat(path); err != nil {
		return getError(err)
	} else if !info.Mode().IsRegular() {
		return ErrNotFound
	}
	f, err := t.root.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return getError(err)
	}
	if err := describeFile(f, o); err != nil {
		return errors.Join(err, f.Close())
	}
	if o.Size > streamAbove {
		o.At = f
		return nil
	}
	return errors.Join(readSmall(f, o), f.Close())
}

// describeFile fills in size and validators of an open file.
func describeFile(f *os.File, o *Object) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return ErrNotFound
	}
	o.describe(info)
	return nil
}

// describe fills in size and validators of a file.
func (o *Object) describe(info iofs.FileInfo) {
	o.Size, o.ModTime = info.Size(), info.ModTime()
	o.ETag = append(o.ETag[:0], '"')
	o.ETag = strconv.AppendInt(o.ETag, o.Size, 10)
	o.ETag = append(o.ETag, '-')
	o.ETag = strconv.AppendInt(o.ETag, o.ModTime.UnixNano(), 16)
	o.ETag = append(o.ETag, '"')
}

// readSmall reads a file of o.Size bytes into o. If it has become shorter,
// what is there is what it is.
func readSmall(f *os.File, o *Object) error {
	if int64(cap(o.Buf)) < o.Size {
		o.Buf = make([]byte, o.Size)
	}
	n, err := io.ReadFull(f, o.Buf[:o.Size])
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		return err
	}
	o.Body = o.Buf[:n]
	return nil
}

// validPath reports whether name is a path as Page lists them: no empty
// element, no "." or "..", no NUL.
func validPath(name []byte) bool {
	if bytes.IndexByte(name, 0) >= 0 {
		return false
	}
	for more := true; more; {
		var elem []byte
		elem, name, more = bytes.Cut(name, []byte{'/'})
		if len(elem) == 0 || string(elem) == "." || string(elem) == ".." {
			return false
		}
	}
	return true
}

// getError tells a name that cannot be there from a file that cannot be read.
func getError(err error) error {
	errno := syscall.Errno(0)
	if !errors.As(err, &errno) {
		return ErrNotFound // os.Root's own: the path leads out of the tree
	}
	if isAbsent(err) {
		return ErrNotFound
	}
	return err
}

// isAbsent reports an error which says that there is no such file or that
// there can be none.
func isAbsent(err error) bool {
	return errors.Is(err, iofs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) ||
		errors.Is(err, syscall.ELOOP) || errors.Is(err, syscall.ENAMETOOLONG) || errors.Is(err, syscall.EINVAL)
}
