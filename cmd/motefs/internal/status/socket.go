//go:build unix

package status

import (
	"context"
	"errors"
	"fmt"
	"io"
	iofs "io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// maxSocketPath is how long the path of a socket may be, in bytes (unix(7), sun_path).
const maxSocketPath = 107

// socketMode is that of the socket.
const socketMode = 0o600

// folder is a store's directory, held open: a socket is reached by its descriptor, so that
// the path can be of any length, and that what was looked at is what is used.
type folder struct {
	f   *os.File
	dir string
}

func openFolder(dir string) (*folder, error) {
	fd, err := unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: dir, Err: err}
	}
	return &folder{os.NewFile(uintptr(fd), dir), dir}, nil
}

func (d *folder) Close() error { return d.f.Close() }

// done is Close of a folder that was only looked into.
func (d *folder) done() { _ = d.f.Close() }

// path is one for the socket that bind(2) and connect(2) take.
func (d *folder) path() (string, error) {
	const descriptors = "/proc/self/fd"
	if _, err := os.Stat(descriptors); err == nil {
		return filepath.Join(descriptors, strconv.Itoa(int(d.f.Fd())), SocketName), nil
	}
	if long := filepath.Join(d.dir, SocketName); len(long) <= maxSocketPath {
		return long, nil
	}
	return "", fmt.Errorf("%w: the path of %s is too long for one, and there is no /proc", ErrSocket, d.dir)
}

// socket looks at what has the socket's name. The error is ErrNotExist where nothing has,
// and ErrSocket where it is something else, a link too.
func (d *folder) socket() (*unix.Stat_t, error) {
	var st unix.Stat_t
	if err := unix.Fstatat(int(d.f.Fd()), SocketName, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return nil, &os.PathError{Op: "stat", Path: filepath.Join(d.dir, SocketName), Err: err}
	}
	if st.Mode&unix.S_IFMT != unix.S_IFSOCK {
		return nil, fmt.Errorf("%w: %s is something else", ErrSocket, filepath.Join(d.dir, SocketName))
	}
	return &st, nil
}

func (d *folder) remove() error { return unix.Unlinkat(int(d.f.Fd()), SocketName, 0) }

// listen makes the socket. Who holds the store calls it, so one that is there is of a
// process that died.
func (d *folder) listen() (net.Listener, error) {
	switch _, err := d.socket(); {
	case errors.Is(err, iofs.ErrNotExist):
	case err != nil:
		return nil, err
	default:
		if err := d.remove(); err != nil {
			return nil, &os.PathError{Op: "remove", Path: filepath.Join(d.dir, SocketName), Err: err}
		}
	}
	path, err := d.path()
	if err != nil {
		return nil, err
	}
	config := net.ListenConfig{Control: private}
	l, err := config.Listen(context.Background(), "unix", path)
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", filepath.Join(d.dir, SocketName), cause(err))
	}
	if err := unix.Fchmodat(int(d.f.Fd()), SocketName, socketMode, 0); err != nil {
		return nil, errors.Join(fmt.Errorf("make %s its owner's alone: %w", filepath.Join(d.dir, SocketName), err), l.Close(), d.remove())
	}
	if u, ok := l.(*net.UnixListener); ok {
		u.SetUnlinkOnClose(false) // it has the name of the descriptor, which may be another one's by then
	}
	return l, nil
}

// cause is the system's part of an error of package net, which else names the path by its
// descriptor.
func cause(err error) error {
	if errno, ok := errors.AsType[syscall.Errno](err); ok {
		return errno
	}
	return err
}

// Dial connects to the socket in a store's directory. Only who may be trusted with it is
// spoken to: this user, or for root whom the directory belongs to. The errors are
// ErrNotRunning where no process listens, and ErrSocket.
func Dial(ctx context.Context, dir string) (net.Conn, error) {
	d, err := openFolder(dir)
	if errors.Is(err, iofs.ErrNotExist) {
		return nil, fmt.Errorf("%w: there is no %s", ErrNotRunning, dir)
	}
	if err != nil {
		return nil, err
	}
	defer d.done()
	var st unix.Stat_t
	if err := unix.Fstat(int(d.f.Fd()), &st); err != nil {
		return nil, &os.PathError{Op: "stat", Path: dir, Err: err}
	}
	if me := os.Geteuid(); int(st.Uid) != me && me != 0 {
		return nil, fmt.Errorf("%w: %s belongs to user %d, and this is user %d", ErrSocket, dir, st.Uid, me)
	}
	switch _, err := d.socket(); {
	case errors.Is(err, iofs.ErrNotExist):
		return nil, fmt.Errorf("%w: nobody serves the status of %s", ErrNotRunning, dir)
	case err != nil:
		return nil, err
	}
	path, err := d.path()
	if err != nil {
		return nil, err
	}
	conn, err := new(net.Dialer).DialContext(ctx, "unix", path)
	if errors.Is(err, unix.ECONNREFUSED) {
		return nil, fmt.Errorf("%w: the process that served the status of %s has died", ErrNotRunning, dir)
	}
	if err != nil {
		return nil, fmt.Errorf("ask who holds %s: %w", dir, cause(err))
	}
	if err := ofUser(conn, st.Uid); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return conn, nil
}

// ofUser checks that the other end of a socket is of a user, or root's.
func ofUser(conn io.Closer, uid uint32) error {
	sc, ok := conn.(syscall.Conn)
	if !ok {
		return fmt.Errorf("%w: it does not say whose it is", ErrSocket)
	}
	peer, err := peerOf(sc)
	if err != nil {
		return fmt.Errorf("%w: it does not say whose it is: %w", ErrSocket, err)
	}
	if peer != uid && peer != 0 {
		return fmt.Errorf("%w: user %d listens there, and the directory belongs to %d", ErrSocket, peer, uid)
	}
	return nil
}
