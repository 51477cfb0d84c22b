package main

import (
	"fmt"
	"os"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

const dropCachesFile = "/proc/sys/vm/drop_caches"

// canDropCaches reports whether this process may empty the machine's caches. In a
// container the file is often there and read-only.
func canDropCaches() bool { return unix.Access(dropCachesFile, unix.W_OK) == nil }

// drop empties the page cache and the kernel's caches of inodes and dentries, if
// that is allowed and wanted.
func (b *mountBench) drop() error {
	if !b.dropCaches {
		return nil
	}
	b.sync() // what is dirty is not dropped
	if err := os.WriteFile(dropCachesFile, []byte("3\n"), 0); err != nil {
		return fmt.Errorf("drop caches: %w", err)
	}
	return nil
}

// sync waits until what was written is on disk: writing it back is not the next
// row's work.
func (b *mountBench) sync() {
	if !b.keep {
		syscall.Sync()
	}
}

// memoryOf is a line of a process's status, in bytes: VmRSS, what it has in memory
// now, or VmHWM, the most that it had. See proc_pid_status(5).
func memoryOf(pid int, key string) (float64, error) {
	text := field(fmt.Sprintf("/proc/%d/status", pid), key)
	var kilobytes float64
	if _, err := fmt.Sscan(strings.TrimSuffix(text, " kB"), &kilobytes); err != nil {
		return 0, fmt.Errorf("%s of process %d is %q: %w", key, pid, text, err)
	}
	return kilobytes * 1024, nil
}
