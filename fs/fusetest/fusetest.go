// Package fusetest is what tests of mounts need, of whatever is mounted.
package fusetest

import (
	"bytes"
	"encoding/binary"
	"iter"
	"os"
	"strings"
	"testing"
)

// NoFUSE is the variable which, set to 1, skips what mounts. Without it a machine
// that cannot mount fails the tests.
const NoFUSE = "MOTEFS_TEST_NO_FUSE"

const device = "/dev/fuse"

// Need fails a test on a machine without FUSE, unless tests that mount are left
// out: then it skips it.
func Need(tb testing.TB) {
	tb.Helper()
	if os.Getenv(NoFUSE) == "1" {
		tb.Skip(NoFUSE + "=1: tests that mount are left out")
	}
	if _, err := os.Stat(device); err != nil {
		tb.Fatalf("these tests need FUSE (%v); to leave them out set %s=1", err, NoFUSE)
	}
}

// unescape undoes the escapes of proc_pid_mountinfo(5).
var unescape = strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`)

// Below returns the mountpoints that are dir or in it, those on top of each other
// as often as they are. It reads the kernel's table, and so never waits for a
// filesystem.
func Below(dir string) ([]string, error) {
	table, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	var found []string
	for line := range strings.Lines(string(table)) {
		fields := strings.Fields(line)
		if len(fields) < 5 {
			continue
		}
		if at := unescape.Replace(fields[4]); at == dir || strings.HasPrefix(at, dir+"/") {
			found = append(found, at)
		}
	}
	return found, nil
}

// Dirent is an entry of a directory as the kernel gives it.
type Dirent struct {
	Inode  uint64
	Cookie int64 // where to go on after it
	Type   byte
	Name   []byte
}

// Dirents reads what getdents64(2) has put into buf. A name is part of buf.
func Dirents(buf []byte) iter.Seq[Dirent] {
	// struct linux_dirent64, see getdents(2).
	const cookie, size, kind, name = 8, 16, 18, 19
	return func(yield func(Dirent) bool) {
		for len(buf) > 0 {
			one := buf[:binary.NativeEndian.Uint16(buf[size:])]
			buf = buf[len(one):]
			text, _, _ := bytes.Cut(one[name:], []byte{0})
			d := Dirent{binary.NativeEndian.Uint64(one), int64(binary.NativeEndian.Uint64(one[cookie:])), one[kind], text}
			if !yield(d) {
				return
			}
		}
	}
}
