package fs

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
)

const mountTable = "/proc/self/mountinfo"

// mountEntry is one line of the mount table.
type mountEntry struct {
	// dev is "major:minor".
	dev, path, fsType, source string
	// options are the filesystem's own (super options), with commas between.
	options string
}

// autofsType is the type of what an automounter mounts: the kernel's autofs, of
// automount(8) and of systemd.
const autofsType = "autofs"

// trap reports whether the entry is an automounter's trap: a mountpoint on which that
// mounts once somebody comes in. An autofs of the other kind, indirect, is a directory
// in which the automounter makes mountpoints.
func (e *mountEntry) trap() bool {
	return e.fsType == autofsType && !slices.Contains(strings.Split(e.options, ","), "indirect")
}

// mountAt is the topmost mount exactly on path, which has no symbolic links;
// nil where nothing is mounted there. It reads the kernel's table and so never
// waits for a filesystem, unlike stat.
func mountAt(path string) (*mountEntry, error) {
	f, err := os.Open(mountTable)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return findMount(f, path)
}

// findMount is mountAt in a table in the form of proc_pid_mountinfo(5).
func findMount(table io.Reader, path string) (found *mountEntry, err error) {
	err = eachMount(table, func(e *mountEntry) {
		if e.path == path {
			found = e
		}
	})
	if err != nil {
		return nil, err
	}
	return found, nil
}

// eachMount hands out the entries of such a table, of those at one place the topmost last.
func eachMount(table io.Reader, do func(*mountEntry)) error {
	lines := bufio.NewScanner(table)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		// 36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw
		left, right, ok := strings.Cut(lines.Text(), " - ")
		fields, types := strings.Fields(left), strings.Fields(right)
		if !ok || len(fields) < 5 || len(types) < 2 {
			continue
		}
		e := &mountEntry{dev: fields[2], path: unescape(fields[4]), fsType: types[0], source: unescape(types[1])}
		if len(types) > 2 {
			e.options = types[2]
		}
		do(e)
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("read %s: %w", mountTable, err)
	}
	return nil
}

// unescape undoes the kernel's octal escapes of space, tab, newline and
// backslash.
func unescape(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+3 < len(s) {
			if c, err := strconv.ParseUint(s[i+1:i+4], 8, 8); err == nil {
				b.WriteByte(byte(c))
				i += 3
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}
