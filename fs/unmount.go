//go:build linux

package fs

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// A program that was just answered still holds the mount for a moment, and so
	// does a watchdog's question (Mount.Alive). So a busy mount is tried busyTries times, the second after busyDelay and
	// each further one after twice the last delay: 0.3 s in all.
	busyTries = 6
	busyDelay = 10 * time.Millisecond

	// closeGrace is how long Close waits for the last user of a detached
	// mount before it ends the connection under it, and then for the
	// connection to end.
	closeGrace = 500 * time.Millisecond
)

// TryUnmount takes the mount out of the directory tree, unless programs still use
// it: the error is ErrBusy then, and they go on, with what is here. Lookups and reads
// that wait for the origin are ended first, and none waits any more. Once the mount is
// gone, by whomever, it returns nil.
func (m *Mount) TryUnmount() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.tryLocked()
}

func (m *Mount) tryLocked() error {
	m.cancel(errUnmounting)
	if m.mu.detached || !m.mounted() {
		return nil
	}
	var err error
	for try, delay := 0, busyDelay; try < busyTries; try++ {
		if try > 0 {
			m.ended(delay)
			delay *= 2
		}
		if err = detach(m.dir, m.helper, false); err == nil || !m.mounted() {
			m.mu.detached = true
			return nil
		}
	}
	if !errors.Is(err, unix.EBUSY) {
		return fmt.Errorf("unmount %q: %w", m.dir, err)
	}
	return fmt.Errorf("%s: %w", m.dir, ErrBusy)
}

// Unmount is TryUnmount where the mount is not in use. Where it is, it is detached:
// nobody new can come in, those who are in go on, and the error is ErrBusy all the same,
// and names them.
// Wait returns when the last one has left.
func (m *Mount) Unmount() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	busy := m.tryLocked()
	if busy == nil {
		return nil
	}
	if errors.Is(busy, ErrBusy) {
		busy = fmt.Errorf("%w by %s", busy, users(m.dir))
	}
	if err := detachLazily(m.dir, m.helper); err != nil {
		return fmt.Errorf("unmount %q: %w", m.dir, err)
	}
	m.mu.detached = true
	return busy
}

// Device is that of the mount of motefs at dir, see Mount.Device, and the user whose
// process serves it; empty where there is none.
func Device(dir string) (device string, uid uint32, err error) {
	path, err := resolve(dir)
	if err != nil {
		return "", 0, mountpointError(dir, err)
	}
	at, err := mountAt(path)
	if err != nil || at == nil || at.fsType != motefsType {
		return "", 0, err
	}
	for option := range strings.SplitSeq(at.options, ",") {
		if text, ok := strings.CutPrefix(option, "user_id="); ok {
			id, err := strconv.ParseUint(text, 10, 32)
			return at.dev, uint32(id), err
		}
	}
	return at.dev, 0, fmt.Errorf("the mount at %s does not say whose it is", path)
}

// Elsewhere is a place at which a device is mounted, such as the bind mount of one that
// was unmounted; empty where there is none in this mount namespace.
func Elsewhere(device string) (dir string, err error) {
	table, err := os.Open(mountTable)
	if err != nil {
		return "", err
	}
	defer table.Close()
	err = eachMount(table, func(e *mountEntry) {
		if e.dev == device && e.fsType == motefsType {
			dir = e.path
		}
	})
	return dir, err
}

// Unmount unmounts dir, which another process mounted. It refuses what is no mount
// of motefs, and one that programs still use; one that nobody serves any more is
// taken away from under them. Symbolic links are followed first: what is looked at
// is what is unmounted. All errors wrap ErrMountpoint, and ErrBusy where it is in
// use.
func Unmount(dir string) error {
	path, err := resolve(dir)
	if err != nil {
		return saying(ErrMountpoint, "unmount %s: %v", dir, err)
	}
	at, err := mountAt(path)
	switch {
	case err != nil:
		return saying(ErrMountpoint, "unmount %s: %v", dir, err)
	case at == nil:
		return saying(ErrMountpoint, "nothing is mounted at %s", path)
	case at.fsType != motefsType:
		return saying(ErrMountpoint, "what is mounted at %s is not of motefs, but %s of type %s; to end it: umount %s", path, at.source, at.fsType, path)
	}
	helper := !canMount()
	err = detach(path, helper, false)
	if errors.Is(err, unix.EPERM) && !helper {
		helper = true
		err = detach(path, helper, false)
	}
	for try, delay := 1, busyDelay; errors.Is(err, unix.EBUSY); try, delay = try+1, 2*delay {
		if dead(path) {
			err = detachLazily(path, helper)
			break
		}
		if try == busyTries {
			break
		}
		time.Sleep(delay)
		err = detach(path, helper, false)
	}
	switch {
	case errors.Is(err, unix.EBUSY):
		return &said{fmt.Sprintf("%s is in use by %s: leave it and close its files, then try again", path, users(path)), errors.Join(ErrMountpoint, ErrBusy)}
	case err != nil:
		return saying(ErrMountpoint, "unmount %s: %v", path, err)
	}
	return nil
}

// Close unmounts, and returns when everything that the mount started has ended.
// Programs that still use it half a second later get ENOTCONN from then on.
func (m *Mount) Close() error {
	defer m.control.close()
	err := m.Unmount()
	if !m.ended(closeGrace) {
		if abortErr := m.control.abort(); abortErr != nil {
			err = errors.Join(err, fmt.Errorf("abort FUSE connection: %w", abortErr))
		}
		if !m.ended(closeGrace) {
			return errors.Join(err, fmt.Errorf("close %q: requests still being served", m.dir))
		}
	}
	m.wg.Wait()
	return err
}

// ended waits at most d for the server to end.
func (m *Mount) ended(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-m.done:
		return true
	case <-timer.C:
		return false
	}
}

// detachLazily takes a mount out of the tree even if it is in use, or dead.
func detachLazily(dir string, helper bool) error { return detach(dir, helper, true) }

// detach unmounts, by fusermount3 where this process has no right to. The error
// wraps EBUSY where it is in use.
func detach(dir string, helper, lazy bool) error {
	if !helper {
		flags := unix.UMOUNT_NOFOLLOW
		if lazy {
			flags |= unix.MNT_DETACH
		}
		return unix.Unmount(dir, flags)
	}
	bin, err := helperPath()
	if err != nil {
		return err
	}
	args := []string{"-u"}
	if lazy {
		args = append(args, "-z")
	}
	out, err := exec.Command(bin, append(args, "--", dir)...).CombinedOutput() //nolint:gosec // no shell, and -- before the argument
	text := strings.TrimSpace(string(out))
	if strings.HasSuffix(text, "Device or resource busy") { // it does not translate that
		err = unix.EBUSY
	}
	if err != nil {
		return fmt.Errorf("%s: %w", text, err)
	}
	return nil
}
