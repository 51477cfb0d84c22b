package folder

import (
	"context"
	"errors"
	"fmt"
	"io"
	iofs "io/fs"
	"os"
	"path"
	"runtime"
	"syscall"

	"github.com/motefs/motefs/mirror/objects"
)

// Put implements objects.Store.
func (s *Store) Put(ctx context.Context, name string, body objects.Body) error {
	return act(ctx, s, body.Size, func(ctx context.Context) error { return s.write(ctx, "put", name, body, s.root.Rename) })
}

// Create implements objects.Store.
func (s *Store) Create(ctx context.Context, name string, body objects.Body) error {
	if err := s.check(ctx, "create", name); err != nil {
		return err
	}
	return act(ctx, s, body.Size, func(ctx context.Context) error { return s.createNew(ctx, name, body) })
}

func (s *Store) createNew(ctx context.Context, name string, body objects.Body) error {
	// Mostly who comes late can be told before anything is written.
	if _, err := s.root.Lstat(name); err != nil {
		if err := s.write(ctx, "create", name, body, s.link); !errors.Is(err, iofs.ErrExist) {
			return err
		}
	}
	if err := s.syncUp(path.Dir(name)); err != nil {
		return s.explain("create", name, err)
	}
	return fmt.Errorf("create %q: %w", name, objects.ErrExists)
}

// write writes an object, to which publish gives its name.
func (s *Store) write(ctx context.Context, op, name string, body objects.Body, publish func(from, to string) error) error {
	if err := s.check(ctx, op, name); err != nil {
		return err
	}
	temp, err := s.fill(ctx, body)
	if err != nil {
		return s.explain(op, name, err)
	}
	if err = context.Cause(ctx); err == nil { // it may have hung
		err = s.publish(temp, name, publish)
	}
	// A link leaves the file its first name, and a failure too.
	if left := s.root.Remove(temp); err == nil && !missing(left) {
		err = left
	}
	return s.explain(op, name, err)
}

// publish gives a file its name in folders that are made, and that others may remove while they
// are empty.
func (s *Store) publish(temp, name string, publish func(from, to string) error) error {
	f, err := s.root.Open(temp) // no other file is the same one while this is open
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	const tries = 100 // each time another's Delete was in between
	for range tries {
		err = s.root.MkdirAll(path.Dir(name), dirMode)
		if errors.Is(err, iofs.ErrExist) {
			continue // a folder on the way was there, and is removed by now: that says nothing of name
		}
		if err == nil {
			err = publish(temp, name)
		}
		if err != nil {
			// NFS tries again where an answer was lost, and then finds what it did itself.
			if there, statErr := s.root.Lstat(name); statErr == nil && os.SameFile(info, there) {
				err = nil
			}
		}
		if err == nil {
			return s.syncUp(path.Dir(name))
		}
		if _, gone := s.root.Lstat(temp); !errors.Is(err, iofs.ErrNotExist) || gone != nil {
			return err
		}
	}
	return fmt.Errorf("%w: the folder was removed %d times while it was made", objects.ErrBusy, tries)
}

// fill writes a body to the disk.
func (s *Store) fill(ctx context.Context, body objects.Body) (temp string, err error) {
	if err := s.sweepOnce(); err != nil {
		return "", err
	}
	f, temp, err := s.create()
	if err != nil {
		return "", err
	}
	n, err := io.Copy(f, &source{ctx, io.NewSectionReader(body, 0, body.Size)})
	if err == nil && n != body.Size {
		err = fmt.Errorf("%d bytes of %d: %w", n, body.Size, io.ErrUnexpectedEOF)
	}
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return "", errors.Join(err, s.root.Remove(temp))
	}
	return temp, nil
}

// source is a body while its context lasts.
type source struct {
	ctx context.Context
	io.Reader
}

func (s *source) Read(p []byte) (int, error) {
	if s.ctx.Err() != nil {
		return 0, context.Cause(s.ctx)
	}
	return s.Reader.Read(p)
}

// linkOrRename gives a file a name that is free; iofs.ErrExist says that it is not.
func (s *Store) linkOrRename(temp, name string) error {
	err := s.root.Link(temp, name)
	if err == nil || !noLinks(err) {
		return err
	}
	renamed := s.renameNew(temp, name)
	if renamed != nil && !errors.Is(renamed, iofs.ErrExist) && !errors.Is(renamed, iofs.ErrNotExist) {
		return fmt.Errorf("the filesystem can neither link a file (%w) nor rename one without replacing another (%w): use another one, or S3", err, renamed)
	}
	return renamed
}

// noLinks reports whether a filesystem has no links: vfat and exFAT say EPERM, those of FUSE
// ENOSYS.
func noLinks(err error) bool {
	return errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.ENOSYS) || errors.Is(err, errors.ErrUnsupported) || errors.Is(err, syscall.EMLINK)
}

// missing reports whether a name leads nowhere, as one does behind a file's.
func missing(err error) bool {
	return errors.Is(err, iofs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR)
}

// syncUp makes the names in a folder and in all above it last. Those that another process has
// made may not yet.
func (s *Store) syncUp(dir string) error {
	for {
		f, err := s.root.Open(dir)
		if err == nil {
			err = errors.Join(syncDir(f), f.Close())
		}
		if err != nil && !errors.Is(err, iofs.ErrNotExist) {
			return err
		}
		if dir == "." {
			return nil
		}
		dir = path.Dir(dir)
	}
}

// syncDir is fsync where folders have that.
func syncDir(f *os.File) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	err := f.Sync()
	if errors.Is(err, syscall.EINVAL) || errors.Is(err, errors.ErrUnsupported) {
		return nil // SMB: names last once they are given
	}
	return err
}

func syncPath(dir string) error {
	f, err := os.Open(dir) //nolint:gosec // the parent of the folder that the user gives
	if err != nil {
		return err
	}
	return errors.Join(syncDir(f), f.Close())
}
