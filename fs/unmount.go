package fs

import (
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// A program that was just answered still holds the mount for a moment.
	// So a busy mount is tried busyTries times, the second after busyDelay and
	// each further one after twice the last delay: 0.3 s in all.
	busyTries = 6
	busyDelay = 10 * time.Millisecond

	// closeGrace is how long Close waits for the last user of a detached
	// mount before it ends the connection under it, and then for the
	// connection to end.
	closeGrace = 500 * time.Millisecond
)

// Unmount takes the mount out of the directory tree. Lookups that wait for the
// origin are ended first. Where programs still use the mount, it is detached:
// nobody new can come in, those who are in go on, and the error wraps ErrBusy.
// Wait returns when the last one has left. Once the mount is gone, by whomever,
// Unmount returns nil.
func (m *Mount) Unmount() error {
	m.mu.Lock()
	defer m.mu.Unlock()
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
	busy := fmt.Errorf("unmount %q: %w, and is detached: programs that use it may go on, it ends with the last (%w)",
		m.dir, ErrBusy, err)
	if err := detachLazily(m.dir, m.helper); err != nil {
		return fmt.Errorf("unmount %q: %w", m.dir, err)
	}
	m.mu.detached = true
	return busy
}

// Close unmounts, and returns when everything that the mount started has ended.
// Programs that still use it half a second later get ENOTCONN from then on.
func (m *Mount) Close() error {
	err := m.Unmount()
	if !m.ended(closeGrace) {
		if abortErr := abort(m.dev); abortErr != nil {
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

// detach unmounts, by fusermount3 where this process has no right to.
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
	out, err := exec.Command(bin, append(args, "--", dir)...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w", strings.TrimSpace(string(out)), err)
	}
	return nil
}
