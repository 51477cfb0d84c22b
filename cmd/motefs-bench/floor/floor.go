package floor

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"time"
	"unsafe"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"

	"github.com/motefs/motefs/mirror/origin/serve"
)

const (
	fsType = "motefs-floor"
	// maxRead and timeout are those of package fs.
	maxRead = 128 << 10
	timeout = 24 * time.Hour
	// first is the inode of file 0, as package cache gives them out; what is
	// below are the root and the cookies of "." and "..", 1 and 2.
	first = 16
)

// filesystem is one directory of files that all hold the same.
type filesystem struct {
	fuse.RawFileSystem
	source  *serve.Synthetic
	content []byte
	owner   fuse.Owner
	now     uint64
}

// Serve mounts a directory of so many files, named as serve names them, calls
// ready once it can be used, and serves until it is unmounted or ctx ends.
func Serve(ctx context.Context, mountpoint string, files int64, ready func()) error {
	f := &filesystem{
		RawFileSystem: fuse.NewDefaultRawFileSystem(),
		source:        serve.NewSynthetic(serve.SyntheticOptions{Files: files}),
		content:       bytes.Repeat([]byte{'.'}, serve.DefaultBodySize),
		owner:         fuse.Owner{Uid: uint32(os.Getuid()), Gid: uint32(os.Getgid())},
		now:           uint64(time.Now().Unix()),
	}
	server, err := fuse.NewServer(f, mountpoint, mountOptions())
	if err != nil {
		return fmt.Errorf("mount %q: %w", mountpoint, err)
	}
	// What it cannot unmount, whoever started it does.
	context.AfterFunc(ctx, func() { _ = server.Unmount() })
	ready() // requests wait
	server.Serve()
	return nil
}

// mountOptions are those of package fs (serverOptions and mountDirect there).
func mountOptions() *fuse.MountOptions {
	o := &fuse.MountOptions{
		Name: fsType, FsName: fsType,
		Options:           []string{"default_permissions"},
		MaxWrite:          maxRead,
		ExtraCapabilities: fuse.CAP_READDIRPLUS_AUTO,
		DisableSplice:     true,
	}
	if os.Geteuid() == 0 {
		o.DirectMountStrict = true
		o.DirectMountFlags = unix.MS_RDONLY | unix.MS_NOSUID | unix.MS_NODEV
	} else {
		o.Options = append(o.Options, "ro")
	}
	return o
}

func (f *filesystem) Lookup(cancel <-chan struct{}, in *fuse.InHeader, name string, out *fuse.EntryOut) fuse.Status {
	// The bytes are only read, and only during the call.
	i, ok := f.source.Index(unsafe.Slice(unsafe.StringData(name), len(name)))
	if !ok {
		return fuse.ENOENT
	}
	f.answer(first+uint64(i), out)
	return fuse.OK
}

func (f *filesystem) GetAttr(cancel <-chan struct{}, in *fuse.GetAttrIn, out *fuse.AttrOut) fuse.Status {
	f.fill(in.NodeId, &out.Attr)
	out.SetTimeout(timeout)
	return fuse.OK
}

func (f *filesystem) Read(cancel <-chan struct{}, in *fuse.ReadIn, buf []byte) (fuse.ReadResult, fuse.Status) {
	rest := f.content[min(in.Offset, uint64(len(f.content))):]
	return fuse.ReadResultData(buf[:copy(buf, rest)]), fuse.OK
}

// Open, Flush, OpenDir and the others that package fs answers so: the kernel does
// not ask again.
func (f *filesystem) Open(cancel <-chan struct{}, in *fuse.OpenIn, out *fuse.OpenOut) fuse.Status {
	return fuse.ENOSYS
}

func (f *filesystem) Flush(cancel <-chan struct{}, in *fuse.FlushIn) fuse.Status { return fuse.ENOSYS }

func (f *filesystem) OpenDir(cancel <-chan struct{}, in *fuse.OpenIn, out *fuse.OpenOut) fuse.Status {
	return fuse.ENOSYS
}

func (f *filesystem) ReadDir(cancel <-chan struct{}, in *fuse.ReadIn, out *fuse.DirEntryList) fuse.Status {
	return f.list(in, out.AddDirEntry)
}

func (f *filesystem) ReadDirPlus(cancel <-chan struct{}, in *fuse.ReadIn, out *fuse.DirEntryList) fuse.Status {
	return f.list(in, func(d fuse.DirEntry) bool {
		entry := out.AddDirLookupEntry(d)
		if entry != nil && d.Ino >= first {
			f.answer(d.Ino, entry)
		}
		return entry != nil
	})
}

// list adds entries from the cookie on until the buffer is full.
func (f *filesystem) list(in *fuse.ReadIn, add func(fuse.DirEntry) bool) fuse.Status {
	for dot := in.Offset + 1; dot <= 2; dot++ {
		if !add(fuse.DirEntry{Mode: fuse.S_IFDIR, Name: ".."[:dot], Ino: fuse.FUSE_ROOT_ID, Off: dot}) {
			return fuse.OK
		}
	}
	var name []byte
	for ino := max(first, in.Offset+1); ino < first+uint64(f.source.Len()); ino++ {
		name = f.source.AppendName(name[:0], int64(ino-first))
		// go-fuse writes the name into the reply before it returns.
		if !add(fuse.DirEntry{Mode: fuse.S_IFREG, Name: unsafe.String(unsafe.SliceData(name), len(name)), Ino: ino, Off: ino}) {
			return fuse.OK
		}
	}
	return fuse.OK
}

func (f *filesystem) answer(ino uint64, out *fuse.EntryOut) {
	out.NodeId, out.Generation = ino, 1
	out.SetEntryTimeout(timeout)
	out.SetAttrTimeout(timeout)
	f.fill(ino, &out.Attr)
}

func (f *filesystem) fill(ino uint64, a *fuse.Attr) {
	*a = fuse.Attr{Ino: ino, Atime: f.now, Mtime: f.now, Ctime: f.now, Nlink: 1, Owner: f.owner, Blksize: 4096, Mode: fuse.S_IFDIR | 0o555}
	if ino >= first {
		a.Mode, a.Size, a.Blocks = fuse.S_IFREG|0o444, uint64(len(f.content)), 1
	}
}
