package cache

import (
	"errors"
	"io"
	iofs "io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// A store's content may have come with a password, so it is its owner's alone.
const (
	privateDir  = 0o700
	privateFile = 0o600
)

// privateFS is the machine's disk with files that only their owner can read. It
// follows no link: one in a store is none of ours, and could lead out of it. What it
// looks at and then opens is the same thing, as nobody else can write there.
type privateFS struct{ vfs.FS }

func noLink(name string) error {
	info, err := os.Lstat(name)
	if err == nil && info.Mode().Type() == iofs.ModeSymlink {
		return &os.PathError{Op: "open", Path: name, Err: syscall.ELOOP}
	}
	return nil // the operation itself says what else is wrong
}

func private(f vfs.File, err error) (vfs.File, error) {
	if err != nil {
		return nil, err
	}
	if err := makePrivate(f); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

func (d privateFS) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	return private(d.FS.Create(name, category)) // it takes away what has the name
}

func (d privateFS) Open(name string, opts ...vfs.OpenOption) (vfs.File, error) {
	if err := noLink(name); err != nil {
		return nil, err
	}
	return d.FS.Open(name, opts...)
}

func (d privateFS) OpenReadWrite(name string, category vfs.DiskWriteCategory, opts ...vfs.OpenOption) (vfs.File, error) {
	if err := noLink(name); err != nil {
		return nil, err
	}
	return private(d.FS.OpenReadWrite(name, category, opts...))
}

func (d privateFS) ReuseForWrite(oldname, newname string, category vfs.DiskWriteCategory) (vfs.File, error) {
	if err := noLink(oldname); err != nil {
		return nil, err
	}
	return private(d.FS.ReuseForWrite(oldname, newname, category))
}

func (d privateFS) OpenDir(name string) (vfs.File, error) {
	if err := noLink(name); err != nil {
		return nil, err
	}
	return d.FS.OpenDir(name)
}

func (d privateFS) MkdirAll(name string, _ os.FileMode) error { return d.FS.MkdirAll(name, privateDir) }

func (d privateFS) Lock(name string) (io.Closer, error) {
	if err := noLink(name); err != nil {
		return nil, err
	}
	lock, err := d.FS.Lock(name)
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(name, privateFile); err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	return lock, nil
}

// Unwrap is for vfs.Root.
func (d privateFS) Unwrap() vfs.FS { return d.FS }

// own makes a directory its owner's alone.
func (privateFS) own(dir string) error { return os.Chmod(dir, privateDir) }

// claim checks that the directory of a store is this user's, and that nothing in
// it leads out of it.
func (privateFS) claim(dir string) error {
	info, err := os.Stat(dir)
	if err != nil {
		return err
	}
	if uid, me, known := ownerOf(info); known && uid != me {
		return saying(ErrFormat, "it belongs to user %d, and this is user %d; run as that user, or give another --store", uid, me)
	}
	if _, err := os.Lstat(filepath.Join(dir, formatFile)); err == nil && info.Mode().Perm()&0o022 != 0 {
		return saying(ErrFormat, "others can write to it (mode %04o); take that away with: chmod go-w %s", info.Mode().Perm(), dir)
	}
	for _, path := range []string{dir, filepath.Join(dir, "db"), filepath.Join(dir, "blobs")} {
		entries, err := os.ReadDir(path)
		if err != nil && !os.IsNotExist(err) {
			return err
		}
		for _, e := range entries {
			if e.Type() == iofs.ModeSymlink {
				return saying(ErrFormat, "%s is a link, which no store has", filepath.Join(path, e.Name()))
			}
		}
	}
	return nil
}
