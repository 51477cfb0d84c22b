// Package passthrough is a filesystem that shows a folder, served by a process of its own. To stop
// that process has the filesystem hang, as NFS does whose server is away.
package passthrough

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"testing"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"

	"github.com/motefs/motefs/fs/fusetest/process"
)

// Serve is the part of the process: it shows the folder of at mountpoint until SIGTERM. Nothing is
// kept by the kernel, so that each call comes here.
func Serve(of, mountpoint string) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	root, err := fs.NewLoopbackRoot(of)
	if err != nil {
		return err
	}
	server, err := fs.Mount(mountpoint, wrap(root), &fs.Options{})
	if err != nil {
		return err
	}
	fmt.Fprintln(os.Stdout, "mounted")
	<-ctx.Done()
	return server.Unmount()
}

// node is a file or folder whose contents the kernel does not read by itself.
type node struct{ *fs.LoopbackNode }

func wrap(n fs.InodeEmbedder) *node { return &node{n.(*fs.LoopbackNode)} }

// WrapChild implements fs.NodeWrapChilder.
func (*node) WrapChild(_ context.Context, n fs.InodeEmbedder) fs.InodeEmbedder { return wrap(n) }

// file is one that is open: all but PassthroughFd of what go-fuse makes.
type file struct {
	fs.FileReader
	fs.FileWriter
	fs.FileFlusher
	fs.FileReleaser
	fs.FileFsyncer
	fs.FileGetattrer
}

func opened(h fs.FileHandle) file {
	return file{h.(fs.FileReader), h.(fs.FileWriter), h.(fs.FileFlusher), h.(fs.FileReleaser), h.(fs.FileFsyncer), h.(fs.FileGetattrer)}
}

// Open implements fs.NodeOpener.
func (n *node) Open(ctx context.Context, flags uint32) (fs.FileHandle, uint32, syscall.Errno) {
	h, flags, errno := n.LoopbackNode.Open(ctx, flags)
	if errno != 0 {
		return nil, 0, errno
	}
	return opened(h), flags, 0
}

// Create implements fs.NodeCreater.
func (n *node) Create(ctx context.Context, name string, flags, mode uint32, out *fuse.EntryOut) (*fs.Inode, fs.FileHandle, uint32, syscall.Errno) {
	inode, h, flags, errno := n.LoopbackNode.Create(ctx, name, flags, mode, out)
	if errno != 0 {
		return nil, nil, 0, errno
	}
	return inode, opened(h), flags, 0
}

// Mount is a filesystem that can be made to hang.
type Mount struct{ p *process.Process }

// Start shows the folder of at mountpoint by the process that self makes of arguments, which calls
// Serve with them.
func Start(tb testing.TB, variable, part, of, mountpoint string) *Mount {
	tb.Helper()
	m := &Mount{process.Start(tb, process.Self(tb, variable, part, of, mountpoint))}
	if line := m.p.Line(); line != "mounted" {
		tb.Fatalf("%s: %s", line, m.p)
	}
	tb.Cleanup(func() {
		m.Answer()
		m.p.Signal(syscall.SIGTERM)
		if status := m.p.Wait(); status != 0 {
			tb.Errorf("status %d: %s", status, m.p)
		}
	})
	return m
}

// Hang has the filesystem not answer.
func (m *Mount) Hang() { m.p.Signal(syscall.SIGSTOP) }

// Answer has it answer again, what it was asked meanwhile too.
func (m *Mount) Answer() { m.p.Signal(syscall.SIGCONT) }
