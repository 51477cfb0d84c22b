package fusetest

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"golang.org/x/sys/unix"
)

func TestDirents(t *testing.T) {
	dir := t.TempDir()
	want := []string{".", ".."}
	for i := range 500 {
		name := fmt.Sprintf("%0*d", 1+i%200, i)
		want = append(want, name)
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	fd, err := unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	var got []string
	for buf := make([]byte, 4096); ; {
		n, err := unix.Getdents(fd, buf)
		if err != nil {
			t.Fatal(err)
		}
		if n == 0 {
			break
		}
		for d := range Dirents(buf[:n]) {
			var at unix.Stat_t
			if err := unix.Fstatat(fd, string(d.Name), &at, unix.AT_SYMLINK_NOFOLLOW); err != nil || string(d.Name) != ".." && at.Ino != d.Inode {
				t.Errorf("%+v is %d, %v", d, at.Ino, err)
			}
			if is := at.Mode&unix.S_IFMT == unix.S_IFDIR; is != (d.Type == unix.DT_DIR) {
				t.Errorf("%+v is a directory: %v", d, is)
			}
			got = append(got, string(d.Name))
		}
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("%d names, want %d", len(got), len(want))
	}
}

func TestBelow(t *testing.T) {
	if found, err := Below("/proc"); err != nil || !slices.Contains(found, "/proc") {
		t.Errorf("%q, %v", found, err)
	}
	if found, err := Below(t.TempDir()); err != nil || len(found) > 0 {
		t.Errorf("%q, %v", found, err)
	}
}
