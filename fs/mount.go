//go:build linux

package fs

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"runtime/pprof"
	"sync"

	"github.com/hanwen/go-fuse/v2/fuse"
)

// rawFileSystem is for Options, which other systems have too.
type rawFileSystem = fuse.RawFileSystem

// motefsType is the type as the kernel's table has it.
const motefsType = "fuse." + fsType

// maxRead is the largest READ that the kernel sends, and its readahead, in
// bytes; what Linux allows unless told otherwise.
const maxRead = 128 << 10

// maxBackground bounds the READs that the kernel sends ahead of programs and that
// are not answered yet; further ones wait, of files that are here too. Those of files that
// are only listed may wait for an origin that hangs, as many as an engine lets wait.
const maxBackground = 512

// Mount is a mounted store. Close it.
type Mount struct {
	fs     *fsys
	server *fuse.Server
	// dir is the mountpoint without symbolic links; dev is the mount's device
	// as /proc/self/mountinfo has it, which tells this mount from another
	// one on the same directory.
	dir, dev string
	helper   bool
	control  control

	cancel context.CancelCauseFunc
	wg     sync.WaitGroup
	// done is closed when no more requests are served; err is set before.
	done chan struct{}
	err  error

	// asked is held while Alive waits for an answer.
	asked sync.Mutex

	// mu makes unmounts take turns. It is held over the unmount.
	mu struct {
		sync.Mutex
		detached bool
	}
}

// Open mounts and begins to serve. When it returns without an error, the mount
// can be used. The end of ctx ends every wait for the origin, but not the mount.
func Open(ctx context.Context, o Options) (*Mount, error) {
	o.EnsureDefaults()
	if err := o.Validate(); err != nil {
		return nil, fmt.Errorf("mount: %w", err)
	}
	if err := CheckMountpoint(o.Mountpoint, o.StoreDir); err != nil {
		return nil, err
	}
	dir, err := resolve(o.Mountpoint)
	if err != nil {
		return nil, fmt.Errorf("mount %q: %w", o.Mountpoint, err)
	}
	m := &Mount{dir: dir, helper: o.helper || !canMount(), done: make(chan struct{})}
	ctx, m.cancel = context.WithCancelCause(ctx)
	m.fs = newFsys(ctx, &o, &m.wg)
	if err := m.attach(&o); err != nil {
		m.cancel(err)
		return nil, err
	}
	m.wg.Go(m.serve)
	m.wg.Go(func() { m.fs.notify(m.done, m.server) })
	return m, nil
}

// attach mounts, and readies the server.
func (m *Mount) attach(o *Options) error {
	opts := m.serverOptions(o)
	mount := func() (int, error) { return mountDirect(m.dir, opts, o.Exec) }
	if m.helper {
		mount = func() (int, error) { return mountByHelper(m.dir, opts) }
	}
	fd, err := mount()
	if err != nil {
		return err
	}
	// How go-fuse takes a connection that somebody else has mounted.
	target := fmt.Sprintf("/dev/fd/%d", fd)
	var answers fuse.RawFileSystem = m.fs
	if o.between != nil {
		answers = o.between(answers)
	}
	freePollHackName()
	server, err := fuse.NewServer(answers, target, opts)
	if err != nil {
		// Whatever was mounted has nobody to serve it.
		return errors.Join(fmt.Errorf("mount %q: %w", m.dir, err), clearDead(m.dir))
	}
	m.server = server
	mounted, err := mountAt(m.dir)
	if err == nil && mounted == nil {
		err = errors.New("mounted, and not in the mount table")
	}
	if err != nil {
		return errors.Join(fmt.Errorf("mount %q: %w", m.dir, err), detachLazily(m.dir, m.helper))
	}
	m.dev, m.control = mounted.dev, openControl(mounted.dev)
	m.readFurtherAhead()
	return nil
}

// readaheadKiB is how far the kernel reads ahead in a file that is read from
// its beginning on, in KiB. Its own 128 are one request at a time, between which
// the disk waits.
const readaheadKiB = 1024

// readFurtherAhead raises the kernel's readahead of this mount. That takes root;
// for others the mount is as right, and slower with large files.
func (m *Mount) readFurtherAhead() {
	path := fmt.Sprintf("/sys/class/bdi/%s/read_ahead_kb", m.dev)
	if err := os.WriteFile(path, fmt.Append(nil, readaheadKiB), 0o644); err != nil { //nolint:gosec // the kernel's file, which is there
		m.fs.log.Debug().Err(err).Msg("readahead stays as the kernel has it")
	}
}

// serverOptions are the options for go-fuse; mountDirect says its own to the
// kernel.
func (m *Mount) serverOptions(o *Options) *fuse.MountOptions {
	options := []string{"ro", "nosuid", "nodev", "default_permissions"}
	if !o.Exec {
		options = append(options, "noexec")
	}
	return &fuse.MountOptions{
		Name:       fsType,
		FsName:     cleanFsName(o.FsName),
		AllowOther: o.AllowOther,
		Options:    options,
		MaxWrite:   maxRead,
		// The kernel's readahead of one file that hangs shall not hold up that
		// of others; by default twelve of those do.
		MaxBackground: maxBackground,
		// READDIRPLUS where programs stat what they list, READDIR where they
		// do not: the kernel's own guess. go-fuse asks for the first alone.
		ExtraCapabilities: fuse.CAP_READDIRPLUS_AUTO,
		// Splicing pays for descriptors; all that is read comes from memory.
		DisableSplice: true,
		PanicHandler:  m.fs.panicked,
		Logger:        log.New(fuseLog{m.fs}, "", 0),
	}
}

// serve answers requests until the mount is gone.
func (m *Mount) serve() {
	defer close(m.done)
	pprof.Do(context.Background(), pprof.Labels("motefs", "fs.serve"), func(context.Context) {
		m.server.Serve()
	})
	m.cancel(errUnmounting)
	// The loop ends after an unmount by whomever, which has taken the mount
	// out of the tree before, so that another may have its place and its device;
	// or because the connection was aborted, which leaves a dead mount.
	if m.mounted() && dead(m.dir) {
		m.err = errors.Join(fmt.Errorf("mount %q: %w", m.dir, ErrAborted), detachLazily(m.dir, m.helper))
		m.fs.log.Warn().Err(m.err).Str(fieldPath, m.dir).Msg("dead mount cleared")
	}
}

// mounted reports whether this very mount is on its mountpoint.
func (m *Mount) mounted() bool {
	at, err := mountAt(m.dir)
	return err == nil && at != nil && at.dev == m.dev
}

// Wait returns when the mount is gone, whoever unmounted it: nil, or ErrAborted.
func (m *Mount) Wait() error {
	<-m.done
	return m.err
}

// Done is closed when Wait would return.
func (m *Mount) Done() <-chan struct{} { return m.done }

// Dir is the mountpoint, absolute and without symbolic links.
func (m *Mount) Dir() string { return m.dir }

// Device is the mount's device, "major:minor" as in proc_pid_mountinfo(5). No other
// mount has it as long as this one is there, also out of the tree.
func (m *Mount) Device() string { return m.dev }

// Stats counts what the mount has done so far.
func (m *Mount) Stats() Stats { return m.fs.stats.snapshot() }
