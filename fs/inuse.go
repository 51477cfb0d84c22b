//go:build linux

package fs

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// usersShown bounds the programs that are named.
const usersShown = 5

// Users says which programs use the mount, as in "bash (process 123) and cat (process
// 124)".
func (m *Mount) Users() string { return users(m.dir) }

// users names who keeps dir from being unmounted, as far as /proc shows it to this
// user. It reads links and tables alone, and so never asks the mount itself, which
// may be this process's own.
func users(dir string) string {
	var found []string
	processes, err := os.ReadDir("/proc")
	if err != nil {
		processes = nil // nobody can be seen
	}
	for _, p := range processes {
		if pid, err := strconv.Atoi(p.Name()); err != nil || pid == os.Getpid() || !uses(filepath.Join("/proc", p.Name()), dir) {
			continue
		}
		name, err := os.ReadFile(filepath.Join("/proc", p.Name(), "comm"))
		if err != nil {
			continue // it has ended
		}
		found = append(found, fmt.Sprintf("%s (process %s)", strings.TrimSpace(string(name)), p.Name()))
	}
	found = append(found, mountsIn(dir)...)
	switch n := len(found); {
	case n == 0:
		return "a program that this user cannot see"
	case n > usersShown:
		return fmt.Sprintf("%s and %d more", strings.Join(found[:usersShown], ", "), n-usersShown)
	case n > 1:
		return strings.Join(found[:n-1], ", ") + " and " + found[n-1]
	}
	return found[0]
}

// uses reports whether a process stands in dir, was started from it, or has a file of
// it open or mapped.
func uses(process, dir string) bool {
	for _, link := range []string{"cwd", "root", "exe"} {
		if to, err := os.Readlink(filepath.Join(process, link)); err == nil && inside(to, dir) {
			return true
		}
	}
	if fds, err := os.ReadDir(filepath.Join(process, "fd")); err == nil {
		for _, fd := range fds {
			if to, err := os.Readlink(filepath.Join(process, "fd", fd.Name())); err == nil && inside(to, dir) {
				return true
			}
		}
	}
	maps, err := os.Open(filepath.Join(process, "maps")) //nolint:gosec // the kernel's file
	if err != nil {
		return false
	}
	defer maps.Close()
	for lines := bufio.NewScanner(maps); lines.Scan(); {
		if _, path, ok := strings.Cut(lines.Text(), "/"); ok && inside("/"+path, dir) {
			return true
		}
	}
	return false
}

// mountsIn are the mounts below dir.
func mountsIn(dir string) []string {
	table, err := os.Open(mountTable)
	if err != nil {
		return nil
	}
	defer table.Close()
	var found []string
	for lines := bufio.NewScanner(table); lines.Scan(); {
		if fields := strings.Fields(lines.Text()); len(fields) > 4 {
			if at := unescape(fields[4]); at != dir && inside(at, dir) {
				found = append(found, "the mount at "+at)
			}
		}
	}
	return found
}

// inside reports whether path is dir or below it. Both are clean.
func inside(path, dir string) bool {
	rest, ok := strings.CutPrefix(path, dir)
	return ok && (rest == "" || rest[0] == '/' || dir == "/")
}
