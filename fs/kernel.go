//go:build linux

package fs

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// dirCacheBroken reports whether a kernel of that release does not evict cached
// directories rightly: Linux 6.9 to 6.12. There a directory is asked for each
// time instead.
func dirCacheBroken(release string) bool {
	var major, minor int
	if n, _ := fmt.Sscanf(release, "%d.%d", &major, &minor); n < 2 { // what is not understood is taken for sound
		return false
	}
	return major == 6 && minor >= 9 && minor <= 12
}

// kernelRelease is what uname -r says, or nothing.
func kernelRelease() string {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return ""
	}
	return unix.ByteSliceToString(u.Release[:])
}
