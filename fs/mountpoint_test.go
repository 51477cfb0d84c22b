package fs

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestCheckMountpoint(t *testing.T) {
	tmp, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	path := func(elem ...string) string { return filepath.Join(append([]string{tmp}, elem...)...) }
	for _, dir := range []string{"mnt", "full/sub", "store/files", "outer/store", "mnt2"} {
		if err := os.MkdirAll(path(dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(path("file"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for link, target := range map[string]string{
		"link": "mnt", "into-store": "store/files", "loop": "loop", "dangling": "nowhere", "store-link": path("outer/store"), "up": ".",
	} {
		if err := os.Symlink(target, path(link)); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct{ dir, store, want string }{
		{path("mnt"), "", ""},
		{path("mnt"), path("store"), ""},
		{path("mnt") + "/", path("mnt2"), ""}, // only a prefix of its name
		{path("full"), path("store"), ""},     // not empty
		{path("link"), path("store"), ""},
		{path("mnt"), path("not/yet/there"), ""},
		{path("none"), "", "does not exist"},
		{path("dangling"), "", "does not exist"},
		{path("none/deeper"), "", "does not exist"},
		{path("file"), "", "not a directory"},
		{path("loop"), "", "too many"},
		{path("store"), path("store"), "inside the store"},
		{path("store/files"), path("store"), "inside the store"},
		{path("into-store"), path("store"), "inside the store"},
		{path("up/store/files"), path("store"), "inside the store"},
		{path("outer"), path("outer/store"), "is inside it"},
		{path("outer"), path("store-link"), "is inside it"},
		{path("outer"), path("outer/not/yet"), "is inside it"},
		{"/proc", "", "already mounted"},
		{"/", path("store"), "already mounted"},
	} {
		err := CheckMountpoint(c.dir, c.store)
		switch {
		case c.want == "" && err != nil:
			t.Errorf("%s, store %s: %v", c.dir, c.store, err)
		case c.want != "" && (!errors.Is(err, ErrMountpoint) || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%s, store %s: %v; want %q", c.dir, c.store, err, c.want)
		}
	}
}

func TestFindMount(t *testing.T) {
	const table = `22 1 0:21 / / rw - overlay overlay rw
30 22 0:30 / /mnt/a\040b rw,nosuid shared:1 master:2 - fuse.motefs http://o/x\134y\040z ro,user_id=0
31 30 0:31 / /mnt/a\040b rw - tmpfs tmpfs rw
32 22 0:32 / /mnt/c rw - ext4 - rw
garbage
`
	for path, want := range map[string]mountEntry{
		"/":        {"0:21", "/", "overlay", "overlay", "rw"},
		"/mnt/a b": {"0:31", "/mnt/a b", "tmpfs", "tmpfs", "rw"},
		"/mnt/c":   {"0:32", "/mnt/c", "ext4", "-", "rw"},
	} {
		if got, err := findMount(strings.NewReader(table), path); err != nil || got == nil || *got != want {
			t.Errorf("%s: %+v, %v", path, got, err)
		}
	}
	if got, err := findMount(strings.NewReader(table), "/mnt"); err != nil || got != nil {
		t.Errorf("%+v, %v", got, err)
	}
	if got := unescape(`a\134b\040c\9\`); got != `a\b c\9\` {
		t.Errorf("%q", got)
	}
}

func TestCleanFsName(t *testing.T) {
	for name, want := range map[string]string{
		"http://o/a,b":            "http://o/a,b",
		"http://o/\na\x7f\x00":    "http://o/?a??",
		strings.Repeat("é", 2000): strings.Repeat("é", maxFsName/2),
	} {
		if got := cleanFsName(name); got != want {
			t.Errorf("%.20q: %.20q", name, got)
		}
	}
}
