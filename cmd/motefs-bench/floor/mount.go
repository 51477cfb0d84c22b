package floor

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"time"

	"github.com/hanwen/go-fuse/v2/fuse"
	"github.com/motefs/motefs/mirror/origin/serve"
	"golang.org/x/sys/unix"
)

const (
	fsType = "motefs-floor"
	// maxRead is that of package fs.
	maxRead = 128 << 10
)

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
	served := make(chan struct{})
	go func() { // ends with the unmount
		defer close(served)
		server.Serve()
	}()
	ready()
	select {
	case <-served:
		return nil
	case <-ctx.Done():
	}
	if err := server.Unmount(); err != nil {
		return fmt.Errorf("unmount %q: %w", mountpoint, err)
	}
	<-served
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
